"""One photograph through one network, in the order of the lecture."""
