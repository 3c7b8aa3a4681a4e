"""Files of safetensors: names, shapes and raw numbers. Their library checks all three."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from convscope.network.checkpoints.stored import Damaged, Opened, Storage, Stored, Unusable
from convscope.network.compressed.files import KEY as COMPRESSED
from convscope.network.compressed.files import open_compressed

LARGEST_HEADER = 16 << 20  # bytes; the names of a million tensors

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def open_safetensors(path: Path) -> Opened:
    """What a file of safetensors holds: a dict of tensors, and the texts of its header.

    Raises:
        Damaged: its header does not fit its size.
    """
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        if int.from_bytes(file.read(8), "little") > LARGEST_HEADER:
            raise Damaged("its header is far too large")
    try:
        with safe_open(path, framework="pt") as opened:
            names, texts = opened.keys(), opened.metadata() or {}
            if COMPRESSED in texts:
                return open_compressed(path)
            values = {name: _stored(name, opened.get_slice(name)) for name in names}
    except SafetensorError as error:
        raise Damaged("it is damaged, or was not written to the end") from error
    return Opened({**values, "__metadata__": texts}, _Reader(path))


def _stored(name: str, part: Any) -> Stored | Unusable:
    dtype, shape = _DTYPES.get(part.get_dtype()), tuple(part.get_shape())
    if dtype is None:
        return Unusable(f"of the kind {part.get_dtype()}")
    storage = Storage(name, dtype, math.prod(shape) * dtype.itemsize)
    return Stored(storage, dtype, 0, shape, torch.empty(shape, device="meta").stride())


@dataclass(frozen=True)
class _Reader:
    path: Path

    def __call__(self, storages: Collection[Storage]) -> Iterator[tuple[Storage, torch.Tensor]]:
        from safetensors import safe_open

        with safe_open(self.path, framework="pt") as opened:
            for storage in storages:
                yield storage, opened.get_tensor(storage.key).reshape(-1).view(torch.uint8)
