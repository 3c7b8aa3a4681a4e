"""Efros and Leung's algorithm as plain loops over pixels and windows, in whole numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from convscope.types import Array


def patch_loop(
    sample: Array,
    image: Array,
    known: Array,
    window: int,
    order: str,
    seed: int,
    *,
    at_once: bool = False,
) -> Array:
    """One pixel after the other, each compared with one window after the other.

    Args:
        sample: (C, h, w), bytes.
        image: (C, H, W), bytes.
        known: (H, W), where the image is known.
        window: the side of a window.
        order: "scanline" or "onion".
        seed: draws for each pixel a number that chooses its window, and one that breaks ties.
        at_once: compare with all windows in one NumPy expression instead.

    Returns:
        The image, filled.
    """
    kind = _AtOnce if at_once else _Loop
    loop = kind(sample.astype(np.int64), image.astype(np.int64), known.copy(), window, seed)
    if order == "scanline":
        for row, column in np.argwhere(~loop.known):
            loop.fill(row, column, 1.0)
        return loop.image.astype(np.uint8)
    limit = 0.3
    while not loop.known.all():
        before = loop.known.sum()
        for row, column in loop.ring():
            loop.fill(row, column, limit)
        if loop.known.sum() == before:
            limit *= 1.1
    return loop.image.astype(np.uint8)


class _Loop:
    def __init__(self, sample: Array, image: Array, known: Array, window: int, seed: int) -> None:
        self.sample, self.image, self.known = sample, image.copy(), known
        self.reach = window // 2
        chance = torch.Generator().manual_seed(seed)
        self.chance = torch.rand(known.shape, generator=chance, dtype=torch.float64).numpy()
        self.ties = torch.rand(known.shape, generator=chance, dtype=torch.float64).numpy()
        steps = range(-self.reach, self.reach + 1)
        sigma = window / 6.4
        gaussian = np.array(
            [[np.exp(-(y * y + x * x) / (2 * sigma**2)) for x in steps] for y in steps]
        )
        self.weights = np.rint(gaussian * 2**16).astype(np.int64)

    def seen(self, row: int, column: int, reach: int) -> Array:
        """What is known around a pixel, without what lies outside."""
        return self.known[
            max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1
        ]

    def ring(self) -> list[tuple[int, int]]:
        """The pixels beside known ones, those with most known neighbors first."""
        found = [
            (row, column)
            for row, column in np.argwhere(~self.known)
            if self.seen(row, column, 1).any()
        ]
        return sorted(
            found, key=lambda at: (-self.seen(at[0], at[1], self.reach).sum(), self.ties[at])
        )

    def fill(self, row: int, column: int, limit: float) -> None:
        reach, (height, width) = self.reach, self.known.shape
        top, left = max(0, row - reach), max(0, column - reach)
        bottom, right = min(height, row + reach + 1), min(width, column + reach + 1)
        weights = self.weights[
            top - row + reach : bottom - row + reach, left - column + reach : right - column + reach
        ]
        weights = weights * self.known[top:bottom, left:right]
        target = self.image[:, top:bottom, left:right]
        rows, columns = slice(top - row, bottom - row), slice(left - column, right - column)
        distances = self.distances(weights, target, rows, columns)
        least = min(distances)
        if least > limit * weights.sum() * len(target) * 255**2:
            return
        near = np.flatnonzero(10 * np.array(distances) <= 11 * least)
        place = int(near[int(self.chance[row, column] * len(near))])
        y, x = divmod(place, self.sample.shape[2] - 2 * reach)
        self.image[:, row, column] = self.sample[:, y + reach, x + reach]
        self.known[row, column] = True

    def distances(
        self, weights: Array, target: Array, rows: slice, columns: slice
    ) -> Sequence[int] | Array:
        """Those of the target to all windows, of which only some rows and columns count."""
        found = []
        reach = self.reach
        for y in range(reach, self.sample.shape[1] - reach):
            for x in range(reach, self.sample.shape[2] - reach):
                patch = self.sample[
                    :, y + rows.start : y + rows.stop, x + columns.start : x + columns.stop
                ]
                found.append(int((weights * (patch - target) ** 2).sum()))
        return found


class _AtOnce(_Loop):
    def distances(self, weights: Array, target: Array, rows: slice, columns: slice) -> Array:
        reach = self.reach
        side = (2 * reach + 1,) * 2
        windows = np.lib.stride_tricks.sliding_window_view(self.sample, side, axis=(1, 2))
        windows = windows[
            ...,
            rows.start + reach : rows.stop + reach,
            columns.start + reach : columns.stop + reach,
        ]
        found: Array = (weights * (windows - target[:, None, None]) ** 2).sum((0, 3, 4)).ravel()
        return found
