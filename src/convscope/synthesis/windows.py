"""The windows of a sample as matrices, and their distances to windows that are partly known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from convscope.errors import ConvscopeError

LARGEST = 2**31  # bytes of the matrices


@dataclass(frozen=True)
class Neighborhoods:
    """Windows of a sample, one a column, and the weight of each of their positions.

    All numbers are whole and all sums below 2^53, so that float64 holds them exactly: the distances
    do not depend on the processor, or on how many are computed together.

    Attributes:
        window: the side of a window in pixels, odd.
        places: (n, 2), the row and column of the middle of each window.
        pixels: (window^2 * C, n), from 0 to 255, one position after the other.
        squares: (window^2, n), the sum of the squares of a position's colors.
        weights: (window^2,), a Gaussian of the distance from the middle.
    """

    window: int
    places: Tensor
    pixels: Tensor
    squares: Tensor
    weights: Tensor

    @cached_property
    def middles(self) -> Tensor:
        """(C, n), bytes: the pixel in the middle of each window."""
        middle = self.window**2 // 2
        colors = len(self.pixels) // self.window**2
        return self.pixels[middle * colors : (middle + 1) * colors].byte()

    def distances(self, windows: Tensor, known: Tensor) -> Tensor:
        """The weighted sums of squared differences over the positions that are known.

        Args:
            windows: (B, window^2, C), from 0 to 255.
            known: (B, window^2), which positions are known.

        Returns:
            (B, n).
        """
        used = int(known.any(0).long().cumsum(0).argmax()) + 1  # up to the last known position
        windows, known = windows[:, :used].double(), known[:, :used]
        colors = windows.shape[2]
        masks, which = torch.unique(known, dim=0, return_inverse=True)
        squares = (masks * self.weights[:used]) @ self.squares[:used]
        weighted = windows * (known * self.weights[:used])[..., None]
        found: Tensor = squares[which] + (weighted * windows).sum((1, 2))[:, None]
        found.addmm_(weighted.flatten(1), self.pixels[: used * colors], alpha=-2)
        return found


def neighborhoods(sample: Tensor, places: Tensor, window: int) -> Neighborhoods:
    """The windows of a sample (C, H, W), bytes, around places (n, 2).

    Raises:
        ConvscopeError: they take more than two gigabytes.
    """
    colors, _, width = sample.shape
    needed = (colors + 1) * window**2 * len(places) * 8
    if needed > LARGEST:
        fits = LARGEST // (needed // len(places))
        raise ConvscopeError(
            f"{len(places):,} neighborhoods of {window} x {window} pixels take"
            f" {needed / 2**30:.1f} gigabytes; use a limit of {fits:,}, or a smaller window"
        )
    flat = sample.flatten(1)
    middles = places[:, 0] * width + places[:, 1]
    steps = torch.arange(window) - window // 2
    pixels = torch.empty(window**2, colors, len(places), dtype=torch.float64)
    for position, step in enumerate((steps[:, None] * width + steps).flatten().tolist()):
        pixels[position] = flat[:, middles + step]
    squares = pixels.square().sum(1)
    return Neighborhoods(window, places, pixels.flatten(0, 1), squares, gaussian(window))


def gaussian(window: int) -> Tensor:
    """Weights (window^2,) of a Gaussian with sigma = window / 6.4, in steps of 2^-16."""
    steps = torch.arange(window, dtype=torch.float64) - window // 2
    exponents = (steps[:, None] ** 2 + steps**2) / (2 * (window / 6.4) ** 2)
    return (torch.exp(-exponents) * 2**16).round().flatten()
