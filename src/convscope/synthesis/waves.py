"""The order in which pixels are filled, and which of them can be filled at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.types import Array


def raster(known: Tensor) -> Array:
    """The unknown pixels (n, 2) of a mask (H, W), row by row."""
    order: Array = (~known).nonzero().numpy()
    return order


def fringe(known: Tensor, window: int, priority: Tensor) -> Array:
    """The unknown pixels (n, 2) that touch known ones, those with most known neighbors first.

    Args:
        known: (H, W).
        window: the side of the window in which neighbors are counted.
        priority: (H, W), which of equals is first: the one with the lower number.
    """
    counts = _count(known, window)
    places = ((_count(known, 3) > 0) & ~known).nonzero().numpy()
    rows, columns = places.T
    order = np.lexsort((priority.numpy()[rows, columns], -counts.numpy()[rows, columns]))
    return places[order]


def _count(known: Tensor, side: int) -> Tensor:
    """How many pixels are known in the window around each of (H, W)."""
    ones = known[None, None].float()
    return F.avg_pool2d(ones, side, 1, side // 2, divisor_override=1)[0, 0]


def waves(order: Array, reach: int, size: tuple[int, int]) -> Iterator[Tensor]:
    """Groups (n, 2) of pixels that can be filled at once, with the result of one after the other.

    A pixel depends on all within `reach` of it that come before it in the order, so it is in a
    later group than they are.

    Args:
        order: (n, 2), the pixels in their order.
        reach: the largest distance, along rows or columns, at which a pixel is seen.
        size: height and width of the image.
    """
    levels = np.zeros((size[0] + 2 * reach, size[1] + 2 * reach), np.int32)
    side = 2 * reach + 1
    found = np.empty(len(order), np.int32)
    for number, (row, column) in enumerate(order.tolist()):
        found[number] = levels[row : row + side, column : column + side].max() + 1
        levels[row + reach, column + reach] = found[number]
    by_level = np.argsort(found, kind="stable")
    for group in np.split(by_level, np.cumsum(np.bincount(found)[1:-1])):
        yield torch.from_numpy(order[group])
