"""The tour (being written)."""
