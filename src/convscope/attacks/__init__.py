"""Small changes of photographs that make a network say something else: what they are, and where
they are measured."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
