"""Channels as a table: a row for each channel of each layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from convscope.collection.channels import BINS, Channels, Top
from convscope.types import Array

_ENDS = ("top", "bottom")

SCHEMA = pa.schema(
    {
        "layer": pa.string(),
        "channel": pa.int32(),
        **dict.fromkeys(("images", "places", "counted"), pa.int64()),
        "total": pa.float64(),
        "positive": pa.int64(),
        **dict.fromkeys(("low", "high"), pa.float32()),
        "histogram": pa.list_(pa.int64()),
        **{
            f"{end}_{name}": pa.list_(kind)
            for end in _ENDS
            for name, kind in (
                ("value", pa.float32()),
                ("row", pa.int64()),
                ("position", pa.int32()),
                ("content", pa.uint64()),
            )
        },
    }
)


def to_table(layers: Mapping[str, Channels]) -> pa.Table:
    """A row for each channel of each layer."""
    tables = [_rows(layer, found) for layer, found in layers.items()]
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table()


def _rows(layer: str, found: Channels) -> pa.Table:
    count = len(found.total)
    columns: dict[str, Any] = {
        "layer": [layer] * count,
        "channel": np.arange(count, dtype=np.int32),
        "images": np.full(count, found.images),
        "places": np.full(count, found.places),
        "counted": np.full(count, found.counted),
        "total": found.total,
        "positive": found.positive,
        "low": found.low,
        "high": found.high,
        "histogram": _lists(found.histogram),
    }
    for name, top in (("top", found.top), ("bottom", found.bottom)):
        columns |= {
            f"{name}_value": _lists(top.values if name == "top" else -top.values),
            f"{name}_row": _lists(top.rows),
            f"{name}_position": _lists(top.positions),
            f"{name}_content": _lists(top.contents),
        }
    return pa.table(columns, schema=SCHEMA)


def from_table(table: pa.Table) -> dict[str, Channels]:
    """The layers of a table, in its order.

    Raises:
        ValueError: it holds what no index can hold.
    """
    if not len(table):
        return {}
    names = table["layer"].to_pylist()
    begins = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    found = {}
    for begin, end in zip(begins, [*begins[1:], len(names)], strict=True):
        part = table.slice(begin, end - begin).combine_chunks()
        columns = {name: _array(part[name].combine_chunks()) for name in table.column_names[2:]}
        top, bottom = (
            Top(*(columns[f"{end}_{column}"] for column in ("value", "row", "position", "content")))
            for end in _ENDS
        )
        found[names[begin]] = Channels(
            images=int(columns["images"][0]),
            places=int(columns["places"][0]),
            counted=int(columns["counted"][0]),
            top=top,
            bottom=replace(bottom, values=-bottom.values),
            **{name: columns[name] for name in ("total", "positive", "low", "high", "histogram")},
        )
        _check(found[names[begin]])
    return found


def _check(found: Channels) -> None:
    """Fail if extremes are of images or positions that there are not, or numbers are missing."""
    for top in (found.top, found.bottom):
        shapes = {part.shape for part in vars(top).values()}
        inside = _below(top.rows, found.images) and _below(top.positions, found.places)
        if len(shapes) != 1 or not inside:
            raise ValueError("extremes of nothing")
        if not np.isfinite(top.values).all():
            raise ValueError("extremes that are not finite")
    if found.histogram.shape[1] != BINS or min(found.images, found.places, found.counted) < 1:
        raise ValueError("counts of nothing")


def _below(numbers: Array, limit: int) -> bool:
    return bool(((numbers >= 0) & (numbers < limit)).all())


def _array(column: pa.Array) -> Array:
    """Numbers (C,), or lists as (C, K)."""
    lists = pa.types.is_list(column.type)
    flat = column.flatten() if lists else column
    if column.null_count or flat.null_count:
        raise ValueError("missing numbers")
    values: Array = flat.to_numpy()
    if not lists:
        return values
    if len(pc.unique(pc.list_value_length(column))) != 1:
        raise ValueError("lists of several lengths")
    return values.reshape(len(column), -1)


def _lists(values: Array) -> pa.Array:
    """(C, K) as lists that cannot be null, which keeps the files small."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(values).reshape(-1)))
