"""From the bytes of an image file, which may be hostile, to RGB, within bounds."""
