"""The nearest embeddings: exactly, by FAISS and by LanceDB."""
