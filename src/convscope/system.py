"""The process around us: memory, threads, forks, and the caller's settings of torch."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar, cast

import torch

from convscope.errors import ConvscopeError

T = TypeVar("T")

BATCH = 16  # images that a network gets at a time, the fastest number on processors


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


def in_batches(count: int, work: Callable[[slice], T]) -> list[T]:
    """What `work` gives for slices of the items 0 to `count`, as many at a time as is fast.

    Fewer items are in a slice where memory is short, see `batched`.
    """
    return [found for done in batched(count, BATCH, work) for _, found in done]


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


class _InQuietThreads(type):
    def __subclasscheck__(cls, category: type) -> bool:
        return getattr(_thread, "quiet", 0) > 0


class _Everything(Warning, metaclass=_InQuietThreads):
    """A category that all warnings belong to while a thread is in `quiet`, and none elsewhere."""


_QUIET = ("ignore", None, _Everything, None, 0)  # as `simplefilter` adds it

_thread = threading.local()
_quiet_lock = threading.Lock()
_quiet_threads = 0


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Inside, Ctrl-C waits for the end, so that nothing is left half done."""
    heeds = signal.getsignal(signal.SIGINT)
    if not callable(heeds) or threading.current_thread() is not threading.main_thread():
        yield  # signals are ignored, or go to another thread
        return
    heard: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *signaled: heard.append(signaled))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heeds)
    if heard:
        heeds(*heard[0])


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore the Python warnings of this thread.

    `warnings.catch_warnings` would put back its own list of filters when it ends. If two threads
    use it, the second may put back the list of the first, and the process is silent for good.
    """
    global _quiet_threads
    with _quiet_lock:
        _quiet_threads += 1
        if _quiet_threads == 1:
            warnings.simplefilter("ignore", _Everything)
    _thread.quiet = getattr(_thread, "quiet", 0) + 1
    try:
        yield
    finally:
        _thread.quiet -= 1
        with _quiet_lock:
            _quiet_threads -= 1
            if not _quiet_threads:
                with contextlib.suppress(ValueError):  # another part of the program took it out
                    cast("list[object]", warnings.filters).remove(_QUIET)


@contextmanager
def usual_torch(
    gradients: bool | None = None, dtype: torch.dtype = torch.float32
) -> Iterator[None]:
    """Inside, torch works as it does at first, whatever the caller has set.

    It is without inference mode and autocast; new tensors are on the CPU.

    Args:
        gradients: whether gradients are recorded; None: as the caller has it.
        dtype: the precision of new tensors.
    """
    recorded = torch.is_grad_enabled() if gradients is None else gradients
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_dtype() != dtype:
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(dtype)
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.is_grad_enabled() != recorded:
            stack.enter_context(torch.set_grad_enabled(recorded))
        yield


class ForkSafeLock:
    """A reentrant lock. A process that forks waits until no other thread holds it.

    So a child process finds nothing half done, and the lock free.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _fork_safe.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def acquire(self, seconds: float) -> bool:
        return self._lock.acquire(timeout=seconds)


_fork_safe: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()
_held: list[ForkSafeLock] = []
PATIENCE = 60.0  # in seconds, for one forward pass of another thread


def _before_fork() -> None:
    _held.extend(lock for lock in list(_fork_safe) if lock.acquire(PATIENCE))


def _after_fork() -> None:
    while _held:
        _held.pop().__exit__()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )


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


def free_memory() -> int | None:
    """Bytes that this process can still get; None where the system does not say (not Linux)."""
    free = _numbers("/proc/meminfo").get("MemAvailable:")
    if free is None:
        return None
    groups = Path("/sys/fs/cgroup")
    limit, used = (_number(groups / f"memory.{name}") for name in ("max", "current"))
    if limit is None or used is None:
        return free * 1024
    # What the group has read from files gives way to what its processes need.
    files = _numbers(groups / "memory.stat").get("inactive_file", 0)
    return min(free * 1024, limit - used + files)


def _numbers(file: str | Path) -> dict[str, int]:
    """The first two words of each line."""
    try:
        lines = Path(file).read_text().splitlines()
        return {name: int(number) for name, number, *_ in map(str.split, lines)}
    except (OSError, ValueError):
        return {}


def _number(file: Path) -> int | None:
    """The number in a file; None where it is a word, or there is no such file."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
