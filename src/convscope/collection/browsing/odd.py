"""How odd the images of an index are: how far the nearest others are from each."""

from __future__ import annotations

import numpy as np

from convscope.collection.layout.rows import at_random, blocks
from convscope.collection.reading import Index
from convscope.collection.search.exact import exact
from convscope.types import Array

NEAREST = 5  # others that an image is compared with

PAIRS = 2**25  # of images that are compared, at most: in a larger index, with some at random


def compared(count: int) -> int:
    """How many of `count` images each is compared with."""
    return min(count, max(NEAREST + 1, PAIRS // max(1, count)))


def oddness(index: Index) -> Array:
    """The mean cosine distance of each image's nearest others by embedding: (N,) float32.

    NaN where there is no other image.
    """
    count, embeddings = len(index), index.embeddings
    values = np.full(count, np.nan, np.float32)
    if count < 2:
        return values
    others = at_random(count, compared(count), 0)
    known, place = embeddings[others], np.full(count, -1)
    place[others] = np.arange(len(others))
    for rows in blocks(np.arange(count)):
        near = exact(known, embeddings[rows].astype(np.float32), NEAREST + 1)
        values[rows] = near.besides(place[rows]).distances.mean(1)
    return values
