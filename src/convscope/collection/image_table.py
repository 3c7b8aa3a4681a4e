"""The images of a shard as a table: a row for each file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from convscope.collection.decoding import PIXELS, Decoded
from convscope.collection.names import stored
from convscope.types import Array

SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "size": pa.int64(),
        "sha256": pa.string(),
        "label": pa.string(),
        "reason": pa.string(),
        "height": pa.int32(),
        "width": pa.int32(),
        "classes": pa.list_(pa.int32()),
        "probabilities": pa.list_(pa.float32()),
        "embedding": pa.list_(pa.float16()),
        "thumbnail": pa.binary(),
        "pixels": pa.binary(3 * PIXELS**2),
    }
)

# The columns that are small enough to be kept in memory for all images.
HEAVY = ("embedding", "thumbnail", "pixels")
LIGHT = pa.schema([field for field in SCHEMA if field.name not in HEAVY])


def to_table(
    images: Sequence[Decoded],
    embeddings: Sequence[Array],
    classes: Sequence[Array],
    probabilities: Sequence[Array],
) -> pa.Table:
    """The table of some images.

    The arrays (n, K) together have a row for each image that has no `reason`. They are empty if the
    network has no classes, or if there is no such image.
    """
    reasons = [image.reason or None for image in images]

    def known(values: Iterable[Any], name: str) -> pa.Array:
        pairs = zip(values, reasons, strict=True)
        kept = [value if reason is None else None for value, reason in pairs]
        return pa.array(kept, SCHEMA.field(name).type)

    paths = [stored(image.file.path) for image in images]
    return pa.table(
        {
            "path": paths,
            "size": [image.file.size for image in images],
            "sha256": [image.sha256 or None for image in images],
            "label": [label(path) for path in paths],
            "reason": [reason and stored(reason) for reason in reasons],
            "height": known((image.height for image in images), "height"),
            "width": known((image.width for image in images), "width"),
            "classes": _lists(classes, reasons, pa.int32()),
            "probabilities": _lists(probabilities, reasons, pa.float32()),
            "embedding": _lists(embeddings, reasons, pa.float16()),
            "thumbnail": known((image.thumbnail for image in images), "thumbnail"),
            "pixels": known((image.pixels for image in images), "pixels"),
        },
        schema=SCHEMA,
    )


def are_classes(table: pa.Table, count: int) -> bool:
    """Whether the predictions in a table are some of so many classes."""
    classes, probabilities = (table[n].combine_chunks() for n in ("classes", "probabilities"))
    lengths = [pc.list_value_length(one).drop_null() for one in (classes, probabilities)]
    numbers = classes.flatten().to_numpy(zero_copy_only=False)
    known = (numbers >= 0) & (numbers < count)
    return bool(lengths[0].equals(lengths[1]) and known.all() and 0 not in lengths[0].to_pylist())


def label(path: str) -> str | None:
    """The label of an image: the name of the folder that it lies in, if there is one."""
    return PurePosixPath(path).parent.name or None


def _lists(parts: Sequence[Array], reasons: Sequence[str | None], kind: pa.DataType) -> pa.Array:
    """A list for each image without a reason, and null for the others."""
    if not parts:
        return pa.nulls(len(reasons), pa.list_(kind))
    values = np.concatenate(parts)
    lengths = [values.shape[1] if reason is None else 0 for reason in reasons]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    missing = pa.array([reason is not None for reason in reasons])
    flat = pa.array(values.reshape(-1), kind)
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=missing)
