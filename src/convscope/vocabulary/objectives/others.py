"""The images that objectives compare the climbed image with."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from convscope.network import Network


class OtherImages:
    """Their activations. The network runs once for an image, whatever the number of layers.

    Args:
        net: the network.
        wanted: the images, each with the name of a layer, and as often as there are layers.
    """

    def __init__(self, net: Network, wanted: Iterable[tuple[Tensor, str]]) -> None:
        self.net = net
        self._images: dict[int, Tensor] = {}
        self._layers: dict[int, set[str]] = {}
        self._read: dict[int, dict[str, Tensor]] = {}
        for image, layer in wanted:
            self._images[id(image)] = image  # as long as it is here, no other has its id
            self._layers.setdefault(id(image), set()).add(layer)

    def activations(self, image: Tensor, layer: str) -> Tensor:
        """The activations of a layer for one of these images."""
        key = id(image)
        if key not in self._read:
            with torch.no_grad():
                self._read[key] = self.net.activations(self._images[key], self._layers[key])
        return self._read[key][layer]
