"""One network that draws photographs in many styles: the network, its files, its training."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
