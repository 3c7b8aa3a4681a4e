"""The pieces in which a network gets an image that it does not take as a whole."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.network import PRE, Network

TILE_MEMORY = 2**29  # bytes that a tile's activations may take


@dataclass(frozen=True)
class Tiling:
    """How an image is padded and cut.

    Attributes:
        rows, columns: the slices of the padded image; a tile is one of each.
        size: rows and columns of the padded image.
        longest: the largest height and width that a tile may have.
        whole: whether the image is neither padded nor cut.
    """

    rows: tuple[slice, ...]
    columns: tuple[slice, ...]
    size: tuple[int, int]
    longest: int
    whole: bool

    @property
    def tiles(self) -> list[tuple[slice, slice]]:
        """The rows and the columns of each tile."""
        return list(itertools.product(self.rows, self.columns))

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and columns of the largest tile."""
        return max(map(_length, self.rows)), max(map(_length, self.columns))

    @property
    def pixels(self) -> int:
        """The number of pixels of all tiles together."""
        return sum(map(_length, self.rows)) * sum(map(_length, self.columns))


def tiling(net: Network, layers: Collection[str], size: tuple[int, int], longest: int) -> Tiling:
    """Tiles of nearly equal sizes that cover an image, none longer than `longest`.

    Where the network does not take such tiles, all have the nearest size that it takes. They then
    overlap, and an image that is smaller is padded.

    Raises:
        ConvscopeError: the network takes no size up to `longest`.
    """
    rows, columns = (_slices(length, longest) for length in size)
    sides = set(itertools.product(map(_length, rows), map(_length, columns)))
    if all(net.sizes.takes(side, layers) for side in sides):
        return Tiling(rows, columns, size, longest, whole=len(rows) == len(columns) == 1)
    tile = _taken(net, layers, size, max(sides), longest)
    padded = max(size[0], tile[0]), max(size[1], tile[1])
    rows, columns = map(_overlapping, padded, tile)
    return Tiling(rows, columns, padded, max(tile), whole=False)


def _taken(
    net: Network,
    layers: Collection[str],
    size: tuple[int, int],
    wanted: tuple[int, int],
    longest: int,
) -> tuple[int, int]:
    """The size up to `longest`, of those near `wanted`, whose tiles have the fewest pixels."""

    def pixels(tile: tuple[int, int]) -> int:
        return math.prod(-(-length // side) * side for length, side in zip(size, tile, strict=True))

    near = [*net.sizes.near(wanted, layers), net.input_size]
    if min(map(max, near)) > longest:
        near = net.sizes.near((longest, longest), layers)
    near = [tile for tile in near if max(tile) <= longest]
    if not near:
        raise net.sizes.refusal((longest, longest), layers)
    return min(near, key=pixels)


def _slices(length: int, longest: int) -> tuple[slice, ...]:
    """Slices of nearly equal lengths that cover `length`, none above `longest`."""
    count = -(-length // longest)
    edges = [round(length * i / count) for i in range(count + 1)]
    return tuple(slice(a, b) for a, b in itertools.pairwise(edges))


def _overlapping(length: int, side: int) -> tuple[slice, ...]:
    """Slices of one length that cover `length`, from its start to its end."""
    count = -(-length // side)
    starts = [round((length - side) * i / max(1, count - 1)) for i in range(count)]
    return tuple(slice(start, start + side) for start in starts)


def _length(part: slice) -> int:
    length: int = part.stop - part.start
    return length


def reflected(image: Tensor, size: tuple[int, int]) -> Tensor:
    """An image (N, C, H, W) in the middle of a larger one, mirrored as often as needed."""
    for axis, length in zip((-2, -1), size, strict=True):
        own = image.shape[axis]
        if own < length:
            places = (torch.arange(length, device=image.device) - (length - own) // 2) % (2 * own)
            image = image.index_select(axis, torch.minimum(places, 2 * own - 1 - places))
    return image


def tile_side(net: Network, layers: Collection[str], batch_size: int = 1) -> int:
    """Pixels a side of a tile whose activations, down to these layers, fill `TILE_MEMORY`.

    A tile is never smaller than the receptive field of these layers, or than the network's input
    where a unit sees the whole image, or than the smallest image that the network takes.
    """
    names = {name.removesuffix(PRE) for name in layers}
    numbers = [i for i, layer in enumerate(net.layers, 1) if layer.name in names]
    # The output and identities are not among the layers.
    down = net.layers[: max(numbers) if len(numbers) == len(names) else None]
    shapes = [layer.channel_shape or layer.shape for layer in down if layer.leaf]
    values = batch_size * sum(map(math.prod, shapes))
    bytes_per_pixel = values * net.dtype.itemsize / math.prod(net.input_size)
    least = max(down[-1].receptive_field or net.input_size)
    side = int(max(math.sqrt(TILE_MEMORY / bytes_per_pixel), least))
    if side >= max(net.input_size):
        return side
    return max(side, *net.sizes.near((side, side), layers)[0])
