"""A collection and its map for Embedding Atlas, TensorBoard's projector and FiftyOne."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from convscope.collection.export.columns import Columns, as_utf8, utf8_or_none
from convscope.files import write_file
from convscope.types import Array


def write_atlas(
    path: str | os.PathLike[str],
    columns: Columns,
    neighbors: tuple[Array, Array] | None = None,
) -> Path:
    """A Parquet file that Embedding Atlas opens, all or nothing:

        embedding-atlas PATH --x x --y y --image thumbnail

    and `--neighbors neighbors` where `neighbors` are given, as rows of each image's nearest and
    their distances, both (N, k).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = {
        # As Hugging Face has images in tables.
        "thumbnail": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        "path": pa.string(),
        "label": pa.string(),
        "prediction": pa.string(),
        "probability": pa.float32(),
        "x": pa.float32(),
        "y": pa.float32(),
        "neighbors": pa.struct({"ids": pa.list_(pa.int64()), "distances": pa.list_(pa.float32())}),
    }
    lacking = {
        "label": columns.labels,
        "prediction": columns.predictions,
        "probability": columns.probabilities,
        "neighbors": neighbors,
    }
    for name, column in lacking.items():
        if column is None:
            del fields[name]
    schema = pa.schema(fields)

    def write(file: Path) -> None:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for some in columns.batches():
                values: dict[str, Any] = {
                    "path": [as_utf8(path) for path in columns.paths[some]],
                    "x": np.asarray(columns.places[some, 0], np.float32),
                    "y": np.asarray(columns.places[some, 1], np.float32),
                    "thumbnail": [{"bytes": file} for file in columns.thumbnails[some]],
                }
                if columns.labels is not None:
                    values["label"] = [utf8_or_none(label) for label in columns.labels[some]]
                if columns.predictions is not None:
                    values["prediction"] = [
                        utf8_or_none(words) for words in columns.predictions[some]
                    ]
                if columns.probabilities is not None:
                    sure = np.asarray(columns.probabilities[some], np.float32)
                    values["probability"] = pa.array(sure, from_pandas=True)  # NaN is no number
                if neighbors is not None:
                    values["neighbors"] = [
                        {"ids": ids.tolist(), "distances": far.tolist()}
                        for ids, far in zip(*(part[some] for part in neighbors), strict=True)
                    ]
                writer.write_table(pa.table(values, schema=schema))

    return write_file(path, write)
