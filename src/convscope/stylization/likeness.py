"""How near a texture comes to its sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from convscope.network import Network, default_layers
from convscope.vocabulary.objectives import STATISTICS, distance


class Likeness:
    """The Gram distance of textures to a sample, at layers that they match and at all others.

    Args:
        net: the network.
        layers: the layers that the textures match.
        sample: (1, 3, H, W).
        size: height and width of the textures.
    """

    def __init__(
        self, net: Network, layers: Sequence[str], sample: Tensor, size: tuple[int, int]
    ) -> None:
        self.net, self.layers = net, layers
        below = tuple(f"{name}." for name in layers)
        others = [
            layer.name
            for layer in default_layers.with_activation(net)
            if layer.name not in layers and not layer.name.startswith(below)
        ]
        sizes = {(sample.shape[-2], sample.shape[-1]), size}
        self.others = others if all(net.sizes.takes(one, others) for one in sizes) else []
        self.wanted = self._grams(sample)

    def __call__(self, image: Tensor) -> tuple[list[float], float]:
        """The distance at each layer, and the mean of those at the others."""
        grams = self._grams(image)
        apart = {name: float(distance(grams[name], self.wanted[name])) for name in grams}
        others = [apart[name] for name in self.others]
        return [apart[name] for name in self.layers], sum(others) / max(1, len(others))

    def _grams(self, image: Tensor) -> Mapping[str, Sequence[Tensor]]:
        names = {*self.layers, *self.others}
        with torch.no_grad():
            found = self.net.activations(image, names)
            channels = {name: self.net.by_channel(name, values) for name, values in found.items()}
            return {name: STATISTICS["gram"](values, None) for name, values in channels.items()}


def seam(image: Tensor) -> float:
    """How much pixels change across opposite edges, relative to neighbors inside."""
    across = [(image.roll(1, dim) - image).abs().transpose(0, dim) for dim in (-2, -1)]
    edges = torch.stack([one[0].mean() for one in across]).mean()
    inside = torch.stack([one[1:].mean() for one in across]).mean()
    return float(edges / inside.clamp_min(1e-12))
