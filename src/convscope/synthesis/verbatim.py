"""How much of an image was copied verbatim, in runs and in regions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from convscope.types import Array


class Copies(NamedTuple):
    """Pixels that lie side by side in the sample as they do in the image.

    Attributes:
        longest_run: the largest number of them in one row or one column.
        largest_region: the largest number of them that are connected by their sides.
    """

    longest_run: int
    largest_region: int


def copies(sources: Tensor) -> Copies:
    """What was copied in one piece.

    Args:
        sources: (H, W, 2), the row and column in the sample of each pixel; -1 where a pixel was not
            copied.
    """
    from skimage.measure import label  # imports SciPy's filters, which takes a quarter of a second

    copied = (sources[..., 0] >= 0).numpy()
    if not copied.any():
        return Copies(0, 0)
    rows, columns = np.indices(copied.shape)
    down, across = sources[..., 0].numpy() - rows, sources[..., 1].numpy() - columns
    # One number from 1 for each way of moving, 0 where nothing was copied.
    _, moves = np.unique(down * 2**32 + across, return_inverse=True)
    moves = np.where(copied, moves.reshape(copied.shape) + 1, 0)
    regions = label(moves, background=0, connectivity=1)
    longest = max(_longest(moves), _longest(moves.T))
    return Copies(longest, int(np.bincount(regions[regions > 0]).max()))


def _longest(moves: Array) -> int:
    """The largest number of equal numbers above 0 side by side in a row."""
    line = np.pad(moves, ((0, 0), (0, 1))).ravel()  # a zero ends each row
    ends = np.flatnonzero(line[1:] != line[:-1])
    lengths = np.diff(ends, prepend=-1)
    return int(lengths[line[ends] > 0].max())
