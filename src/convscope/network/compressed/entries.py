"""What a tensor is in the file of a compressed network, and the numbers that it is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from convscope.network.compressed import coding
from convscope.types import Array

Kind = Literal["same", "float16", "float32", "sparse", "packed", "coded"]


class Entry(NamedTuple):
    """How a tensor is written.

    Attributes:
        name: its name in the state dict.
        shape: its shape.
        kind: "same", if all numbers are the same and stand in `levels`; "float16"; "float32";
            "sparse", the numbers that are not zero in float32 and, coded, which these are; "packed"
            and "coded", the numbers of a few levels in float16.
        levels: the number of levels, or the one number.
        words: the number of words of its code, or of numbers that are not zero.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind
    levels: float = 0
    words: int = 0

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Shared:
    """A tensor of few different numbers.

    Attributes:
        levels: the numbers, (levels,) float32 that float16 can hold.
        indices: which of them each element is, int64 in the shape of the tensor.
    """

    levels: Tensor
    indices: Tensor

    @property
    def decoded(self) -> Tensor:
        return self.levels[self.indices]


# How a tensor is to be written: few levels, coded or not; a mask and the rest; or as it is.
WrittenAs = Literal["packed", "coded", "sparse", "float16", "float32"]


@dataclass
class Parts:
    """The numbers of a file, each kind in one row."""

    rows: dict[str, list[Array]] = field(
        default_factory=lambda: {name: [] for name in DTYPES}, repr=False
    )

    def add(self, row: str, numbers: Array) -> int:
        self.rows[row].append(np.ascontiguousarray(numbers.reshape(-1), DTYPES[row]))
        return numbers.size

    def joined(self) -> dict[str, Array]:
        """Each row as one array."""
        return {name: np.concatenate([np.empty(0, DTYPES[name]), *some])
                for name, some in self.rows.items()}  # fmt: skip


DTYPES: Mapping[str, type[np.generic]] = {
    "float32": np.float32,
    "float16": np.float16,  # levels, and tensors in float16
    "frequencies": np.uint16,
    "codes": np.uint32,
    "packed": np.uint8,
}


def written(name: str, value: Tensor | Shared, form: WrittenAs, parts: Parts) -> Entry:
    """Add a tensor to the rows of a file; its entry."""
    if isinstance(value, Shared):
        return _shared(name, value, form, parts)
    shape, numbers = tuple(value.shape), value.detach().cpu().float().numpy()
    if numbers.size and (numbers == numbers.flat[0]).all():
        return Entry(name, shape, "same", float(numbers.flat[0]))
    if form == "sparse":
        mask = (numbers != 0).astype(np.int32)
        frequency = coding.frequencies(mask, 2)
        parts.add("frequencies", frequency)
        words = parts.add("codes", coding.encode(mask, frequency))
        return Entry(name, shape, "sparse", parts.add("float32", numbers[mask > 0]), words)
    half = form != "float32" and np.abs(numbers).max(initial=0) <= np.finfo(np.float16).max
    parts.add("float16" if half else "float32", numbers)
    return Entry(name, shape, "float16" if half else "float32")


def _shared(name: str, value: Shared, form: WrittenAs, parts: Parts) -> Entry:
    levels, indices = value.levels.numpy(), value.indices.numpy()
    shape, count = tuple(value.indices.shape), len(levels)
    if count == 1:
        return Entry(name, shape, "same", float(levels[0]))
    parts.add("float16", levels)
    if form == "packed":
        return Entry(name, shape, "packed", count, parts.add("packed", coding.pack(indices, count)))
    frequency = coding.frequencies(indices, count)
    parts.add("frequencies", frequency)
    return Entry(name, shape, "coded", count, parts.add("codes", coding.encode(indices, frequency)))


class Rows:
    """The rows of a file, read from the front.

    Args:
        rows: as `Parts.joined` gives them.
    """

    def __init__(self, rows: Mapping[str, Array]) -> None:
        self._rows = dict(rows)

    def place(self, entry: Entry) -> Callable[[], Tensor]:
        """Step over what belongs to the next entry; what decodes it.

        Raises:
            ValueError: the rows do not hold so much.
        """
        count, levels = entry.elements, int(entry.levels)
        match entry.kind:
            case "same":
                return lambda: torch.full(entry.shape, entry.levels)
            case "float16" | "float32":
                numbers = self._take(entry.kind, count)
                return lambda: _tensor(numbers, entry.shape)
            case "sparse":
                frequency, code = self._take("frequencies", 2), self._take("codes", entry.words)
                kept = self._take("float32", levels)
                return lambda: _sparse(coding.decode(code, frequency, count), kept, entry.shape)
            case "packed":
                table = self._take("float16", levels)
                data = self._take("packed", coding.packed_size(levels, count))
                return lambda: _tensor(table[coding.unpack(data, levels, count)], entry.shape)
            case "coded":
                table, frequency = self._take("float16", levels), self._take("frequencies", levels)
                code = self._take("codes", entry.words)
                return lambda: _tensor(table[coding.decode(code, frequency, count)], entry.shape)

    @property
    def empty(self) -> bool:
        """Whether all has been taken."""
        return not any(row.size for row in self._rows.values())

    def _take(self, name: str, count: int) -> Array:
        row = self._rows[name]
        if count < 0 or len(row) < count:
            raise ValueError(f"there are not {count} numbers left of {name}")
        self._rows[name] = row[count:]
        return row[:count]


def _tensor(numbers: Array, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(numbers.astype(np.float32).reshape(shape))


def _sparse(mask: Array, kept: Array, shape: tuple[int, ...]) -> Tensor:
    numbers = np.zeros(len(mask), np.float32)
    numbers[mask > 0] = kept
    return _tensor(numbers, shape)
