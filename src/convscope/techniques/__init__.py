"""The techniques, one file an idea. None imports another."""
