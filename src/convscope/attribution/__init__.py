"""What all attributions share: the target that is asked about, its gradients and its maps."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
