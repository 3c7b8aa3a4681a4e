"""Panels become pictures. Values come in raw; this room decides how they are made visible."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
