"""One writer at a time: a lock on a folder that ends with its process."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from convscope.errors import ConvscopeError, reason

LOCK = ".convscope.lock"  # a file in the folder

_held: set[Path] = set()  # by this process, which its own locks would not keep out


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is created if it does not exist.

    A folder that was created and is still empty at the end is deleted again.

    Raises:
        ConvscopeError: another process or thread holds it, or it cannot be written.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        real = folder.resolve()
        if real in _held:
            raise _held_by_another(folder)
        handle = _lock(folder)
    except OSError as error:
        raise ConvscopeError(f"cannot write {folder} ({reason(error)})") from error
    _held.add(real)
    try:
        yield
    finally:
        _held.discard(real)
        if not os.fstat(handle).st_size:  # or it would be a file of somebody else
            (folder / LOCK).unlink(missing_ok=True)
        os.close(handle)
        with suppress(OSError):
            for path in new:
                path.rmdir()


def _lock(folder: Path) -> int:
    """Create and lock the file, which another process may be deleting."""
    try:
        import fcntl
    except ImportError as error:
        raise ConvscopeError("folders can be written on Linux and macOS only") from error
    file = folder / LOCK
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            # Processes that decode images do not inherit this kind of lock.
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if file.exists() and os.path.samestat(os.fstat(handle), os.stat(file)):
                return handle
        except OSError as error:
            os.close(handle)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise _held_by_another(folder) from error
            raise
        os.close(handle)


def _held_by_another(folder: Path) -> ConvscopeError:
    return ConvscopeError(
        f"another process is writing to {folder}; wait for it, or give another output"
    )
