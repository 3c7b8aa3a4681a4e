"""What a checkpoint holds, as plain values: nothing of it is a class or a function of Python's."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from convscope.errors import ConvscopeError

MOST_DIMENSIONS = 64  # of torch


class Damaged(ConvscopeError):
    """The file is not what it says it is. The message is a clause without the file's name."""


@dataclass(frozen=True, eq=False)
class Named:
    """A class or a function that a pickle names. It is not looked up."""

    name: str


@dataclass(frozen=True, eq=False)
class Foreign:
    """An object of a class that is not looked up: what the file says of it, by name."""

    kind: str
    arguments: tuple[Any, ...] = ()
    members: dict[Any, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Unusable:
    """A tensor without plain numbers: sparse, quantized, and so on."""

    kind: str


@dataclass(frozen=True)
class Storage:
    """A block of bytes in the file. `dtype` is None if its numbers have no type of their own."""

    key: str
    dtype: torch.dtype | None
    size: int  # bytes


@dataclass(frozen=True)
class Stored:
    """A tensor whose numbers are still in the file: how it lies in its storage, in elements."""

    storage: Storage
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.stride)
        whole = all(type(n) is int and 0 <= n < 2**63 for n in numbers)
        if not whole or not len(self.shape) == len(self.stride) <= MOST_DIMENSIONS:
            raise Damaged("a tensor has a shape that is no shape")
        last = sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
        ends = self.offset + last + 1 if self.count else self.offset
        if ends * self.dtype.itemsize > self.storage.size:
            raise Damaged("a tensor is larger than what the file holds of it")

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def read(self, data: torch.Tensor) -> torch.Tensor:
        """The tensor in its storage's bytes, (size,) uint8; it keeps no more than its own bytes."""
        if not self.count:
            return torch.empty(self.shape, dtype=self.dtype)
        numbers = data[: len(data) // self.dtype.itemsize * self.dtype.itemsize].view(self.dtype)
        found = numbers.as_strided(self.shape, self.stride, self.offset)
        return found if self.count == len(numbers) else found.clone()


@dataclass(frozen=True)
class Opened:
    """A file of weights.

    Attributes:
        values: what it holds; tensors are `Stored`.
        read: gives the bytes of storages, each (size,) uint8, one after the other.
    """

    values: Any
    read: Callable[[Collection[Storage]], Iterator[tuple[Storage, torch.Tensor]]]


def members(value: Any) -> Mapping[Any, Any]:
    """What a dict, a list or an object holds, by name; nothing if it is something else."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Foreign):
        return value.members
    if isinstance(value, list | tuple):
        return {str(number): one for number, one in enumerate(value[:16])}
    return {}
