"""The recipe of an image, the one loop that climbs it, and what lets a stopped climb go on."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
