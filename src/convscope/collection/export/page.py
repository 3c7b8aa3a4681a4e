"""The map of a collection as one HTML page, to zoom and to search."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from PIL import Image

from convscope.collection.export.columns import as_utf8
from convscope.collection.layout import grids
from convscope.errors import ConvscopeError
from convscope.render import fill_template
from convscope.types import Array

PIXELS = 40_000_000  # in all thumbnails: a page of about 15 MB


SMALLEST, LARGEST = 32, 128  # side of a thumbnail


SHEET = 2048  # of a sheet of thumbnails, which every browser can hold


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
    """A page that needs nothing else, of images at `places` (N, 2) on a map.

    `thumbnails` are files (JPEG, say), square by their looks; `names` are what images are called
    (their paths), `labels` and `predictions` what they show and what the network says, in the words
    to be shown. `summary` stand below the title. Where there is a `grid` of `unique_grid`, the page
    has a switch to it. All text may be anything.
    """
    count = len(names)
    labels = [None] * count if labels is None else labels
    predictions = [None] * count if predictions is None else predictions
    if not count == len(places) == len(thumbnails) == len(labels) == len(predictions):
        raise ConvscopeError("a page needs a place, a thumbnail and a label for each name")
    spread = grids.scattered(places)
    wide = max(spread.width, spread.height)
    shift = (wide - np.array([spread.width, spread.height])) / 2
    tile = _side(thumbnails)
    across = SHEET // tile
    colors: list[Array] = []
    sheets = [_base64(sheet) for sheet in _sheets(thumbnails, tile, across, colors)]
    data = {
        "names": [as_utf8(name) for name in names],
        "labels": [None if label is None else as_utf8(label) for label in labels],
        "predictions": [None if words is None else as_utf8(words) for words in predictions],
        "places": _base64(((spread.places + shift) / wide).astype("<f4").tobytes()),
        "cells": None if grid is None else _base64(_cells(grid, count).astype("<f4").tobytes()),
        "cell": 0 if grid is None else 1 / max(grid.shape),
        "colors": _base64(np.stack(colors).tobytes()),
        "wide": wide,
        "tile": tile,
        "across": across,
        "sheets": sheets,
    }
    return fill_template(
        "convscope.collection.export",
        "map.html",
        title=as_utf8(title),
        count=count,
        summary=[(as_utf8(name), as_utf8(str(value))) for name, value in (summary or {}).items()],
        notes=[as_utf8(note) for note in notes],
        grid=_shown(grid, count),
        data=data,
    )


def _side(thumbnails: Sequence[bytes]) -> int:
    """Of a thumbnail on the page: as large as the first, unless the page became too large."""
    with Image.open(io.BytesIO(thumbnails[0])) as first:
        own = max(first.size)
    limit = min(LARGEST, own, math.isqrt(PIXELS // len(thumbnails)))
    return max(SMALLEST, limit // 16 * 16)  # so that neighbors on a sheet share no block


def _sheets(
    thumbnails: Sequence[bytes], tile: int, across: int, colors: list[Array]
) -> Iterator[bytes]:
    """WebP files of thumbnails, row by row; `colors` gets the mean of each."""
    for first in range(0, len(thumbnails), across * across):
        some = thumbnails[first : first + across * across]
        rows = math.ceil(len(some) / across)
        sheet = Image.new("RGB", (across * tile, rows * tile), "white")
        for i, file in enumerate(some):
            with Image.open(io.BytesIO(file)) as opened:
                shown = opened.convert("RGB").resize((tile, tile), Image.Resampling.LANCZOS)
            colors.append(np.asarray(shown).mean((0, 1)).round().astype(np.uint8))
            sheet.paste(shown, (i % across * tile, i // across * tile))
        buffer = io.BytesIO()
        sheet.save(buffer, "WEBP", quality=80, method=2)
        yield buffer.getvalue()


def _cells(grid: Array, count: int) -> Array:
    """The middle of each image's cell, (N, 2) from 0 to 1; NaN where it has none."""
    tiles = grids.tiled(grid)
    wide = max(tiles.width, tiles.height)
    shift = (wide - np.array([tiles.width, tiles.height])) / 2
    cells = np.full((count, 2), np.nan)
    cells[tiles.rows] = (tiles.places + shift) / wide
    return cells


def _shown(grid: Array | None, count: int) -> str:
    """Which images a grid shows, in words; "" where there is none."""
    if grid is None:
        return ""
    shown = int((grid != grids.EMPTY).sum())
    return "each image" if shown == count else f"each of {shown:,} images at random"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
