"""Sheets of thumbnails: many small squares in one picture."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from convscope.collection.browsing.facts import check_rows
from convscope.collection.decoding import PIXELS
from convscope.collection.reading import Index
from convscope.errors import ConvscopeError
from convscope.files import thumbnail
from convscope.types import Array

# Sides of the squares in pixels, and how many may be on a sheet. Neighbors share no block of JPEG.
SIDES = {"small": PIXELS, "large": 128}
MOST = {"small": 1024, "large": 64}


def sheet(index: Index, rows: Sequence[int], size: str) -> bytes:
    """A JPEG with a square for each image, row by row, as many across as the root of their number.

    The small squares are the network's inputs as the index keeps them for comparing pixels: they
    are read without decoding. The large ones are the middles of the thumbnails.

    Raises:
        ConvscopeError: there is no such image, or they are too many.
    """
    if not rows:
        raise ConvscopeError("name at least one photograph")
    check_rows(index, rows, MOST[size])
    tiles = _small(index, rows) if size == "small" else _large(index, rows)
    side = tiles.shape[1]
    across = math.ceil(math.sqrt(len(rows)))
    down = math.ceil(len(rows) / across)
    canvas = np.zeros((down * across, side, side, 3), np.uint8)
    canvas[: len(rows)] = tiles
    picture = canvas.reshape(down, across, side, side, 3).swapaxes(1, 2)
    file = io.BytesIO()
    whole = Image.fromarray(picture.reshape(down * side, across * side, 3))
    # Colors at half the resolution would run into the next square.
    whole.save(file, "JPEG", quality=88, subsampling=0)
    return file.getvalue()


def _small(index: Index, rows: Sequence[int]) -> Array:
    pixels: Array = index.pixels[np.asarray(rows)].reshape(-1, PIXELS, PIXELS, 3)
    return pixels


def _large(index: Index, rows: Sequence[int]) -> Array:
    side = SIDES["large"]
    pictures = map(thumbnail, index.thumbnails(rows))
    return np.stack([np.asarray(ImageOps.fit(one, (side, side))) for one in pictures])
