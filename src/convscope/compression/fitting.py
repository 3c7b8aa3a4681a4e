"""How far apart levels must be for a file to have so many bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from convscope.compression.compensating import Compensation, nearest
from convscope.compression.sensitivity import Spacing, smallest
from convscope.compression.sharing import Start, first_levels, k_means, shared
from convscope.errors import ConvscopeError
from convscope.network import Shared, coding
from convscope.types import Array

LOW, HIGH = 1e-8, 1e4  # what 1 / sqrt(c) may be multiplied with

PER_LEVEL = 4  # bytes in a file: a number in float16, and how often it occurs


@dataclass(frozen=True)
class Layer:
    """The weights of a layer that are not pruned, and how many are."""

    values: Array
    zeros: int


def layers(weights: Mapping[str, Tensor]) -> dict[str, Layer]:
    """The layers of pruned weights."""
    found = {}
    for name, value in weights.items():
        numbers = value.detach().cpu().numpy().reshape(-1)
        kept = numbers[numbers != 0]
        found[name] = Layer(kept, numbers.size - kept.size)
    return found


def fitted(
    weights: Mapping[str, Tensor],
    spacing: Spacing,
    room: float,
    compensations: Mapping[str, Compensation],
) -> dict[str, Shared]:
    """Weights with as many levels as a number of bytes has room for.

    Levels are evenly spaced, and those weights that are nearest to zero become zero. k-means would
    move levels to where most weights are. The error would be smaller, but all levels would be about
    as frequent, and the code longer.

    Args:
        weights: those that are zero stay zero.
        spacing: says how far apart the levels of each layer are.
        room: the bytes.
        compensations: layers whose weights make up for each other's errors.

    Raises:
        ConvscopeError: even two levels a layer take more bytes.
    """
    known = layers(weights)

    def fits(scale: float) -> bool:
        return sum(_size(layer, spacing, name, scale) for name, layer in known.items()) <= room

    if not fits(HIGH):
        raise ConvscopeError(
            "compress: a file cannot be so small; give a lower ratio or a higher sparsity"
        )
    scale = smallest(fits, LOW, HIGH, 30)
    return {
        name: _rounded(value, known[name], spacing, name, scale, compensations.get(name))
        for name, value in weights.items()
    }


def _rounded(
    weights: Tensor,
    layer: Layer,
    spacing: Spacing,
    name: str,
    scale: float,
    compensation: Compensation | None,
) -> Shared:
    """The weights of a layer as multiples of the distance of its levels."""
    if not layer.values.size:
        return shared(weights, np.zeros(0))
    first, second, *_ = spacing.levels(name, layer.values, scale)
    step = float(second - first)
    made = compensation.rounded(weights, step) if compensation else nearest(weights, step)
    return shared(made, made.unique().cpu().numpy())


def _size(layer: Layer, spacing: Spacing, name: str, scale: float) -> float:
    """The bytes of a layer in a file, nearly."""
    if not layer.values.size:
        return 0.0
    levels = spacing.levels(name, layer.values, scale)
    numbers = np.rint((layer.values - levels[0]) / (levels[1] - levels[0])).astype(np.int64)
    counts = np.bincount(numbers, minlength=len(levels))
    counts[levels == 0] += layer.zeros
    return coding.entropy(counts) / 8 + PER_LEVEL * int((counts > 0).sum())


def clustered(
    weights: Mapping[str, Tensor], count: int, start: Start, seed: int
) -> dict[str, Shared]:
    """Weights with the same number of levels in each layer, by k-means until nothing changes.

    Raises:
        ConvscopeError: a layer has fewer different weights.
    """
    made = {}
    for name, layer in layers(weights).items():
        different = len(np.unique(layer.values))
        if count > different:
            raise ConvscopeError(
                f"compress: {count} clusters are more than the {different} different weights that"
                f" {name} has: give fewer"
            )
        levels = k_means(layer.values, first_levels(layer.values, count, start, seed))
        made[name] = shared(weights[name], levels)
    return made


def fewest_different(weights: Mapping[str, Tensor]) -> int:
    """How many different weights the layer has that has fewest."""
    return min(len(value.unique()) for value in weights.values())
