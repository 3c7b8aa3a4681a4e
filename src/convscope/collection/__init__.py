"""Image collections: one pass of a network over a folder of images, and what is built on it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
