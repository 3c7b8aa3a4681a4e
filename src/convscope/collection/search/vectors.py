"""Embeddings a block at a time, which may be on disk: as float32, scaled, and their distances."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from convscope.collection.search.neighbors import Metric
from convscope.errors import ConvscopeError
from convscope.system import quiet
from convscope.types import Array

# Numbers in a block: 2,048 embeddings of 1,280. A block in float32 should stay in the cache.
BLOCK = 2048 * 1280

MOST_ROWS = 2**15  # in a block


def rows_of_a_block(embeddings: Array) -> int:
    """How many rows have as many numbers as a block."""
    width: int = embeddings.shape[1]
    return max(1, BLOCK // max(1, width))


def blocks(embeddings: Array) -> Iterator[tuple[int, Array, Tensor]]:
    """The number of the first row of each block, the block, and the block in a float32 buffer."""
    size = min(rows_of_a_block(embeddings), MOST_ROWS)
    buffer = torch.empty(min(size, len(embeddings)), embeddings.shape[1])
    for begin in range(0, len(embeddings), size):
        block = np.ascontiguousarray(embeddings[begin : begin + size])
        floats = buffer[: len(block)]
        with quiet():  # a mapped file may be read-only, and here it is only read
            floats.copy_(torch.from_numpy(block))
        yield begin, block, floats
        release(embeddings[begin : begin + size])


def distances(embeddings: Array, queries: Array, metric: Metric) -> Array:
    """The distance of each embedding (N, D) from the query (N, D) in its row: (N,) float64."""
    a, b = np.asarray(embeddings, np.float64), np.asarray(queries, np.float64)
    if metric == "l2":
        euclidean: Array = np.sqrt(((a - b) ** 2).sum(1))
        return euclidean
    lengths = np.sqrt((a * a).sum(1)) * np.sqrt((b * b).sum(1))
    cosine = (a * b).sum(1) / np.where(lengths > 0, lengths, 1)
    # Rounded, so that an embedding and its double are equally near.
    rounded: Array = np.maximum(np.round(1 - cosine, 12), 0)
    return rounded


def unit(vectors: Array) -> Array:
    """The vectors at length 1 in float32; zeros stay zeros."""
    wide = np.asarray(vectors, np.float64)
    lengths = np.sqrt((wide * wide).sum(1, keepdims=True))
    floats: Array = (wide / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return floats


def scaled(embeddings: Array, metric: Metric) -> Array:
    """Embeddings in float32, scaled so that the nearest by Euclidean distance are the nearest by
    the metric.

    Raises:
        ConvscopeError: some are not finite.
    """
    floats = unit(embeddings) if metric == "cosine" else np.asarray(embeddings, np.float32)
    if not np.isfinite(floats).all():
        raise ConvscopeError("some embeddings are not finite; make the index again")
    return floats


def release(embeddings: Array) -> None:
    """Give back the memory of a mapped file's pages, which stay in the system's cache.

    The pages of a copy-on-write map exist nowhere else and stay.
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
