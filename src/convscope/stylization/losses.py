"""The loss of pictures in many styles at once: what `style` climbs, for a batch of mixed styles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from convscope import tensors
from convscope.network import Network
from convscope.vocabulary.objectives.statistics import STATISTICS, Parts, distance, relative_error
from convscope.vocabulary.style_losses import SQUEEZENET, StyleLoss

# The loss of `style`, with more content: `style` begins at the photograph, and a network
# has to find it.
LOSS = replace(SQUEEZENET, content={"features.4": 0.45, "features.6": 0.55})


class ManyStyles:
    """What a loss wants of the pictures in each of several styles.

    Args:
        net: the network whose activations are compared.
        loss: which of them, and how.
        images: a style image (1, 3, H, W) for each style.
    """

    def __init__(self, net: Network, loss: StyleLoss, images: Sequence[Tensor]) -> None:
        self.net, self.loss = net, loss
        with torch.no_grad():
            each = [self._statistics(image) for image in images]
        self.wanted: dict[str, Parts] = {
            name: tuple(
                torch.cat(parts) for parts in zip(*(one[name] for one in each), strict=True)
            )
            for name in loss.style
        }

    def __call__(self, pictures: Tensor, photos: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of style and the loss of content of each picture, (N,) each.

        Args:
            pictures: (N, 3, H, W) in [0, 1].
            photos: what the pictures show, of the same shape.
            rows: the number of the style of each picture, (N,).
        """
        content = self.loss.content
        found = self.net.activations(pictures, {*self.loss.style, *content})
        with torch.no_grad():
            shown = self.net.activations(photos, set(content))
        of_style = [
            weight * distance(self._statistic(name, found[name]), self._rows(name, rows))
            for name, weight in self.loss.style.items()
        ]
        of_content = [
            weight * relative_error(found[name], shown[name]) for name, weight in content.items()
        ]
        return torch.stack(of_style).sum(0), torch.stack(of_content).sum(0)

    def _statistics(self, image: Tensor) -> dict[str, Parts]:
        found = self.net.activations(image, set(self.loss.style))
        return {name: self._statistic(name, found[name]) for name in self.loss.style}

    def _statistic(self, name: str, values: Tensor) -> Parts:
        return STATISTICS[self.loss.by](self.net.by_channel(name, values), None)

    def _rows(self, name: str, rows: Tensor) -> Parts:
        return [part[rows] for part in self.wanted[name]]


def roughness(pictures: Tensor) -> Tensor:
    """The total variation of each picture per number, (N,)."""
    return tensors.total_variation(pictures, 2.0) / pictures[0].numel()
