"""Adding up, batch by batch, what the channels of one layer do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convscope.collection.channels import BINS, Channels, Top
from convscope.types import Array

# Only every second, third, ... row and column of larger maps is counted: neighboring positions are
# much alike, and counting all of them would take longer than the first layers of the network.
COUNTED = 1024


CACHED = 2**20  # values that fit into the processor's cache


class Accumulator:
    """Adds up the values of one layer, batch by batch, and gives what its channels do."""

    def __init__(self) -> None:
        self._highs: list[tuple[Array, Array]] = []
        self._lows: list[tuple[Array, Array]] = []
        self._total: Tensor | float = 0.0
        self._positive: Tensor | int = 0
        self._histogram: Tensor | int = 0
        self._places = self._counted = 1

    def each(self, values: Tensor) -> tuple[Tensor, ...]:
        """What single images (N, P, C) have: each (N, C).

        The highest values, their positions, the lowest values, their positions, and the sums.
        """
        images = max(1, CACHED // max(1, values[0].numel()))
        parts = [
            (
                *_extreme(part, torch.maximum, torch.max),
                *_extreme(part, torch.minimum, torch.min),
                part.sum(1),
            )
            for part in values.split(images)
        ]
        return tuple(torch.cat(found) for found in zip(*parts, strict=True))

    def add(self, values: Tensor, each: Sequence[Tensor], width: int = 1) -> None:
        """Add values (N, P, C) of maps that are `width` positions wide, and what `each` has."""
        high, high_at, low, low_at, total = (one.cpu() for one in each)
        self._highs.append((high.float().numpy(), high_at.int().numpy()))
        self._lows.append((low.float().numpy(), low_at.int().numpy()))
        self._places = values.shape[1]
        # The values of one image are few enough for single precision; images need double.
        self._total = self._total + total.double().sum(0)
        flat = _lattice(values, width).flatten(0, 1)
        self._counted = len(flat) // len(values)
        # The shift keeps the sign: -64 to -1 for negative numbers, 0 to 63 for the others.
        bins = flat.half().view(torch.int16).bitwise_right_shift_(9)
        channels = torch.arange(flat.shape[1], dtype=torch.int32, device=flat.device)
        indices = (bins + (BINS // 2 + BINS * channels)).flatten()
        counts = torch.bincount(indices, minlength=BINS * flat.shape[1]).view(-1, BINS)
        self._histogram = self._histogram + counts
        # Summing ones takes less than half the time of counting, and is exact up to 2^24 values.
        self._positive = self._positive + flat.sign().clamp_(min=0).sum(0).long()

    def peaks(self) -> tuple[Array, Array]:
        """The highest value of each image and channel, and its position: each (N, C)."""
        high, high_at = (np.concatenate(part) for part in zip(*self._highs, strict=True))
        return high, high_at

    def channels(self, contents: Array, count: int) -> Channels:
        """What the channels did, over images numbered from 0 that have these `contents`.

        Args:
            contents: (N,) a number for the content of each image, the same for copies.
            count: how many of the strongest and weakest images are kept.
        """
        assert isinstance(self._total, Tensor)
        assert isinstance(self._positive, Tensor)
        assert isinstance(self._histogram, Tensor)
        rows = np.arange(len(contents))
        high, high_at = self.peaks()
        low, low_at = (np.concatenate(part) for part in zip(*self._lows, strict=True))
        counts = self._histogram.cpu().numpy()
        half = BINS // 2  # the negative half begins with the numbers nearest to zero
        return Channels(
            len(contents),
            self._places,
            self._counted,
            self._total.cpu().numpy(),
            self._positive.cpu().numpy(),
            low.min(0),
            high.max(0),
            np.concatenate([counts[:, half - 1 :: -1], counts[:, half:]], 1),
            Top.of(high, high_at, rows, contents, count),
            Top.of(-low, low_at, rows, contents, count),
        )


def _extreme(
    values: Tensor, pick: Callable[..., Tensor], best: Callable[..., Any]
) -> tuple[Tensor, Tensor]:
    """The best values of (N, P, C), and the first positions of these, by `torch.max` or `min`.

    `best` looks at each value by itself. `pick`, of two tensors, is so much faster that the winners
    of runs of positions are found first, and then the positions in the best run alone.
    """
    count, places, channels = values.shape
    if places < 64:
        return _extreme_of_few(values, values.amax(1) if best is torch.max else values.amin(1))
    length = next(one for one in (8, 7, 6, 5, 4, 1) if places % one == 0)
    if length == 1:
        found = best(values, 1)
        return found.values, found.indices
    runs = values.reshape(count, -1, length, channels)
    winners = runs
    while (left := winners.shape[2]) > 1:
        half = left // 2
        pairs = pick(winners[:, :, :half], winners[:, :, half : 2 * half])
        odd = winners[:, :, 2 * half :]
        winners = torch.cat([pairs, odd], 2) if left % 2 else pairs
    run = best(winners[:, :, 0], 1).indices[:, None]
    inside = best(runs.gather(1, run[:, :, None].expand(-1, -1, length, -1))[:, 0], 1)
    return inside.values, (run * length)[:, 0] + inside.indices


def _extreme_of_few(values: Tensor, best: Tensor) -> tuple[Tensor, Tensor]:
    """The best values, and their first positions, of fewer than 256: these are counted in bytes."""
    places = values.shape[1]
    left = torch.arange(places, 0, -1, dtype=torch.uint8, device=values.device)[:, None]
    most_left = (values == best[:, None]).view(torch.uint8).mul_(left).amax(1)
    return best, places - most_left.long()


def _lattice(values: Tensor, width: int) -> Tensor:
    """Maps (N, P, C) at every n-th row and column, with the least n that leaves few positions."""
    step = math.ceil(math.sqrt(values.shape[1] / COUNTED))
    if step < 2:
        return values
    count, _, channels = values.shape
    maps = values.view(count, -1, width, channels)
    return maps[:, ::step, ::step].flatten(1, 2)
