"""What pages and widgets show of a collection: facts of each image, and sheets of thumbnails."""
