"""What all attributions share: the question, gradients, layer maps, baselines and panels."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
