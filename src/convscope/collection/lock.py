"""One writer at a time: a lock on a folder that ends with its process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convscope.errors import ConvscopeError

_held: set[Path] = set()  # by this process, which its own locks would not keep out


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is created if it does not exist.

    Raises:
        ConvscopeError: another process or thread holds it, or it cannot be written.
    """
    try:
        import fcntl
    except ImportError as error:
        raise ConvscopeError("indexes can be written on Linux and macOS only") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Processes that decode images do not inherit this kind of lock.
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise ConvscopeError(f"cannot write {folder} ({error.strerror})") from error
    real = folder.resolve()
    with lock:
        try:
            if real in _held:
                raise BlockingIOError
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConvscopeError(
                f"another process is writing to {folder}; wait for it, or give another output"
            ) from error
        _held.add(real)
        try:
            yield
        finally:
            _held.discard(real)
