"""What there is to know of each unit, layer, photograph and confusion: a network and its index."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
