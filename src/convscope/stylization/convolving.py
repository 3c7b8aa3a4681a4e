"""The convolutions of a style network as they are fastest on a processor.

Training takes them as they are written; these give the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.stylization.network import Stage

FEW = 8  # channels below which a processor leaves most of a vector empty


def convolution(stage: Stage) -> Callable[[Tensor], Tensor]:
    """A stage's convolution, and the enlargement before it: (1, C, H, W) becomes (1, D, h, w)."""
    kernel = stage.conv.weight
    if stage.enlarge == 2 and kernel.shape[2:] == (3, 3):
        return _Quarters(kernel)
    if stage.enlarge == 1 and stage.conv.stride == (1, 1) and len(kernel) < FEW < kernel.shape[1]:
        return _Rows(kernel)

    def plain(values: Tensor) -> Tensor:
        if stage.enlarge > 1:
            values = F.interpolate(values, scale_factor=stage.enlarge, mode="nearest")
        found: Tensor = stage.conv(values)
        return found

    return plain


class _Rows:
    """A convolution to few channels, as one to as many times more as the kernel has rows.

    Each row of the kernel is a convolution of its own, and all are one. The results, each shifted
    by its row, add up.
    """

    def __init__(self, kernel: Tensor) -> None:
        self._channels, _, self._size, columns = kernel.shape
        self._kernel = kernel.permute(2, 0, 1, 3).flatten(0, 1)[:, :, None].contiguous()
        self._padding = [columns // 2] * 2 + [self._size // 2] * 2

    def __call__(self, values: Tensor) -> Tensor:
        rows = F.conv2d(F.pad(values, self._padding, mode="reflect"), self._kernel)
        height = values.shape[2]
        found = rows[:, : self._channels, :height].clone()
        for number in range(1, self._size):
            begin = number * self._channels
            found += rows[:, begin : begin + self._channels, number : number + height]
        return found


class _Quarters:
    """A 3x3 convolution of an image that is enlarged twice, from the image before.

    Each pixel is four then. What one of these sees is 2x2 pixels of the image before, so each has a
    kernel of 2x2. The enlarged image has the same pixel twice at its border: mirrored there, it is
    the image before with its border repeated.
    """

    def __init__(self, kernel: Tensor) -> None:
        self._channels = kernel.shape[0]
        both = [_halved(rows, 3) for rows in _halved(kernel, 2)]
        self._kernel = torch.cat([one for rows in both for one in rows])

    def __call__(self, values: Tensor) -> Tensor:
        height, width = values.shape[2:]
        quarters = F.conv2d(F.pad(values, [1] * 4, mode="replicate"), self._kernel)
        found = values.new_empty(1, self._channels, 2 * height, 2 * width)
        for number, quarter in enumerate(quarters.split(self._channels, 1)):
            row, column = divmod(number, 2)
            found[:, :, row::2, column::2] = quarter[
                :, :, row : row + height, column : column + width
            ]
        return found


def _halved(kernel: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Of three rows or columns the two that see the pixel before, and the two that see the next."""
    first, middle, last = kernel.split(1, dim)
    return torch.cat((first, middle + last), dim), torch.cat((first + middle, last), dim)
