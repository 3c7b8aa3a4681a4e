"""Files of weights: read without running any code in them, and fitted to a module."""
