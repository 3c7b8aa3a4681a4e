"""Maps of embeddings: layouts of the images in the plane, and grids made from them."""
