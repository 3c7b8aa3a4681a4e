"""What a network gives: kinds of outputs, classes and their labels, boxes."""
