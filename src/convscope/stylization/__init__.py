"""Pictures in a style, drawn patch by patch or by one network that has learned many styles."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
