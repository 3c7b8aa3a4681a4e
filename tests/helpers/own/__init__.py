"""Modules as users write them, and what is true of each."""
