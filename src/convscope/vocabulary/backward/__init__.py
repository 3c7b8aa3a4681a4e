"""What backward rules stand on: the ways back to an image, and the activations on them."""
