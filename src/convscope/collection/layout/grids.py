"""From a map to a picture of it: where the thumbnails go, on a canvas measured in tiles."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from convscope.collection.layout.rows import at_random
from convscope.errors import ConvscopeError
from convscope.types import Array

LIMIT = 2_500  # images that get a cell of their own

EMPTY = -1

# The outer tenth of a map holds all that lies beyond these quantiles of the rest.
QUANTILES, RIM = (0.01, 0.99), 0.1


class Arrangement(NamedTuple):
    """Tiles on a canvas of `width` by `height` tiles.

    `rows` (K,) are the images that the tiles show, `places` (K, 2) the centers of the tiles, from
    the left and from the top.
    """

    rows: Array
    places: Array
    width: float
    height: float


class Cell(NamedTuple):
    """A cell of a grid over a map: its row from the top, its column, and what lies in it."""

    row: int
    column: int
    items: Array


def cells(places: Array, side: int, least: int = 1) -> list[Cell]:
    """The cells of a grid over a map in which at least so many places lie, row by row.

    The grid is as wide and as high as the map. Outliers are moved to the rim of the other places
    (Carter et al. 2019); otherwise they would leave most cells empty.

    Args:
        places: (N, 2) coordinates on the map, whose second coordinate goes down.
        side: number of cells a side.
        least: fewest places of a cell.
    """
    low, high = np.quantile(places, QUANTILES, axis=0)
    rim = RIM * (high - low)
    inside = _scaled(places.clip(low - rim, high + rim))
    column, row = np.minimum((inside * side).astype(np.int64), side - 1).T
    number = row * side + column
    order = np.argsort(number, kind="stable")
    found, first = np.unique(number[order], return_index=True)
    items = np.split(order, first[1:])
    pairs = zip(found.tolist(), items, strict=True)
    return [Cell(one // side, one % side, some) for one, some in pairs if len(some) >= least]


def nearest_grid(places: Array, side: int) -> Array:
    """A grid over the map with the image nearest to the center of each cell: rows (side, side).

    This is Karpathy's picture of CNN embeddings. The grid is as wide and as high as the map, whose
    second coordinate goes down. An image may be in several cells, or in none. The first of several
    images at one place counts.

    Args:
        places: (N, 2) coordinates on the map.
        side: number of cells a side.
    """
    from scipy.spatial import cKDTree

    places = _scaled(places)
    if side < 1:
        raise ConvscopeError(f"a grid needs at least 1 cell a side, not {side}")
    distinct, first = np.unique(places, axis=0, return_index=True)
    found: Array = first[cKDTree(distinct).query(_centers(side, side))[1]]
    return found


def unique_grid(places: Array, columns: int | None = None, *, seed: int = 0) -> Array:
    """A grid over the map in which each image has its own cell: rows, or EMPTY (-1).

    The sum of squared distances between images and the centers of their cells is minimal. The grid
    is as wide and as high as the map. Of more than 2,500 images, 2,500 are drawn at random.

    Args:
        places: (N, 2) coordinates on the map.
        columns: number of columns; by default the grid is nearly square.
        seed: chooses the random numbers.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    if columns is not None and columns < 1:
        raise ConvscopeError(f"a grid needs at least 1 column, not {columns}")
    chosen = at_random(len(places), LIMIT, seed)
    placed = _scaled(places[chosen])
    columns = columns or math.ceil(math.sqrt(len(placed)))
    rows = math.ceil(len(placed) / columns)
    cells = _centers(rows, columns).reshape(-1, 2)
    image, cell = linear_sum_assignment(cdist(placed, cells, "sqeuclidean"))
    grid = np.full(rows * columns, EMPTY)
    grid[cell] = chosen[image]
    return grid.reshape(rows, columns)


def tiled(grid: Array) -> Arrangement:
    """The tiles of a grid, row by row, without the empty cells."""
    row, column = np.nonzero(grid != EMPTY)
    centers = np.stack([column, row], axis=1) + 0.5
    return Arrangement(grid[row, column], centers, grid.shape[1], grid.shape[0])


def scattered(places: Array, across: float | None = None) -> Arrangement:
    """Each image at its place on the map, whose proportions stay, with a margin of half a tile.

    The few images that are far from all others are moved closer; otherwise all others would be
    small.

    Args:
        places: (N, 2) coordinates on the map.
        across: longer side of the canvas in tiles; by default most tiles have room.
    """
    _check(places)
    places = places.astype(np.float64)
    low, high = np.quantile(places, (0.005, 0.995), axis=0)
    slack = 0.1 * (high - low).max()
    places = places.clip(low - slack, high + slack)
    across = across or min(60.0, max(4.0, 1.35 * math.sqrt(len(places))))
    first, extent = places.min(0), np.ptp(places, axis=0)
    scale = max(0.0, across - 2) / (extent.max() or 1.0)
    width, height = (float(side) for side in extent * scale + 2)
    return Arrangement(np.arange(len(places)), (places - first) * scale + 1, width, height)


def _check(places: Array) -> None:
    if places.ndim != 2 or places.shape[1] != 2 or not len(places):
        raise ConvscopeError(f"places must be (images, 2), not {tuple(places.shape)}")
    if not np.isfinite(places).all():
        raise ConvscopeError("places must be finite numbers")


def _scaled(places: Array) -> Array:
    """Both coordinates from 0 to 1; 0.5 if they are all the same."""
    _check(places)
    places = places.astype(np.float64)
    extent = np.ptp(places, axis=0)
    return np.where(extent > 0, (places - places.min(0)) / np.where(extent > 0, extent, 1), 0.5)


def _centers(rows: int, columns: int) -> Array:
    """The centers of the cells of a grid over the unit square: (rows, columns, 2)."""
    down, across = ((np.arange(count) + 0.5) / count for count in (rows, columns))
    return np.stack(np.meshgrid(across, down), axis=-1)
