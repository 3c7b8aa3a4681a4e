"""How strongly units answer to a photograph, measured by their strongest photograph."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from convscope.collection import Index
from convscope.microscope.facts import Patch, Strong
from convscope.microscope.patches import box_of
from convscope.network import Network
from convscope.types import Array


class Answer(NamedTuple):
    """The highest value of each channel of a layer for one photograph, and its place: each (C,)."""

    values: Array
    places: Array


def answers(net: Network, index: Index, photo: Tensor) -> dict[str, Answer]:
    """What all layers of an index answer to a photograph (1, 3, H, W)."""
    found = {}
    for layer, values in net.read(photo, list(index.channels)).items():
        ordered = net.by_channel(layer, values)[0]
        high = ordered.reshape(len(ordered), -1).max(1)
        found[layer] = Answer(*(one.numpy(force=True) for one in (high.values, high.indices)))
    return found


def relative(index: Index, layer: str, values: Array) -> Array:
    """Values (C,) as fractions of the channels' highest in the index; NaN where that is not > 0."""
    high = index.channels[layer].high.astype(np.float64)
    found: Array = np.where(high > 0, values / np.where(high > 0, high, 1), np.nan)
    return found


def strongest(
    net: Network, index: Index, answer: dict[str, Answer], photo: Tensor, row: int, count: int
) -> dict[str, tuple[Strong, ...]]:
    """For each layer the units that reach most of their own highest value.

    Args:
        net, index: the network and its index.
        answer: what the layers answer to the photograph.
        photo: the photograph, (1, 3, H, W).
        row: its row in the index; -1 if it is not in the index.
        count: how many units of each layer.
    """
    found = {}
    for layer, (values, places) in answer.items():
        parts = relative(index, layer, values)
        order = np.argsort(-parts, kind="stable")[:count]
        chosen = [int(channel) for channel in order if not np.isnan(parts[channel])]
        found[layer] = tuple(
            Strong(
                _patch(net, photo, (layer, c), row, int(places[c]), float(values[c])),
                float(parts[c]),
            )
            for c in chosen
        )
    return found


def _patch(
    net: Network, photo: Tensor, unit: tuple[str, int], row: int, place: int, value: float
) -> Patch:
    position, box = box_of(net, unit, place, (photo.shape[2], photo.shape[3]))
    return Patch(*unit, row, value, position, box)
