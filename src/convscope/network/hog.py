"""Histograms of oriented gradients (HOG): a descriptor from before ConvNets, as a module.

N. Dalal and B. Triggs, "Histograms of Oriented Gradients for Human Detection", 2005, in the variant
of `skimage.feature.hog`: each pixel votes for one orientation, without interpolation.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.errors import ConvscopeError

NAME = "hog"
LARGEST = 0.2  # entry of a normalized block, before it is normalized again (Lowe 2004)
REACH = 2.5  # bins to each side that share the vote of a pixel whose orientation turns
_EPSILON = 1e-5  # of skimage


class HOG(nn.Module):
    """The HOG descriptor of an image, as `skimage.feature.hog` gives it.

    It has no weights, and it is differentiable. Its three layers are `gradients`, (N, 2, H, W);
    `cells`, one histogram for each cell, (N, orientations, rows, columns); and `blocks`, the
    histograms of neighboring cells, normalized. The output (N, values) has the order of skimage. An
    orientation is a step function of the pixels, so gradients go through the magnitudes alone. This
    is the exact derivative wherever no pixel is about to change its orientation or its channel.
    With `turning=True` there is another part: where the votes of pixels go when their orientations
    turn, as if they were shared with neighboring bins. A climb that matches a descriptor comes
    closer with it. The descriptor itself is the same.

    Args:
        orientations: number of bins of each histogram; together they cover half a turn.
        pixels_per_cell: width and height of a cell.
        cells_per_block: width and height of a block, in cells.
        turning: whether gradients also go through the orientations.

    Raises:
        ConvscopeError: a number is below 1.
    """

    def __init__(
        self,
        orientations: int = 9,
        pixels_per_cell: int = 8,
        cells_per_block: int = 3,
        *,
        turning: bool = False,
    ) -> None:
        super().__init__()
        if min(orientations, pixels_per_cell, cells_per_block) < 1:
            raise ConvscopeError(
                "HOG: orientations, pixels_per_cell and cells_per_block are at least 1, not"
                f" {orientations}, {pixels_per_cell} and {cells_per_block}"
            )
        self.smallest = pixels_per_cell * cells_per_block
        self.gradients = Gradients()
        self.cells = Cells(orientations, pixels_per_cell, turning)
        self.blocks = Blocks(cells_per_block)

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        blocks: Tensor = self.blocks(self.cells(self.gradients(x)))
        return blocks.permute(0, 2, 3, 1).flatten(1)

    def check(self, x: Tensor) -> None:
        """Refuse an image that is smaller than a block."""
        height, width = x.shape[-2:]
        if min(height, width) < self.smallest:
            raise ConvscopeError(
                f"HOG needs an image of at least {self.smallest} x {self.smallest} pixels, one"
                f" block, not {height} x {width}"
            )


class Gradients(nn.Module):
    """How fast the brightness changes down and to the right, (N, 2, H, W).

    At each pixel it is that of the channel that changes most. At the border it is zero across.
    """

    def forward(self, x: Tensor) -> Tensor:
        down = F.pad(x[:, :, 2:] - x[:, :, :-2], (0, 0, 1, 1))
        right = F.pad(x[..., 2:] - x[..., :-2], (1, 1))
        # Photographs have many ties; rounding to the precision of x decides them as skimage does.
        size = torch.hypot(down.detach().double(), right.detach().double()).to(x.dtype)
        channels = torch.arange(x.shape[1], device=x.device).view(-1, 1, 1)
        strongest = (size.argmax(1, keepdim=True) == channels).to(x.dtype)
        return torch.stack([(down * strongest).sum(1), (right * strongest).sum(1)], 1)


class Cells(nn.Module):
    """The histogram of each cell: the magnitudes by orientation, divided by the cell's pixels."""

    def __init__(self, orientations: int, pixels: int, turning: bool) -> None:
        super().__init__()
        self.orientations, self.pixels, self.turning = orientations, pixels, turning

    def forward(self, gradients: Tensor) -> Tensor:
        down, right = gradients[:, :1], gradients[:, 1:]
        squares = down.square() + right.square()
        some = squares > 0
        size = squares.where(some, 1.0).sqrt().where(some, 0.0)  # whose derivative at 0 is 0
        turn = torch.atan2(down.detach().double(), right.detach().double()).rad2deg() % 180
        bins = torch.arange(self.orientations, device=turn.device).view(-1, 1, 1)
        votes = ((turn * self.orientations / 180).floor() == bins).to(size.dtype) * size
        if self.turning:
            near = self._near(down, right.where(some, 1.0), bins)
            votes = votes + size.detach() * (near - near.detach())
        return F.avg_pool2d(votes, self.pixels)

    def _near(self, down: Tensor, right: Tensor, bins: Tensor) -> Tensor:
        """How near an orientation is to the middle of each bin; the sum over bins is nearly 1."""
        away = torch.atan2(down, right) * (self.orientations / math.pi) - (bins + 0.5)
        away = away - self.orientations * (away / self.orientations).round().detach()
        return (1 - away.abs() / REACH).clamp_min(0) / REACH


class Blocks(nn.Module):
    """Each cell with its neighbors, (N, rows * columns * orientations, ...), normalized (L2-Hys).

    It is scaled to length 1, its largest entries are cut off, and it is scaled again.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, cells: Tensor) -> Tensor:
        rows, columns = (length - self.side + 1 for length in cells.shape[-2:])
        neighbors = F.unfold(cells, self.side).unflatten(1, (cells.shape[1], -1))
        blocks = neighbors.transpose(1, 2).flatten(1, 2).unflatten(2, (rows, columns))
        return _scaled(_scaled(blocks).clamp_max(LARGEST))

    def means(self, blocks: Tensor) -> Tensor:
        """Each cell's entries, averaged over the blocks that hold it; shaped like the cells."""
        parts = blocks.chunk(self.side**2, 1)
        more = self.side - 1
        cells, counts = blocks.new_zeros(()), blocks.new_zeros(())
        for part, (row, column) in zip(parts, self._places, strict=True):
            around = (column, more - column, row, more - row)
            cells = cells + F.pad(part, around)
            counts = counts + F.pad(torch.ones_like(part), around)
        return cells / counts

    @property
    def _places(self) -> list[tuple[int, int]]:
        return [(row, column) for row in range(self.side) for column in range(self.side)]


def _scaled(blocks: Tensor) -> Tensor:
    length = (blocks.square().sum(1, keepdim=True) + _EPSILON**2).sqrt()
    return blocks / length


def hog() -> tuple[nn.Module, dict[str, Any]]:
    """HOG with the numbers of skimage, and the settings of its `Network`."""
    settings = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "input_size": (192, 192)}
    return HOG(), {**settings, "labels": None, "output": "embedding"}
