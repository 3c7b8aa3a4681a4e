"""A technique with all that it needs, its result, and the registry that every face reads."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
