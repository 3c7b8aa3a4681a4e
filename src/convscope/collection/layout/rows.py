"""Rows of a matrix of embeddings, which may be on disk: some at random, or block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convscope.errors import ConvscopeError
from convscope.types import Array

BLOCK = 4_096  # rows at a time


def read(embeddings: Array, rows: Array) -> Array:
    """Some rows as float32.

    Raises:
        ConvscopeError: one of them is not finite.
    """
    values = np.asarray(embeddings[rows], np.float32)
    if not np.isfinite(values).all():
        row = rows[~np.isfinite(values).all(1)][0]
        raise ConvscopeError(f"the embedding of image {row} is not finite; make the index again")
    return values


def blocks(rows: Array) -> Iterator[Array]:
    """The numbers of rows, block by block."""
    for first in range(0, len(rows), BLOCK):
        yield rows[first : first + BLOCK]


def at_random(count: int, limit: int, seed: int) -> Array:
    """At most `limit` of the numbers below `count`, drawn at random, in ascending order."""
    if count <= limit:
        return np.arange(count)
    generator = np.random.default_rng(seed)
    return np.sort(generator.choice(count, limit, replace=False, shuffle=False))
