"""TODO."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from convscope.errors import ConvscopeError, reason

TEMPORARY = ".convscope-"  # begins the names of files that are not whole yet


def write_file(path: str | os.PathLike[str], write: Callable[[Path], None]) -> Path:
    """Write under a temporary name in the same folder, then move into place: all or nothing.

    Raises:
        ConvscopeError: the folder does not exist or cannot be written.
    """
    target = Path(path)
    write_files({target: write})
    return target


def write_files(writers: Mapping[Path, Callable[[Path], None]]) -> None:
    temporaries: dict[Path, Path] = {}
    try:
        for target, write in writers.items():
            temporaries[target] = temporary = reserve(target)
            write(temporary)
            temporary.chmod(0o666 & ~_umask())
            _settle(temporary)
        for target, temporary in temporaries.items():
            temporary.replace(target)
            _settle(target.parent)
    except (OSError, ValueError) as error:  # ValueError: Pillow, of sizes that a format has not
        raise ConvscopeError(f"cannot write {target} ({reason(error)})") from error
    finally:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)


def _settle(path: Path) -> None:
    """Have a file's content, or a folder's names, on the disk before anything is built on it."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def reserve(target: Path) -> Path:
    """A new file beside `target`, to become it."""
    if not target.parent.is_dir():
        raise ConvscopeError(f"no folder {target.parent} to write {target.name} to")
    try:
        if target.is_dir():
            raise ConvscopeError(f"cannot write {target}: it is a folder")
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=target.suffix, dir=target.parent)
    except (OSError, ValueError) as error:
        raise ConvscopeError(f"cannot write {target} ({reason(error)})") from error
    os.close(handle)
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
