"""Which units rise and fall together from photograph to photograph, and photographs between."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from convscope.collection import Peaks
from convscope.microscope.facts import UnitValue
from convscope.types import Array

BLOCK = 2**21  # peaks in memory at a time


class Similar:
    """The correlations between the peaks of units, over all photographs.

    Args:
        peaks: the peaks of all units.
    """

    def __init__(self, peaks: Peaks) -> None:
        self._peaks = peaks
        self._norms = np.concatenate([_norms(block) for block in _blocks(peaks.values)])

    def to(self, layer: str, channel: int, count: int) -> tuple[UnitValue, ...]:
        """The units most correlated with one, the most similar first, and the correlations.

        Units with the same peak in all photographs are left out; such a unit is similar to none.
        """
        own = self._peaks.rows(layer).start + channel
        if not self._norms[own]:
            return ()
        query = self._centered(own)
        asked = torch.from_numpy(query.astype(np.float32))
        # The query sums to zero, so the means of the others do not matter.
        products = [(block @ asked).numpy() for block in _blocks(self._peaks.values)]
        varied = np.flatnonzero(self._norms)
        rough = np.concatenate(products)[varied] / self._norms[varied]
        kept = varied[np.argsort(-rough, kind="stable")[: count + 1]]
        found = [(row, self._correlation(query, row)) for row in kept.tolist() if row != own]
        found = sorted(found, key=lambda pair: (-pair[1], pair[0]))[:count]
        return tuple(UnitValue(*self._peaks.unit(row), value) for row, value in found)

    def _centered(self, row: int) -> Array:
        values = self._peaks.values[row].astype(np.float64)
        found: Array = values - values.mean()
        return found

    def _correlation(self, query: Array, row: int) -> float:
        other = self._centered(row)
        return float(query @ other / (np.linalg.norm(query) * np.linalg.norm(other)))


def _norms(block: Tensor) -> Array:
    """The length of each unit's peaks without their mean; 0 where all are the same."""
    norms = torch.linalg.vector_norm(block - block.mean(1, keepdim=True), dim=1)
    found: Array = norms.masked_fill(block.amin(1) == block.amax(1), 0).numpy()
    return found


def _blocks(values: Array) -> Iterator[Tensor]:
    """Some rows after another of a memory-mapped matrix, in single precision.

    Each block takes the place of the one before: new memory would cost more than all the rest.
    """
    step = max(1, BLOCK // values.shape[1])
    halves = torch.empty(step, values.shape[1], dtype=torch.float16)
    floats = torch.empty(step, values.shape[1])
    for begin in range(0, len(values), step):
        rows = values[begin : begin + step]
        halves.numpy()[: len(rows)] = rows
        yield floats[: len(rows)].copy_(halves[: len(rows)])


def across(peaks: Array, count: int) -> Array:
    """Photographs across the range of a unit's peaks (N,): their rows, from the lowest peak up.

    They are those nearest to `count` values at equal distances from the lowest peak to the highest,
    each photograph once.
    """
    values = peaks.astype(np.float64)
    levels = np.linspace(values.min(), values.max(), count)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    behind = np.searchsorted(ordered, levels).clip(1, max(1, len(values) - 1))
    if len(values) == 1:
        return order
    nearer = levels - ordered[behind - 1] <= ordered[behind] - levels
    found: Array = order[np.unique(behind - nearer)]
    return found
