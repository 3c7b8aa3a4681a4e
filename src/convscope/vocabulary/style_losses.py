"""The terms of a style loss, and the values that `style` and `train_style` use by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from convscope.vocabulary.objectives import Objective, match, weighted


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
    by: Literal["gram", "moments"] = "gram"

    def of_style(self, image: Tensor) -> Objective:
        """The terms of the style image (1, 3, H, W)."""
        return weighted(tuple((w, match(name, image, self.by)) for name, w in self.style.items()))

    def of_content(self, photo: Tensor) -> Objective:
        """The terms of photographs (N, 3, H, W) in [0, 1], one for each image that is drawn."""
        return weighted(tuple((w, match(name, photo)) for name, w in self.content.items()))


# The network whose features make the better pictures of the two that are always there.
NETWORK = "squeezenet1_1"


SQUEEZENET = StyleLoss(
    style={f"features.{number}": 1.0 for number in (1, 4, 6, 7, 9)},
    content={"features.6": 0.1},
)
