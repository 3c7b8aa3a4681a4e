"""Approximate search with FAISS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from convscope.collection.search.approximate import FEW, Approximate
from convscope.collection.search.neighbors import Metric
from convscope.collection.search.vectors import BLOCK, release, scaled
from convscope.types import Array

FILE = "index.faiss"

DIMENSIONS = 256

FOR_EACH_CELL = 64  # embeddings that a cell is learned from; FAISS asks for 39

LEARNED_FROM = 2**27  # most numbers to learn from: half a gibibyte


class Faiss(Approximate):
    """A FAISS index in FOLDER/faiss.

    Up to 10,000 embeddings are stored unchanged. More embeddings are projected onto their 256
    principal axes, divided into about as many cells as the square root of their number, and stored
    in 8 bits per axis, which takes a tenth of their own size.
    """

    name: ClassVar[str] = "faiss"
    package: ClassVar[str] = "faiss"

    def __init__(self, embeddings: Array, home: Path, about: Mapping[str, Any]) -> None:
        import faiss

        super().__init__(embeddings, home, about)
        self._index = faiss.read_index(str(home / FILE))
        if (self._index.ntotal, self._index.d) != embeddings.shape:
            raise ValueError("it is of other embeddings")

    @classmethod
    def open_or_build(
        cls, embeddings: Array, folder: Path, *, metric: Metric = "cosine", key: str
    ) -> Self:
        """Open the index in a folder, or build it if it is missing, damaged or of another key.

        Args:
            embeddings: (N, D), as `exact` takes them.
            folder: where the index lies; created if it does not exist.
            metric: "cosine" or "l2".
            key: a digest of the embeddings.

        Raises:
            ConvscopeError: FAISS is not installed, or the folder cannot be written.
        """
        return cls._open_or_build(embeddings, folder, metric, key)

    @classmethod
    def _build(cls, embeddings: Array, home: Path, metric: Metric, **parts: Any) -> int:
        import faiss

        faiss.omp_set_num_threads(torch.get_num_threads())
        total, dimensions = embeddings.shape
        cells, kind = 1, "Flat"
        sample = min(total, max(FOR_EACH_CELL, LEARNED_FROM // dimensions))
        if total > FEW:
            cells = 2 ** round(np.log2(min(total**0.5, sample / FOR_EACH_CELL)))
            sample = min(sample, max(FOR_EACH_CELL * cells, 4 * DIMENSIONS))
            kind = f"IVF{cells},SQ8"
            if min(dimensions, sample) > DIMENSIONS:
                kind = f"PCA{DIMENSIONS},{kind}"
        # The nearest vectors of length 1 have the largest cosine. An inner product would not give
        # these, because principal axes start at the mean.
        index = faiss.index_factory(dimensions, kind, faiss.METRIC_L2)
        size = max(1, 2 * BLOCK // dimensions)
        if not index.is_trained:
            chosen = np.random.default_rng(0).choice(total, sample, replace=False)
            chosen.sort()
            learned_from = np.empty((sample, dimensions), np.float32)
            for begin in range(0, sample, size):
                part = slice(begin, begin + size)
                learned_from[part] = scaled(embeddings[chosen[part]], metric)
                release(embeddings)
            index.train(learned_from)
            del learned_from
        for begin in range(0, total, size):
            index.add(scaled(embeddings[begin : begin + size], metric))
            release(embeddings[begin : begin + size])
        try:
            faiss.write_index(index, str(home / FILE))
        except RuntimeError as error:
            raise OSError(str(error).splitlines()[0]) from error
        return int(cells)

    def _candidates(self, queries: Array, count: int, cells: int, where: str | None) -> Array:
        import faiss

        faiss.omp_set_num_threads(torch.get_num_threads())
        if self.cells > 1:
            faiss.extract_index_ivf(self._index).nprobe = cells
        rows: Array = self._index.search(scaled(queries, self.metric), count)[1]
        return rows
