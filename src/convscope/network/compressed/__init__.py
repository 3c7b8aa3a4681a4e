"""Files of compressed networks: what a tensor takes in them, and how it comes out again."""
