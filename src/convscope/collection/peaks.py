"""The peak of each channel in each image: its highest value and where, for shards and merged.

A shard has a row for each channel with a list over its images. Merged, these are two matrices with
a row for each channel of all layers and a column for each image, so that a unit is read at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from convscope.collection.tables import read_table
from convscope.types import Array

SCHEMA = pa.schema(
    {
        "layer": pa.string(),
        "channel": pa.int32(),
        "peak": pa.list_(pa.float16()),
        "place": pa.list_(pa.int32()),
    }
)

# Merged files, the column each is made of, and the type of its numbers.
FILES: dict[str, tuple[str, type[np.generic]]] = {
    "peaks.npy": ("peak", np.float16),
    "places.npy": ("place", np.int32),
}


@dataclass(frozen=True)
class Peaks:
    """The highest value of each channel of all layers in each of N images, and where it is.

    Args:
        values: (all channels, N) float16, a memory-mapped file; layers lie one below the other.
        positions: (all channels, N) int32, row * width + column in the layer's map.
        sizes: the layers in their order, and how many channels each has.
    """

    values: Array
    positions: Array
    sizes: Mapping[str, int]

    def rows(self, layer: str) -> slice:
        """Which rows are those of a layer."""
        names = list(self.sizes)
        begin = sum(self.sizes[name] for name in names[: names.index(layer)])
        return slice(begin, begin + self.sizes[layer])

    def unit(self, row: int) -> tuple[str, int]:
        """The layer and the channel of a row."""
        for layer, count in self.sizes.items():
            if row < count:
                return layer, row
            row -= count
        raise IndexError(row)


_LIMIT = np.finfo(np.float16).max


def to_table(layers: Mapping[str, tuple[Array, Array]]) -> pa.Table:
    """The table of a shard, from peaks and places (N, C) of each layer."""
    parts = [_rows(layer, *found) for layer, found in layers.items()]
    return pa.concat_tables(parts) if parts else SCHEMA.empty_table()


def _rows(layer: str, peaks: Array, places: Array) -> pa.Table:
    count = peaks.shape[1]
    rounded = peaks.T.clip(-_LIMIT, _LIMIT).astype(np.float16)
    columns = {
        "layer": [layer] * count,
        "channel": np.arange(count, dtype=np.int32),
        "peak": _lists(rounded),
        "place": _lists(places.T.astype(np.int32)),
    }
    return pa.table(columns, schema=SCHEMA)


def _lists(values: Array) -> pa.Array:
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(values).reshape(-1)))


def merge(parts: Sequence[Path], counts: Sequence[int], name: str, file: Path) -> None:
    """Write a merged file, with one shard in memory at a time.

    Args:
        parts: the tables of the shards, in order.
        counts: how many images each of them has.
        name: which of `FILES` it becomes.
        file: where it is written.

    Raises:
        ValueError: a table is damaged, or does not fit the others.
    """
    column, kind = FILES[name]
    matrix: np.memmap[Any, Any] | None = None
    for begin, values in _columns(parts, counts, column):
        if matrix is None:
            shape = len(values), sum(counts)
            matrix = np.lib.format.open_memmap(file, "w+", np.dtype(kind), shape)
        if len(values) != len(matrix):
            raise ValueError("several numbers of channels")
        matrix[:, begin : begin + values.shape[1]] = values
    if matrix is None:
        np.save(file, np.empty((0, 0), kind), allow_pickle=False)
    else:
        matrix.flush()


def _columns(
    parts: Sequence[Path], counts: Sequence[int], column: str
) -> Iterator[tuple[int, Array]]:
    """A column of each shard that has images, (C, n), and the number of images before it."""
    begin = 0
    for part, count in zip(parts, counts, strict=True):
        if count:
            table = read_table(part, SCHEMA, [column])
            values = table[column].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            if len(values) != len(table) * count:
                raise ValueError("peaks of other images")
            yield begin, values.reshape(len(table), count)
        begin += count
