"""Principal axes of embeddings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convscope.collection.layout.rows import at_random, blocks, read
from convscope.types import Array

LARGEST = 4_096  # side of the largest matrix whose eigenvectors are computed


class Axes(NamedTuple):
    """Directions (D, k) in which embeddings vary most, most first, from their mean (D,)."""

    mean: Array
    directions: Array

    def __call__(self, embeddings: Array, rows: Array) -> Array:
        """The coordinates of those rows along the directions: (n, k) float32."""
        parts = [(read(embeddings, some) - self.mean) @ self.directions for some in blocks(rows)]
        return np.concatenate(parts)


def principal_axes(embeddings: Array, rows: Array, limit: int, seed: int) -> Axes:
    """The principal axes of those rows: `limit`, or as many as there are, but at least two.

    They come from the smaller of two matrices, the products of columns or the products of rows. If
    both are too large, they come from the products of some rows.
    """
    from scipy.linalg import eigh

    width = embeddings.shape[1]
    if width > LARGEST:
        rows = rows[at_random(len(rows), LARGEST, seed)]
    mean = _mean(embeddings, rows)
    few = len(rows) < width
    if few:
        centered = read(embeddings, rows).astype(np.float64) - mean
        products = centered @ centered.T
    else:
        products = np.zeros((width, width))
        for some in blocks(rows):
            block = read(embeddings, some) - mean
            products += block.T @ block
    side = len(products)
    variances, vectors = eigh(products, subset_by_index=(max(0, side - limit), side - 1))
    directions = _scaled(centered.T @ vectors if few else vectors, variances)
    missing = max(0, 2 - directions.shape[1])
    return Axes(mean, np.pad(directions, ((0, 0), (0, missing))).astype(np.float32))


def _mean(embeddings: Array, rows: Array) -> Array:
    total = np.zeros(embeddings.shape[1])
    for some in blocks(rows):
        total += read(embeddings, some).sum(0, dtype=np.float64)
    return (total / len(rows)).astype(np.float32)


def _scaled(directions: Array, variances: Array) -> Array:
    """The directions at length 1, most variance first; zeros if there is no variance."""
    length = np.linalg.norm(directions, axis=0)
    # Rounding would invent directions in which the embeddings do not vary.
    length[variances <= 1e-10 * max(variances[-1], 1e-10)] = np.inf
    # The sign of a direction is arbitrary: its largest number becomes positive.
    peaks = directions[abs(directions).argmax(0), np.arange(len(length))]
    length *= np.copysign(1, peaks)
    scaled: Array = (directions / length)[:, ::-1]
    return scaled
