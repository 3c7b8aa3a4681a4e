"""Work on many items within a memory bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from convscope.errors import ConvscopeError

T = TypeVar("T")


def batched(count: int, most: int, work: Callable[[slice], T]) -> Iterator[list[tuple[slice, T]]]:
    """`work` on items 0 to `count`, at most `most` at a time: a list for each such part.

    Where memory does not suffice the part is halved, and the list has several entries.

    Raises:
        ConvscopeError: memory does not suffice for one item alone.
    """
    size = most
    for begin in range(0, count, most):
        end, at = min(begin + most, count), begin
        done: list[tuple[slice, T]] = []
        while at < end:
            part = slice(at, min(at + size, end))
            try:
                done.append((part, work(part)))
            except (MemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                if part.stop - part.start == 1:
                    raise ConvscopeError(
                        "memory does not suffice for a single image: take a smaller network or"
                        " image, or another device"
                    ) from error
                size = (part.stop - part.start) // 2
            else:
                at = part.stop
        yield done


def _out_of_memory(error: Exception) -> bool:
    # torch has a class of its own for GPUs only.
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)
