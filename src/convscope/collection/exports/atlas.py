"""A collection and its map for Embedding Atlas."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from convscope.collection.exports.columns import Columns, as_utf8, utf8_or_none
from convscope.files import write_file
from convscope.types import Array

_FIELDS: dict[str, pa.DataType] = {
    # Hugging Face stores images in tables this way.
    "thumbnail": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
    "path": pa.string(),
    "label": pa.string(),
    "prediction": pa.string(),
    "probability": pa.float32(),
    "x": pa.float32(),
    "y": pa.float32(),
    "neighbors": pa.struct({"ids": pa.list_(pa.int64()), "distances": pa.list_(pa.float32())}),
}

MADE_BY = {b"made_by": b"convscope"}


def write_atlas(
    path: str | os.PathLike[str],
    columns: Columns,
    neighbors: tuple[Array, Array] | None = None,
) -> Path:
    """Write a Parquet file that Embedding Atlas opens:

        embedding-atlas PATH --x x --y y --image thumbnail --neighbors neighbors

    Args:
        path: the file.
        columns: what is known of the images.
        neighbors: rows and distances of each image's nearest images, both (N, k); without them,
            leave `--neighbors` out.

    Raises:
        ConvscopeError: the file cannot be written.
    """
    optional = {
        "label": columns.labels,
        "prediction": columns.predictions,
        "probability": columns.probabilities,
        "neighbors": neighbors,
    }
    missing = {name for name, column in optional.items() if column is None}
    fields = {name: kind for name, kind in _FIELDS.items() if name not in missing}
    schema = pa.schema(fields, MADE_BY)

    def write(file: Path) -> None:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for rows in columns.batches():
                writer.write_table(pa.table(_values(columns, neighbors, rows), schema=schema))

    return write_file(path, write, ours=is_table)


def is_table(file: Path) -> bool:
    """Whether a file is a table that convscope wrote."""
    return MADE_BY.items() <= (pq.read_schema(file).metadata or {}).items()


def _values(columns: Columns, neighbors: tuple[Array, Array] | None, rows: slice) -> dict[str, Any]:
    """The columns of a batch, by their names."""
    values: dict[str, Any] = {
        "path": [as_utf8(path) for path in columns.paths[rows]],
        "x": np.asarray(columns.places[rows, 0], np.float32),
        "y": np.asarray(columns.places[rows, 1], np.float32),
        "thumbnail": [{"bytes": file} for file in columns.thumbnails[rows]],
    }
    if columns.labels is not None:
        values["label"] = [utf8_or_none(label) for label in columns.labels[rows]]
    if columns.predictions is not None:
        values["prediction"] = [utf8_or_none(name) for name in columns.predictions[rows]]
    if columns.probabilities is not None:
        probabilities = np.asarray(columns.probabilities[rows], np.float32)
        values["probability"] = pa.array(probabilities, from_pandas=True)  # NaN becomes null
    if neighbors is not None:
        values["neighbors"] = [
            {"ids": ids.tolist(), "distances": distances.tolist()}
            for ids, distances in zip(*(part[rows] for part in neighbors), strict=True)
        ]
    return values
