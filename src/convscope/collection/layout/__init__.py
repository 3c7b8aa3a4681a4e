"""Where images lie on a map of their embeddings."""
