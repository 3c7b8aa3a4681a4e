"""Images that evolve: how they are encoded, how they mutate, and which of them survive."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
