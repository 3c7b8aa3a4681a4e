"""Which embeddings lie nearest to a query: exactly, and what the answer says of a space."""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.types import Array

Metric = Literal["cosine", "l2"]

# Numbers in a block: 2,048 embeddings of 1,280. A block in float32 is to stay in the cache.
BLOCK = 2048 * 1280


MOST_ROWS = 2**15


PRODUCTS = 2**22  # distances that a block of embeddings and a part of the queries have between them


DTYPES = ("float16", "float32", "uint8")


class Neighbors(NamedTuple):
    """The nearest rows (Q, k) int64 of each query, nearest first, and how far they are (Q, k).

    Distances are float32: 1 - cosine, or Euclidean. Of rows as near, the lower comes first. An
    approximate search that finds too few fills up with row -1, infinitely far.
    """

    rows: Array
    distances: Array

    def besides(self, own: Array) -> Neighbors:
        """Each query's neighbors but for its `own` row (Q,), one fewer for every query."""
        out = self.rows == np.asarray(own)[:, None]
        out[~out.any(1), -1:] = True
        queries, count = self.rows.shape
        shape = queries, max(0, count - 1)
        return Neighbors(self.rows[~out].reshape(shape), self.distances[~out].reshape(shape))


class Precision(NamedTuple):
    """How often a neighbor carries the query's label, and how often a random row would."""

    precision: float
    chance: float


