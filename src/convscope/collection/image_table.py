"""The images of a shard as a table: a row for each file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from convscope.collection.decoding import PIXELS, Decoded
from convscope.types import Array


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

    def known(values: Iterable[Any], kind: pa.DataType) -> pa.Array:
        pairs = zip(values, reasons, strict=True)
        return pa.array([value if reason is None else None for value, reason in pairs], kind)

    return pa.table(
        {
            "path": pa.array([image.file.path for image in images], pa.string()),
            "size": pa.array([image.file.size for image in images], pa.int64()),
            "sha256": pa.array([image.sha256 or None for image in images], pa.string()),
            "label": pa.array([label(image.file.path) for image in images], pa.string()),
            "reason": pa.array(reasons, pa.string()),
            "height": known((image.height for image in images), pa.int32()),
            "width": known((image.width for image in images), pa.int32()),
            "classes": _lists(classes, reasons, pa.int32()),
            "probabilities": _lists(probabilities, reasons, pa.float32()),
            "embedding": _lists(embeddings, reasons, pa.float16()),
            "thumbnail": known((image.thumbnail for image in images), pa.binary()),
            "pixels": known((image.pixels for image in images), pa.binary(3 * PIXELS**2)),
        }
    )


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
