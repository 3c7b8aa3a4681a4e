"""Work on many items within a memory bound."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from convscope.errors import ConvscopeError


@contextmanager
def in_threads(count: int) -> Iterator[None]:
    """Let torch work in so many threads, and leave it with as many as it had."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


T = TypeVar("T")


def batched(count: int, limit: int, work: Callable[[slice], T]) -> Iterator[list[tuple[slice, T]]]:
    """`work` on items 0 to `count`, at most `limit` at a time: a list for each such part.

    Where memory does not suffice the part is halved, and the list has several entries.

    Raises:
        ConvscopeError: memory does not suffice for one item alone.
    """
    size = limit
    for begin in range(0, count, limit):
        end, at = min(begin + limit, count), begin
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


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt


KEPT = 2**30


def keep_pages() -> None:
    """Keep freed memory for the next batch of activations. Else glibc gives large blocks back to
    the system at once, which hands them out again page by page, zeroed.

    It holds for the whole process, so it is for the command line and for workers to call, not for
    the library.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another libc
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_THRESHOLD, KEPT)
            mallopt(M_TRIM_THRESHOLD, KEPT)
