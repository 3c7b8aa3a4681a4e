"""What an image makes of a unit, as a multiple of what the strongest photograph makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.collection import Index
from convscope.network import Network
from convscope.system import BATCH
from convscope.types import Target


def multiples(
    net: Network, index: Index, units: Sequence[tuple[Target, float]], images: Tensor
) -> list[float | None]:
    """For each image, the unit's highest value as a multiple of its highest in any photograph.

    Args:
        net: the network.
        index: its index, which has the layers.
        units: the unit of each image, a channel or a neuron, with 1; or with -1 for its lowest
            value, as a multiple of its lowest.
        images: (N, 3, H, W), which the network gets as they are.

    Returns:
        A number for each image; None where the photograph's value does not have the sign asked for.
    """
    found: list[float | None] = []
    for begin in range(0, len(units), BATCH):
        part = slice(begin, begin + BATCH)
        found += _of_batch(net, index, units[part], images[part])
    return found


def _of_batch(
    net: Network, index: Index, units: Sequence[tuple[Target, float]], images: Tensor
) -> list[float | None]:
    layers = [index.collected(unit.layer) for unit, _ in units]
    with torch.no_grad():
        read = net.activations(images, list(dict.fromkeys(layers)))
    found: list[float | None] = []
    for number, ((unit, sign), layer) in enumerate(zip(units, layers, strict=True)):
        assert unit.channel is not None
        known = index.channels[layer]
        values = sign * net.by_channel(layer, read[layer])[number, unit.channel]
        value = float(values.max() if unit.position is None else values[unit.position])
        best = float(known.high[unit.channel] if sign > 0 else -known.low[unit.channel])
        found.append(value / best if best > 0 else None)
    return found
