"""Adding up, batch by batch, what the channels of one layer do."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from convscope.collection.channels import BINS, Channels, Top
from convscope.types import Array

# Only every second, third, ... row and column of larger maps is counted: neighboring positions are
# much alike, and counting all of them would take longer than the first layers of the network.
COUNTED = 1024


class Accumulator:
    """Adds up the values of one layer, batch by batch, and gives what its channels do."""

    def __init__(self) -> None:
        self._highs: list[tuple[Array, Array]] = []
        self._lows: list[tuple[Array, Array]] = []
        self._total: Tensor | float = 0.0
        self._positive: Tensor | int = 0
        self._histogram: Tensor | int = 0
        self._places = self._counted = 1

    def extremes(self, values: Tensor) -> tuple[Tensor, ...]:
        """The highest values of (N, P, C), their positions, the lowest and theirs: each (N, C)."""
        high, low = values.max(1), values.min(1)
        return high.values, high.indices, low.values, low.indices

    def add(self, values: Tensor, extremes: Sequence[Tensor], width: int = 1) -> None:
        """Add values (N, P, C) of maps that are `width` positions wide, and their extremes."""
        high, high_at, low, low_at = (e.cpu().numpy() for e in extremes)
        self._highs.append((high.astype(np.float32), high_at.astype(np.int32)))
        self._lows.append((low.astype(np.float32), low_at.astype(np.int32)))
        self._places = values.shape[1]
        # The values of one image are few enough for single precision; images need double.
        self._total = self._total + values.sum(1).cpu().double().sum(0)
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
        high, high_at = (np.concatenate(part) for part in zip(*self._highs, strict=True))
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


def _lattice(values: Tensor, width: int) -> Tensor:
    """Maps (N, P, C) at every n-th row and column, with the least n that leaves few positions."""
    step = math.ceil(math.sqrt(values.shape[1] / COUNTED))
    if step < 2:
        return values
    count, _, channels = values.shape
    maps = values.view(count, -1, width, channels)
    return maps[:, ::step, ::step].flatten(1, 2)
