"""The map of a collection as one HTML page that zooms and searches."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from PIL import Image

from convscope.collection.exports.columns import as_utf8, utf8_or_none
from convscope.collection.layout import grids
from convscope.errors import ConvscopeError
from convscope.files import thumbnail, webp
from convscope.render import fill_template
from convscope.types import Array

PIXELS = 40_000_000  # in all thumbnails together, which makes a page of about 15 MB

SMALLEST, LARGEST = 32, 128  # side of a thumbnail in pixels

SHEET = 2048  # side of a sheet of thumbnails, which every browser can hold


def page(
    places: Array,
    thumbnails: Sequence[bytes],
    names: Sequence[str],
    *,
    title: str,
    labels: Sequence[str | None] | None = None,
    predictions: Sequence[str | None] | None = None,
    summary: Mapping[str, object] | None = None,
    notes: Sequence[str] = (),
    grid: Array | None = None,
) -> str:
    """The HTML of a page that needs no other file. All texts may hold anything.

    Args:
        places: (N, 2) coordinates on the map.
        thumbnails: image files, such as JPEG; they are shown as squares.
        names: names of the images, such as their paths.
        title: the title.
        labels: labels of the images.
        predictions: names of the likeliest classes.
        summary: names and values below the title.
        notes: sentences below these.
        grid: a grid of `unique_grid`, which the page can switch to.

    Raises:
        ConvscopeError: the columns differ in length.
    """
    count = len(names)
    labels = [None] * count if labels is None else labels
    predictions = [None] * count if predictions is None else predictions
    if not count == len(places) == len(thumbnails) == len(labels) == len(predictions):
        raise ConvscopeError("a page needs a place, a thumbnail and a label for each name")
    return fill_template(
        "convscope.collection.exports",
        "map.html",
        title=as_utf8(title),
        count=count,
        summary=[(as_utf8(name), as_utf8(str(value))) for name, value in (summary or {}).items()],
        notes=[as_utf8(note) for note in notes],
        grid=_shown(grid, count),
        data=_drawing(places, thumbnails, grid)
        | {
            "names": [as_utf8(name) for name in names],
            "labels": [utf8_or_none(label) for label in labels],
            "predictions": [utf8_or_none(prediction) for prediction in predictions],
        },
    )


def _drawing(places: Array, thumbnails: Sequence[bytes], grid: Array | None) -> dict[str, object]:
    """What the page draws: places, cells of the grid, and sheets of thumbnails."""
    spread = grids.scattered(places)
    wide = max(spread.width, spread.height)
    shift = (wide - np.array([spread.width, spread.height])) / 2
    tile = _side(thumbnails)
    across = SHEET // tile
    colors: list[Array] = []
    sheets = [_base64(sheet) for sheet in _sheets(thumbnails, tile, across, colors)]
    cells = None if grid is None else _cells(grid, len(places)).astype("<f4")
    return {
        "places": _base64(((spread.places + shift) / wide).astype("<f4").tobytes()),
        "cells": None if cells is None else _base64(cells.tobytes()),
        "cell": 0 if grid is None else 1 / max(grid.shape),
        "colors": _base64(np.stack(colors).tobytes()),
        "wide": wide,
        "tile": tile,
        "across": across,
        "sheets": sheets,
    }


def _side(thumbnails: Sequence[bytes]) -> int:
    """The side of all thumbnails: that of the first, unless the page would get too large."""
    own = max(thumbnail(thumbnails[0]).size)
    limit = min(LARGEST, own, math.isqrt(PIXELS // len(thumbnails)))
    return max(SMALLEST, limit // 16 * 16)  # WebP has blocks of 16, which neighbors must not share


def _sheets(
    thumbnails: Sequence[bytes], tile: int, across: int, colors: list[Array]
) -> Iterator[bytes]:
    """WebP files with thumbnails in rows; `colors` gets the mean color of each thumbnail."""
    for first in range(0, len(thumbnails), across * across):
        some = thumbnails[first : first + across * across]
        rows = math.ceil(len(some) / across)
        sheet = Image.new("RGB", (across * tile, rows * tile), "white")
        for i, file in enumerate(some):
            shown = thumbnail(file).resize((tile, tile), Image.Resampling.LANCZOS)
            colors.append(np.asarray(shown).mean((0, 1)).round().astype(np.uint8))
            sheet.paste(shown, (i % across * tile, i // across * tile))
        yield webp(sheet, 80, effort=2)


def _cells(grid: Array, count: int) -> Array:
    """The center of each image's cell, (N, 2) from 0 to 1; NaN if it has none."""
    tiles = grids.tiled(grid)
    wide = max(tiles.width, tiles.height)
    shift = (wide - np.array([tiles.width, tiles.height])) / 2
    cells = np.full((count, 2), np.nan)
    cells[tiles.rows] = (tiles.places + shift) / wide
    return cells


def _shown(grid: Array | None, count: int) -> str:
    """Which images a grid shows, as text; "" if there is no grid."""
    if grid is None:
        return ""
    shown = int((grid != grids.EMPTY).sum())
    return "each image" if shown == count else f"each of {shown:,} random images"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
