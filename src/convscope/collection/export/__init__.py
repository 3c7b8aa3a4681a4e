"""A collection for other programs, and as a page of its own."""
