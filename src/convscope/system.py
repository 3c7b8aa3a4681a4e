"""Limits of the machine: memory for a batch, threads, and memory that glibc gives back."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from convscope.errors import ConvscopeError

T = TypeVar("T")


def batched(
    count: int, limit: int, work: Callable[[slice], T], *, full: bool = False
) -> Iterator[list[tuple[slice, T]]]:
    """Call `work` on items 0 to `count`, at most `limit` at a time.

    Args:
        count: number of items.
        limit: largest number of items in a batch.
        work: gets a slice of the items. If it runs out of memory, it is called again with halves.
        full: make all slices equally long, also those that reach beyond the last item.

    Yields:
        A list for each batch: the slices that it was done in, each with its result. It has one
        entry unless memory ran out.

    Raises:
        ConvscopeError: there is not enough memory for a single item.
    """
    size, at = limit, 0
    for begin in range(0, count, limit):
        end = min(begin + limit, count)
        done: list[tuple[slice, T]] = []
        while at < end:
            part = slice(at, at + size if full else min(at + size, end))
            try:
                done.append((part, work(part)))
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if part.stop - part.start == 1:
                    raise ConvscopeError(
                        "there is not enough memory for a single image; use a smaller network, a"
                        " smaller image, or another device"
                    ) from error
                size = (part.stop - part.start) // 2
            else:
                at = part.stop
        yield done


def out_of_memory(error: Exception) -> bool:
    # On the CPU torch raises a plain RuntimeError.
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


@contextmanager
def in_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads inside, and as many as before afterward."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt

KEPT = 2**30


def keep_pages() -> None:
    """Keep freed memory for the next batch of activations.

    Otherwise glibc returns large blocks to the system at once, which hands them out again page by
    page, filled with zeros. This affects the whole process, so the command line and worker
    processes call it, and the library does not.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another libc
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_THRESHOLD, KEPT)
            mallopt(M_TRIM_THRESHOLD, KEPT)
