"""The terms of a style loss, and the values that `style` and `train_style` use by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from convscope.network import Network, default_layers
from convscope.vocabulary.objectives import Objective, StatisticName, match, weighted


@dataclass(frozen=True)
class StyleLoss:
    """Which layers of a network a picture shares with a style image, and which with a photograph.

    Minus the loss is an objective: the sum of a `match` for each layer, times the layer's weight.

    Attributes:
        style: the layers whose statistics are those of the style image, each with its weight.
        content: the layers whose activations are those of the photograph, each with its weight.
        by: which statistics of a layer belong to the style.
    """

    style: Mapping[str, float]
    content: Mapping[str, float]
    by: StatisticName = "gram"

    def of_style(self, image: Tensor, mask: Tensor | None = None) -> Objective:
        """The terms of the style image (1, 3, H, W), for all of the picture or part of it."""
        terms = ((w, match(name, image, self.by, mask)) for name, w in self.style.items())
        return weighted(tuple(terms))

    def of_content(self, photo: Tensor) -> Objective:
        """The terms of photographs (N, 3, H, W) in [0, 1], one for each image that is drawn."""
        return weighted(tuple((w, match(name, photo)) for name, w in self.content.items()))


# The network whose features make the better pictures of the two that are always there.
NETWORK = "squeezenet1_1"


SQUEEZENET = StyleLoss(
    style={f"features.{number}": 1.0 for number in (1, 4, 6, 7, 9)},
    content={"features.4": 0.25, "features.6": 0.3},  # the earlier one keeps faces
)


# relu1_1 to relu5_1 and relu4_2, the layers of Gatys, Ecker and Bethge 2016.
_VGG19 = StyleLoss(
    style={f"features.{number}": 1.0 for number in (1, 6, 11, 20, 29)},
    content={"features.22": 0.25},
)


_KNOWN = {NETWORK: SQUEEZENET, "timm/vgg19": _VGG19, "torchvision/vgg19": _VGG19}


def style_loss(net: Network) -> StyleLoss:
    """The loss for a network: one that was chosen by eye, or five layers of any network.

    Raises:
        ConvscopeError: the network has no layer whose units see only part of the image.
    """
    if net.name in _KNOWN:
        return _KNOWN[net.name]
    layers = default_layers.textured(net)
    middle = layers[min(3, len(layers) - 1)]
    return StyleLoss(style=dict.fromkeys(layers, 1.0), content={middle: 0.07 * len(layers)})
