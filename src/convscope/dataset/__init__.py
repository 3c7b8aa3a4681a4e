"""Image collections: from a folder to an index of what a network sees in it."""
