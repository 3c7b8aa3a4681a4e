"""Large pictures: from small sizes to large ones, and in patches that overlap."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor

Size = tuple[int, int]


def doubling_sizes(size: Size, least: int, count: int | None = None) -> list[Size]:
    """Sizes from small to large, each with twice the pixels of the one before.

    Args:
        size: the last of them.
        least: the smallest shorter side. Only the last size may have a smaller one.
        count: how many there are at most.
    """
    smaller = math.floor(2 * math.log2(max(1.0, min(size) / least)))
    factors = [2 ** (-k / 2) for k in range(min(smaller + 1, count or smaller + 1))]
    return [(round(size[0] * f), round(size[1] * f)) for f in reversed(factors)]


def patches(size: Size, longest: int) -> list[tuple[slice, slice]]:
    """The rows and columns of patches that cover an image and overlap by at least a quarter.

    None is longer than `longest`; one patch is the whole image, where that is no longer.
    """
    rows, columns = (_overlapping(length, longest) for length in size)
    return list(itertools.product(rows, columns))


def _overlapping(length: int, longest: int) -> Iterator[slice]:
    side = min(length, longest)
    count = 1 + math.ceil((length - side) / max(1, side * 3 // 4))
    starts = [round((length - side) * i / max(1, count - 1)) for i in range(count)]
    return (slice(start, start + side) for start in starts)


def paste(canvas: Tensor, patch: Tensor, place: tuple[slice, slice]) -> Tensor:
    """The canvas (N, C, H, W) with a patch that fades out toward edges inside the canvas."""
    found, (rows, columns) = canvas.clone(), place
    height, width = canvas.shape[-2:]
    share = torch.outer(_fading(rows, height), _fading(columns, width)).to(canvas)
    found[..., rows, columns] = found[..., rows, columns].lerp(patch, share)
    return found


def _fading(part: slice, length: int) -> Tensor:
    """The weight of each pixel of a slice: it falls over an eighth at each edge inside."""
    side = part.stop - part.start
    places, reach = torch.arange(side) + 0.5, max(1, side // 8)
    ramp = torch.ones(side)
    if part.start > 0:
        ramp = torch.minimum(ramp, places / reach)
    if part.stop < length:
        ramp = torch.minimum(ramp, (side - places) / reach)
    return ramp
