"""Writes and opens the file of a compressed network.

It is a file of safetensors with a few rows of numbers, and a description in its header: how each
tensor is made of them, how the network is loaded, how it was made, and the SHA-256 of all that.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from convscope.files import write_file
from convscope.network.checkpoints.stored import Damaged, Opened, Storage, Stored
from convscope.network.compressed.entries import (
    DTYPES,
    Entry,
    Parts,
    Rows,
    Shared,
    WrittenAs,
    written,
)
from convscope.types import Array

KEY, SUM = "convscope_compressed", "sha256"  # of the header

LARGEST = 1 << 32  # bytes of a tensor


class Description(BaseModel):
    """What the header says.

    Attributes:
        entries: how each tensor is written.
        source: the arguments of `load` for the same network; None for one of somebody's own code.
        made: where the numbers come from.
    """

    model_config = ConfigDict(frozen=True)

    entries: Annotated[tuple[Entry, ...], Field(max_length=100_000)]
    source: dict[str, Any] | None = None
    made: dict[str, Any] = {}


@dataclass(frozen=True)
class Sizes:
    """The bytes of each part of a file.

    Attributes:
        weights: the weights themselves: codes, or numbers in full.
        levels: the levels that weights share, and how often each occurs.
        others: all other tensors, biases for instance.
        header: names, shapes and the description.
    """

    weights: int
    levels: int
    others: int
    header: int

    @property
    def total(self) -> int:
        return self.weights + self.levels + self.others + self.header


def save_compressed(
    path: str | os.PathLike[str],
    tensors: Mapping[str, tuple[Tensor | Shared, WrittenAs]],
    source: Mapping[str, Any] | None,
    made: Mapping[str, Any],
) -> Sizes:
    """Write a state dict; the bytes of its parts.

    Args:
        path: the file, which ends in .safetensors.
        tensors: floating-point tensors by name, each with the way that it is written.
        source: how the network is loaded, as `Network.source` says.
        made: where the numbers come from.

    Raises:
        ConvscopeError: the file cannot be written, or another file is there.
    """
    from safetensors.numpy import save

    parts = Parts()
    entries = [written(name, value, form, parts) for name, (value, form) in tensors.items()]
    about = Description(
        entries=tuple(entries),
        source=None if source is None else dict(source),
        made=dict(made),
    ).model_dump_json(exclude_none=True)
    rows = parts.joined()
    content = save(rows, {KEY: about, SUM: _sum(about, rows)})
    write_file(path, lambda file: file.write_bytes(content), ours=is_compressed)
    weights = [entry for entry in entries if isinstance(tensors[entry.name][0], Shared)]
    return _sizes(entries, weights, rows, len(content))


def _sizes(
    entries: Collection[Entry], weights: Collection[Entry], rows: Mapping[str, Array], total: int
) -> Sizes:
    """The bytes of each part of a file with these rows, of so many bytes in total."""
    of = {name: row.nbytes for name, row in rows.items()}
    table = sum(2 * int(entry.levels) for entry in weights if entry.kind in ("packed", "coded"))
    sparse = [entry for entry in entries if entry.kind == "sparse"]
    kept = 4 * sum(int(entry.levels) for entry in sparse)
    codes, frequencies = of["codes"] + of["packed"], of["frequencies"]
    others = of["float16"] - table + of["float32"] - kept
    return Sizes(codes + kept, table + frequencies, others, total - sum(of.values()))


def is_compressed(path: Path) -> bool:
    """Whether a file is one of `save_compressed`."""
    return describe(path) is not None


def describe(path: Path) -> Description | None:
    """What the header of a compressed network says; None for a file of another kind.

    Raises:
        Damaged: its numbers are not those that were written.
    """
    from safetensors import SafetensorError

    try:
        header, rows = _read(path)
    except (SafetensorError, OSError):
        return None
    return _checked(header, rows) if KEY in header else None


def _read(path: Path) -> tuple[Mapping[str, str], Mapping[str, Array]]:
    """The texts of a file's header, and its rows of numbers if it is a compressed network."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        header = file.metadata() or {}
        names = file.keys() if KEY in header else ()
        return header, {name: file.get_tensor(name) for name in names}


def _checked(header: Mapping[str, str], rows: Mapping[str, Array]) -> Description:
    if header.get(SUM) != _sum(header[KEY], rows):
        raise Damaged("its sum does not match: it is damaged; copy it again")
    try:
        return Description.model_validate(json.loads(header[KEY]))
    except (ValueError, ValidationError, RecursionError) as error:
        raise Damaged("its header says nothing usable") from error


def _sum(about: str, rows: Mapping[str, Array]) -> str:
    found = hashlib.sha256(about.encode())
    for name in sorted(rows):
        found.update(name.encode())
        found.update(rows[name].tobytes())
    return found.hexdigest()


def open_compressed(path: Path) -> Opened:
    """What a compressed network holds; its tensors are decoded when they are read.

    Raises:
        Damaged: its numbers are not those that were written, or do not fit together.
        SafetensorError: it is no file of safetensors.
    """
    header, rows = _read(path)
    about = _checked(header, rows)
    if set(rows) != set(DTYPES) or any(rows[name].dtype != DTYPES[name] for name in rows):
        raise Damaged("its header says nothing usable")
    left, makers = Rows(rows), {}
    try:
        stored = {entry.name: _stored(entry) for entry in about.entries}
        for entry in about.entries:
            makers[entry.name] = left.place(entry)
    except (ValueError, OverflowError) as error:
        raise Damaged("its header does not fit its numbers") from error
    if len(stored) < len(about.entries) or not left.empty:
        raise Damaged("its header does not fit its numbers")
    return Opened({**stored, "__metadata__": {}}, _Reader(makers))


def _stored(entry: Entry) -> Stored:
    if min(entry.shape, default=0) < 0 or entry.elements * 4 > LARGEST:
        raise Damaged("a tensor is far too large")
    storage = Storage(entry.name, torch.float32, entry.elements * 4)
    stride = torch.empty(entry.shape, device="meta").stride()
    return Stored(storage, torch.float32, 0, entry.shape, stride)


@dataclass(frozen=True)
class _Reader:
    makers: Mapping[str, Callable[[], Tensor]]

    def __call__(self, storages: Collection[Storage]) -> Iterator[tuple[Storage, Tensor]]:
        for storage in storages:
            try:
                numbers = self.makers[storage.key]()
            except (ValueError, IndexError) as error:  # of the coder
                raise Damaged("its codes cannot be decoded") from error
            yield storage, numbers.reshape(-1).view(torch.uint8)
