"""Exact search: which embeddings are nearest to a query, by comparing all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from convscope.collection.search import vectors
from convscope.collection.search.neighbors import Metric, Neighbors, check
from convscope.errors import ConvscopeError
from convscope.types import Array

PRODUCTS = 2**22  # most distances between a block of embeddings and some of the queries


def exact(
    embeddings: Array,
    queries: Array,
    count: int,
    metric: Metric = "cosine",
    *,
    without: Array | Sequence[int] | None = None,
) -> Neighbors:
    """The `count` nearest embeddings of each query, or all if there are fewer, by comparing all.

    A matrix product in float32 finds the rows that may be among them, up to its rounding. These are
    measured in float64, so that near-duplicates come in the right order and a query has the same
    answer alone and among others. The cosine distance of an embedding of zeros is always 1.

    Args:
        embeddings: (N, D) float16, float32 or uint8. Only one block of a memory-mapped file is in
            memory at a time.
        queries: (Q, D) of floating-point numbers.
        count: number of neighbors of each query.
        metric: "cosine" or "l2".
        without: rows that are left out.

    Raises:
        ConvscopeError: the shapes do not fit, or embeddings or queries are not finite.
    """
    queries = check(embeddings, queries, count, metric)
    total = len(embeddings)
    left_out = np.zeros(total, bool)
    left_out[np.asarray([] if without is None else without, np.int64)] = True
    count = min(count, total - int(left_out.sum()))
    best = _Best(len(queries), count)
    if not count or not len(queries):
        return best.neighbors()
    asked = torch.from_numpy(vectors.unit(queries) if metric == "cosine" else queries)
    for begin, block, floats in vectors.blocks(embeddings):
        lengths = torch.linalg.vector_norm(floats, dim=1)
        if not bool(lengths.isfinite().all()):
            bad = begin + int(lengths.isfinite().int().argmin())
            raise ConvscopeError(f"embedding {bad} is not finite; make the index again")
        out = torch.from_numpy(left_out[begin : begin + len(block)])
        step = max(1, PRODUCTS // len(block))
        for first in range(0, len(queries), step):
            part = slice(first, first + step)
            limit = best.limit(part, metric)
            query, row = _candidates(floats, lengths, out, asked[part], limit, count, metric)
            # If very many rows are equally near, memory does not suffice for all at once.
            size = vectors.rows_of_a_block(embeddings)
            for at in range(0, len(row), size):
                some, theirs = query[at : at + size] + first, row[at : at + size]
                far = vectors.distances(block[theirs], queries[some], metric)
                best.add(some, theirs + begin, far)
    return best.neighbors()


def among(
    embeddings: Array,
    queries: Array,
    candidates: Sequence[Array] | Array,
    count: int,
    metric: Metric,
) -> Neighbors:
    """The nearest of each query's own `candidates`; no other row is read.

    Args:
        embeddings: (N, D), as `exact` takes them.
        queries: (Q, D) float32.
        candidates: for each query some rows of the embeddings; -1 is no row.
        count: number of neighbors of each query.
        metric: "cosine" or "l2".
    """
    rows = np.full((len(queries), count), -1, np.int64)
    distances = np.full((len(queries), count), np.inf, np.float32)
    size = vectors.rows_of_a_block(embeddings)
    for query, among_these, its_rows, its_distances in zip(
        queries, candidates, rows, distances, strict=True
    ):
        there = np.unique(among_these[among_these >= 0])
        far = np.empty(len(there))
        for at in range(0, len(there), size):
            part = slice(at, at + size)
            far[part] = vectors.distances(embeddings[there[part]], query[None], metric)
        order = np.argsort(far, kind="stable")[:count]
        its_rows[: len(order)], its_distances[: len(order)] = there[order], far[order]
        vectors.release(embeddings)  # the system maps 64 KiB around every row
    return Neighbors(rows, distances)


class _Best:
    """The nearest rows so far; distances are infinite while there are too few."""

    def __init__(self, queries: int, count: int) -> None:
        self.rows = np.full((queries, count), -1, np.int64)
        self.distances = np.full((queries, count), np.inf)

    def limit(self, part: slice, metric: Metric) -> Tensor:
        """The distances of the farthest, as `_candidates` has them: squared for l2."""
        worst = self.distances[part, -1]
        return torch.from_numpy(worst**2 if metric == "l2" else worst).float()

    def add(self, query: Array, row: Array, distance: Array) -> None:
        """Add rows at some distances from queries, a triple in each place of the arrays."""
        count = self.rows.shape[1]
        touched = np.unique(query)
        queries = np.concatenate([np.repeat(touched, count), query])
        rows = np.concatenate([self.rows[touched].ravel(), row])
        distances = np.concatenate([self.distances[touched].ravel(), distance])
        order = np.lexsort((rows, distances, queries))
        begins = np.searchsorted(queries[order], touched)
        nearest = order[begins[:, None] + np.arange(count)]
        self.rows[touched], self.distances[touched] = rows[nearest], distances[nearest]

    def neighbors(self) -> Neighbors:
        return Neighbors(self.rows, self.distances.astype(np.float32))


def _candidates(
    floats: Tensor,
    lengths: Tensor,
    out: Tensor,
    asked: Tensor,
    limit: Tensor,
    count: int,
    metric: Metric,
) -> tuple[Array, Array]:
    """The pairs of a query and a row of a block that may be among its nearest.

    Args:
        floats: (n, D) float32, the block.
        lengths: (n,) of its rows.
        out: (n,) whether a row is left out.
        asked: (q, D) float32, the queries.
        limit: (q,) distance of the `count`-th nearest so far.
        count: number of neighbors of each query.
        metric: "cosine" or "l2".
    """
    rounding = 8 * floats.shape[1] ** 0.5 * torch.finfo(torch.float32).eps
    if metric == "cosine":
        far = asked @ floats.T
        far *= torch.where(lengths > 0, -1 / lengths, 0)
        far += 1
        error = torch.full_like(limit, rounding)
    else:
        squares, own = lengths**2, (asked**2).sum(1)
        far = torch.addmm(squares[None], asked, floats.T, alpha=-2)
        far += own[:, None]
        error = rounding * (squares.max() + own)
    far.masked_fill_(out, torch.inf)
    here = far.topk(min(count, far.shape[1]), largest=False, sorted=False).values.amax(1)
    if far.shape[1] >= count:
        limit = torch.minimum(limit, here + error)
    limit = (limit + error).clamp_(max=torch.finfo(torch.float32).max)
    query, row = torch.nonzero(far <= limit[:, None], as_tuple=True)
    return query.numpy(), row.numpy()