def exact(
    embeddings: Array,
    queries: Array,
    count: int,
    metric: Metric = "cosine",
    *,
    without: Array | Sequence[int] | None = None,
) -> Neighbors:
    """The `count` nearest embeddings of each query, or all that there are, found by looking at all.

    A matrix product in float32 says which may be among them, up to its rounding; what may is
    measured in float64, so that near-duplicates come in the right order, and a query has the same
    answer alone and among others. A embedding of nothing but zeros has cosine distance 1 to everything.

    Args:
        embeddings: (N, D) float16, float32 or uint8. Of a memory-mapped file one block at a time is in
            memory.
        queries: (Q, D), floating point.
        count: neighbors of each query.
        without: rows that are left out.

    Raises:
        ConvscopeError: shapes that do not fit, embeddings or queries that are not finite.
    """
    queries = check(embeddings, queries, count, metric)
    total = len(embeddings)
    left_out = np.zeros(total, bool)
    left_out[np.asarray([] if without is None else without, np.int64)] = True
    count = min(count, total - int(left_out.sum()))
    best = _Best(len(queries), count)
    if not count or not len(queries):
        return best.neighbors()
    asked = torch.from_numpy(_unit(queries) if metric == "cosine" else queries)
    for begin, block, floats in _blocks(embeddings):
        lengths = torch.linalg.vector_norm(floats, dim=1)
        if not bool(lengths.isfinite().all()):
            bad = begin + int(lengths.isfinite().int().argmin())
            raise ConvscopeError(f"embedding {bad} is not finite: extract the embeddings again")
        out = torch.from_numpy(left_out[begin : begin + len(block)])
        step = max(1, PRODUCTS // len(block))
        for first in range(0, len(queries), step):
            part = slice(first, first + step)
            limit = best.limit(part, metric)
            query, row = _may_be(floats, lengths, out, asked[part], limit, count, metric)
            # Where very many are as near, their embeddings would not fit into memory all at once.
            share = max(1, BLOCK // embeddings.shape[1])
            for at in range(0, len(row), share):
                some, their = query[at : at + share] + first, row[at : at + share]
                best.add(some, their + begin, _measure(block[their], queries[some], metric))
    return best.neighbors()


def among(
    embeddings: Array,
    queries: Array,
    candidates: Sequence[Array] | Array,
    count: int,
    metric: Metric,
) -> Neighbors:
    """The nearest of each query's own `candidates`, rows of the embeddings; a row of -1 is none.

    Reads nothing but these rows.
    """
    rows = np.full((len(queries), count), -1, np.int64)
    distances = np.full((len(queries), count), np.inf, np.float32)
    share = max(1, BLOCK // embeddings.shape[1])
    for query, among_these, its_rows, its_distances in zip(
        queries, candidates, rows, distances, strict=True
    ):
        there = np.unique(among_these[among_these >= 0])
        far = np.empty(len(there))
        for at in range(0, len(there), share):
            part = slice(at, at + share)
            far[part] = _measure(embeddings[there[part]], query[None], metric)
        order = np.argsort(far, kind="stable")[:count]
        its_rows[: len(order)], its_distances[: len(order)] = there[order], far[order]
        release(embeddings)  # the system maps 64 KiB around every row
    return Neighbors(rows, distances)


def precision(
    embeddings: Array,
    labels: Sequence[str | None],
    count: int = 5,
    sample: int = 1000,
    seed: int = 0,
    metric: Metric = "cosine",
) -> Precision:
    """The share of the `count` nearest others that carry the query's label.

    Over a seeded sample of at most `sample` labeled rows. Rows without a label (None) are no
    neighbors here, for nobody knows whether they are right. Beside it what chance would give: the
    share of all other labeled rows that carry the query's label.

    Raises:
        ConvscopeError: not a label for every embedding, fewer than two labeled ones.
    """
    if len(labels) != len(embeddings):
        raise ConvscopeError(f"there are {len(embeddings)} embeddings, but {len(labels)} labels")
    known = np.array([label is not None for label in labels], bool)
    labeled = np.flatnonzero(known)
    if len(labeled) < 2:
        raise ConvscopeError("neighbors can be compared by label only where two rows have one")
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    classes = np.array([numbers[label] for label in labels])
    chance = np.random.default_rng(seed)
    chosen = np.sort(chance.choice(labeled, min(sample, len(labeled)), replace=False))
    queries = embeddings[chosen].astype(np.float32)
    found = exact(embeddings, queries, count + 1, metric, without=np.flatnonzero(~known)).besides(
        chosen
    )
    same = classes[found.rows] == classes[chosen][:, None]
    sizes = np.bincount(classes[labeled], minlength=len(numbers))
    others = (sizes[classes[chosen]] - 1) / (len(labeled) - 1)
    return Precision(float(same.mean()), float(others.mean()))


def check(embeddings: Array, queries: Array, count: int, metric: str) -> Array:
    """The queries in float32, if all fits.

    Raises:
        ConvscopeError: it does not.
    """
    queries = np.ascontiguousarray(queries, np.float32)
    if metric not in get_args(Metric):
        raise ConvscopeError(f"unknown metric {metric!r}; there are 'cosine' and 'l2'")
    if embeddings.ndim != 2 or embeddings.dtype.name not in DTYPES:
        raise ConvscopeError(
            f"embeddings are (N, D) of {', '.join(DTYPES)}, not {embeddings.shape} of {embeddings.dtype.name}"
        )
    if queries.ndim != 2 or queries.shape[1] != embeddings.shape[1]:
        raise ConvscopeError(
            f"the embeddings have {embeddings.shape[1]} numbers each, so queries are (Q, {embeddings.shape[1]}),"
            f" not {queries.shape}: take a query from the same network and layer"
        )
    if count < 1:
        raise ConvscopeError(f"ask for at least one neighbor, not {count}")
    if not np.isfinite(queries).all():
        raise ConvscopeError("the query is not finite")
    return queries


class _Best:
    """The nearest so far. Distances are infinite where there are too few yet."""

    def __init__(self, queries: int, count: int) -> None:
        self.rows = np.full((queries, count), -1, np.int64)
        self.distances = np.full((queries, count), np.inf)

    def limit(self, part: slice, metric: Metric) -> Tensor:
        """What a row must be below to come among them, as `_may_be` counts: l2 in squares."""
        worst = self.distances[part, -1]
        return torch.from_numpy(worst**2 if metric == "l2" else worst).float()

    def add(self, query: Array, row: Array, distance: Array) -> None:
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


def _may_be(
    floats: Tensor,
    lengths: Tensor,
    out: Tensor,
    asked: Tensor,
    limit: Tensor,
    count: int,
    metric: Metric,
) -> tuple[Array, Array]:
    """Which rows of a block may be among the nearest of which queries: query and row of each.

    `limit` is how far the `count`-th nearest is so far.
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


def _measure(embeddings: Array, queries: Array, metric: Metric) -> Array:
    """The distance of each embedding from the query beside it, float64 (N,)."""
    a, b = np.asarray(embeddings, np.float64), np.asarray(queries, np.float64)
    if metric == "l2":
        distances: Array = np.sqrt(((a - b) ** 2).sum(1))
        return distances
    lengths = np.sqrt((a * a).sum(1)) * np.sqrt((b * b).sum(1))
    cosine = (a * b).sum(1) / np.where(lengths > 0, lengths, 1)
    # Rounded, so that a embedding and twice that embedding are as near as each other.
    rounded: Array = np.maximum(np.round(1 - cosine, 12), 0)
    return rounded


def _unit(vectors: Array) -> Array:
    """Each of length 1, or zeros as they were; float32."""
    wide = np.asarray(vectors, np.float64)
    lengths = np.sqrt((wide * wide).sum(1, keepdims=True))
    floats: Array = (wide / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return floats


def scaled(embeddings: Array, metric: Metric) -> Array:
    """Embeddings in float32, scaled to where the nearest by Euclidean distance are so by the metric.

    Raises:
        ConvscopeError: some are not finite.
    """
    floats = _unit(embeddings) if metric == "cosine" else np.asarray(embeddings, np.float32)
    if not np.isfinite(floats).all():
        raise ConvscopeError("some embeddings are not finite: extract them again")
    return floats


def _blocks(embeddings: Array) -> Iterator[tuple[int, Array, Tensor]]:
    """The first row of each block, the block, and the same in a float32 buffer."""
    size = min(max(1, BLOCK // max(1, embeddings.shape[1])), MOST_ROWS)
    buffer = torch.empty(min(size, len(embeddings)), embeddings.shape[1])
    for begin in range(0, len(embeddings), size):
        block = np.ascontiguousarray(embeddings[begin : begin + size])
        floats = buffer[: len(block)]
        floats.copy_(_tensor(block))
        yield begin, block, floats
        release(embeddings[begin : begin + size])


def _tensor(block: Array) -> Tensor:
    with warnings.catch_warnings():
        # Of a file that was opened for reading, which is all that happens here.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(block)


def release(embeddings: Array) -> None:
    """Give back the memory that pages of a mapped file take; they stay in the system's cache.

    Not those of a copy-on-write map, which exist nowhere else.
    """
    mapped = getattr(embeddings, "_mmap", None)
    if (
        not isinstance(mapped, mmap.mmap)
        or not isinstance(embeddings, np.memmap)
        or embeddings.mode not in ("r", "r+")
        or not embeddings.flags.c_contiguous
        or not hasattr(mmap, "MADV_DONTNEED")
    ):
        return
    begin = embeddings.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data
    first = begin // mmap.PAGESIZE * mmap.PAGESIZE
    if begin + embeddings.nbytes > first:
        mapped.madvise(mmap.MADV_DONTNEED, first, begin + embeddings.nbytes - first)
