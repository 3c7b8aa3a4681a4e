"""Channels as a table: a row for each channel of each layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from convscope.collection.channels import Channels, Top
from convscope.types import Array


def to_table(layers: Mapping[str, Channels]) -> pa.Table:
    """A row for each channel of each layer."""
    tables = [_rows(layer, found) for layer, found in layers.items()]
    return pa.concat_tables(tables) if tables else pa.table({})


def _rows(layer: str, found: Channels) -> pa.Table:
    count = len(found.total)
    columns: dict[str, Any] = {
        "layer": pa.array([layer] * count).dictionary_encode(),
        "channel": pa.array(np.arange(count, dtype=np.int32)),
        "images": pa.array(np.full(count, found.images)),
        "places": pa.array(np.full(count, found.places)),
        "counted": pa.array(np.full(count, found.counted)),
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
    return pa.table(columns)


def from_table(table: pa.Table) -> dict[str, Channels]:
    """The layers of a table, in its order."""
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
            for end in ("top", "bottom")
        )
        found[names[begin]] = Channels(
            images=int(columns["images"][0]),
            places=int(columns["places"][0]),
            counted=int(columns["counted"][0]),
            top=top,
            bottom=replace(bottom, values=-bottom.values),
            **{name: columns[name] for name in ("total", "positive", "low", "high", "histogram")},
        )
    return found


def _array(column: pa.Array) -> Array:
    """Numbers (C,), or lists as (C, K)."""
    lists = pa.types.is_list(column.type)
    values: Array = (column.flatten() if lists else column).to_numpy()
    return values.reshape(len(column), -1) if lists else values


def _lists(values: Array) -> pa.Array:
    """(C, K) as lists that cannot be null, which keeps the files small."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(values).reshape(-1)))
