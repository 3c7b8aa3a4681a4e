"""A tour: one photograph through one network, a page of chapters in the order of the lecture."""
