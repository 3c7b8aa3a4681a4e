"""Approximate search with LanceDB, among the rows that meet an SQL condition."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from convscope.collection.search.approximate import FEW, Approximate
from convscope.collection.search.exact import among
from convscope.collection.search.neighbors import Metric, Neighbors, check
from convscope.collection.search.vectors import release, rows_of_a_block, scaled
from convscope.errors import ConvscopeError
from convscope.types import Array

TABLE = "embeddings"

ROW, VECTOR = "row", "vector"

# If no more rows than this meet a condition, all of them are compared.
FILTERED = 5_000


class Lance(Approximate):
    """A LanceDB table in FOLDER/lance with the columns `row`, `vector` and those that filters use.

    With more than 10,000 embeddings it has an index by RaBitQ, one bit per number, because training
    its 8-bit product quantizer takes many minutes for a million embeddings. The vectors are
    float32, because building the index from float16 takes six times as long.
    """

    name: ClassVar[str] = "lance"
    package: ClassVar[str] = "lancedb"

    def __init__(self, embeddings: Array, home: Path, about: Mapping[str, Any]) -> None:
        super().__init__(embeddings, home, about)
        self._table = _open(home).open_table(TABLE)
        if self._table.count_rows() != len(embeddings):
            raise ValueError("it is of other embeddings")
        self._find(
            np.ones(embeddings.shape[1], np.float32), 1, 1, None
        )  # damage shows only in a search

    @classmethod
    def open_or_build(
        cls,
        embeddings: Array,
        folder: Path,
        columns: Iterable[pa.RecordBatch] = (),
        *,
        metric: Metric = "cosine",
        key: str,
    ) -> Self:
        """Open the table in a folder, or build it if it is missing, damaged or of another key.

        Args:
            embeddings: (N, D), as `exact` takes them.
            folder: where the table lies; created if it does not exist.
            columns: columns that conditions can use, with a row for each embedding; read only to
                build the table.
            metric: "cosine" or "l2".
            key: a digest of embeddings and columns.

        Raises:
            ConvscopeError: LanceDB is not installed, the folder cannot be written, or the columns
                do not have a row for each embedding.
        """
        os.environ.setdefault("LANCEDB_LOG", "error")  # it warns about its own design
        return cls._open_or_build(embeddings, folder, metric, key, columns=columns)

    @classmethod
    def _build(cls, embeddings: Array, home: Path, metric: Metric, **parts: Any) -> int:
        from lancedb.index import IvfFlat, IvfRq

        batches = _Batches(embeddings, parts["columns"])
        total, dimensions = embeddings.shape
        cells = 2 ** round(np.log2(total**0.5)) if total > FEW else 1
        try:
            table = _open(home).create_table(TABLE, data=batches.reader())
            if cells > 1:
                kind = IvfRq if dimensions % 8 == 0 and dimensions >= 64 else IvfFlat
                # The defaults take several minutes longer and find no more.
                config = kind(
                    distance_type=metric, num_partitions=cells, sample_rate=40, max_iterations=10
                )
                table.create_index(VECTOR, config=config)
        except Exception as error:
            # LanceDB turns errors of the columns into other errors.
            raise batches.error or OSError(_line(error)) from error
        return cells

    def search(self, queries: Array, count: int, where: str | None = None) -> Neighbors:
        """The nearest embeddings of each query (Q, D), as `exact` gives them, but for a few.

        Args:
            queries: (Q, D) of floating-point numbers.
            count: number of neighbors of each query.
            where: SQL condition on the table's columns, such as "label = 'tabby' AND width > 500".
                If fewer than `count` rows meet it, these are the neighbors.

        Raises:
            ConvscopeError: the shapes do not fit, or the condition is wrong.
        """
        queries = check(self.embeddings, queries, count, self.metric)
        if where is None:
            return self._search(queries, min(count, len(self.embeddings)))
        condition = f"({where}\n)"  # without these, LanceDB ignores "; DROP ..." and "LIMIT 3"
        try:
            left = self._table.count_rows(condition)
        except Exception as error:
            raise ConvscopeError(f"cannot filter by {where!r} ({_line(error)})") from error
        count = min(count, left)
        if left > FILTERED:
            return self._search(queries, count, condition, left / len(self.embeddings))
        rows = self._rows(condition)
        return among(self.embeddings, queries, [rows] * len(queries), count, self.metric)

    def _candidates(self, queries: Array, count: int, cells: int, where: str | None) -> list[Array]:
        try:
            return [self._find(query, count, cells, where) for query in queries]
        except Exception as error:
            raise ConvscopeError(
                f"{self.home} is damaged; delete it, so that it is built again ({_line(error)})"
            ) from error

    def _find(self, query: Array, count: int, cells: int, where: str | None) -> Array:
        search = self._table.search(query, vector_column_name=VECTOR)
        search = search.distance_type(self.metric).minimum_nprobes(cells).maximum_nprobes(cells)
        if where is not None:
            search = search.where(where)
        # LanceDB could compare the candidates itself, but less exactly.
        return _column(search.select([ROW, "_distance"]).limit(count).to_arrow())

    def _rows(self, where: str) -> Array:
        return _column(
            self._table.search().where(where).select([ROW]).limit(len(self.embeddings)).to_arrow()
        )

    def _excluded(self, where: str | None) -> Array | None:
        if where is None:
            return None
        return np.delete(np.arange(len(self.embeddings)), self._rows(where))


class _Batches:
    """The table's rows, a block of embeddings at a time."""

    def __init__(self, embeddings: Array, columns: Iterable[pa.RecordBatch]) -> None:
        self.embeddings, self.columns = embeddings, columns
        self.error: Exception | None = None

    def reader(self) -> pa.RecordBatchReader:
        batches = self._keeping_errors()
        first = next(batches)
        return pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))

    def _keeping_errors(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches()
        except Exception as error:
            self.error = error
            raise

    def _batches(self) -> Iterator[pa.RecordBatch]:
        total, size = len(self.embeddings), rows_of_a_block(self.embeddings)
        at, none = 0, True
        for batch in self.columns:
            none = False
            if taken := {ROW, VECTOR} & set(batch.schema.names):
                raise ConvscopeError(f"the table has its own column {taken.pop()!r}; rename yours")
            for begin in range(0, batch.num_rows, size):
                part = batch.slice(begin, size)
                if at + part.num_rows > total:
                    raise ConvscopeError(f"there are {total} embeddings, but more rows of columns")
                yield self._with_embeddings(at, part.num_rows, part)
                at += part.num_rows
        if none:
            for at in range(0, total, size):
                yield self._with_embeddings(at, min(size, total - at), None)
        elif at < total:
            raise ConvscopeError(f"there are {total} embeddings, but only {at} rows of columns")

    def _with_embeddings(
        self, at: int, count: int, columns: pa.RecordBatch | None
    ) -> pa.RecordBatch:
        block = self.embeddings[at : at + count]
        # LanceDB itself scales them for cosine; other programs can read the embeddings here.
        vectors = scaled(block, "l2")
        parts: dict[str, Any] = {ROW: pa.array(np.arange(at, at + count))}
        if columns is not None:
            parts |= dict(zip(columns.schema.names, columns.columns, strict=True))
        parts[VECTOR] = pa.FixedSizeListArray.from_arrays(
            pa.array(vectors.ravel()), self.embeddings.shape[1]
        )
        release(block)
        return pa.RecordBatch.from_pydict(parts)


def _open(home: Path) -> Any:
    import lancedb

    return lancedb.connect(str(home))


def _column(table: pa.Table) -> Array:
    rows: Array = table[ROW].to_numpy()
    return rows


def _line(error: Exception) -> str:
    """The first line of LanceDB's message, without the place in its source."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.removeprefix("Invalid input, ").split(", /")[0][:200]
