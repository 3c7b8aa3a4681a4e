"""What a search gets and gives: queries that fit the embeddings, and neighbors."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from convscope.errors import ConvscopeError
from convscope.types import Array

Metric = Literal["cosine", "l2"]

DTYPES = ("float16", "float32", "uint8")


class Neighbors(NamedTuple):
    """The nearest rows (Q, k) int64 of each query, nearest first, and their distances (Q, k).

    Distances are float32: 1 - cosine, or Euclidean. If two rows are equally near, the lower comes
    first. If an approximate search finds too few rows, the rest are -1 at an infinite distance.
    """

    rows: Array
    distances: Array

    def besides(self, own: Array) -> Neighbors:
        """The neighbors without each query's `own` row (Q,), one fewer for every query."""
        out = self.rows == np.asarray(own)[:, None]
        out[~out.any(1), -1:] = True
        queries, count = self.rows.shape
        shape = queries, max(0, count - 1)
        return Neighbors(self.rows[~out].reshape(shape), self.distances[~out].reshape(shape))


def check(embeddings: Array, queries: Array, count: int, metric: str) -> Array:
    """The queries in float32, if they fit the embeddings.

    Raises:
        ConvscopeError: they do not, or the other arguments are wrong.
    """
    queries = np.ascontiguousarray(queries, np.float32)
    if metric not in get_args(Metric):
        raise ConvscopeError(f"unknown metric {metric!r}; there are 'cosine' and 'l2'")
    if embeddings.ndim != 2 or embeddings.dtype.name not in DTYPES:
        raise ConvscopeError(
            f"embeddings must be (N, D) of {', '.join(DTYPES)}, not {embeddings.shape} of"
            f" {embeddings.dtype.name}"
        )
    width = embeddings.shape[1]
    if queries.ndim != 2 or queries.shape[1] != width:
        raise ConvscopeError(
            f"the embeddings have {width} numbers each, so queries must be (Q, {width}), not"
            f" {queries.shape}; use a query from the same network and layer"
        )
    if count < 1:
        raise ConvscopeError(f"ask for at least one neighbor, not {count}")
    if not np.isfinite(queries).all():
        raise ConvscopeError("the query is not finite")
    return queries
