"""convscope: see what a convolutional network has learned and why it decides as it does.

    import convscope as cs

    net = cs.load()
    image = cs.open_image("cat.jpg")
    cs.saliency(net, image, target="tabby").save("saliency.png")

Nothing heavy is imported before it is used: the names are those of `__init__.pyi`.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
