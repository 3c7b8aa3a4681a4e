"""The nearest embeddings: exact, by FAISS and by LanceDB."""
