"""The one writer of files, of several files at once, and of folders: complete, or not at all.

Every writer says by `ours` what it may replace: see `replacing.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError, reason
from convscope.files.replacing import Ours, anything, check_replaceable

TEMPORARY = ".convscope-"  # begins the names of files and folders that are not complete yet

STALE = 86_400  # seconds after which a temporary folder belongs to no running process

# Writes to the temporary path that it is given.
Write = Callable[[Path], object]


def write_file(path: str | os.PathLike[str], write: Write, *, ours: Ours) -> Path:
    """Write a file under a temporary name in the same folder, then move it into place.

    Args:
        path: the file.
        write: writes to the path that it is given.
        ours: recognizes the files that may be replaced.

    Raises:
        ConvscopeError: the folder does not exist or cannot be written, or another file is there.
    """
    target = Path(path)
    write_files({target: write}, ours=ours)
    return target


def write_text(path: str | os.PathLike[str], text: str, *, ours: Ours) -> Path:
    """Write a text file in UTF-8, as `write_file` does."""
    return write_file(path, lambda file: file.write_text(text, encoding="utf-8"), ours=ours)


def write_json(path: str | os.PathLike[str], values: Mapping[str, object], *, ours: Ours) -> Path:
    """Write an object as JSON with sorted keys, as `write_file` does."""
    return write_text(path, json.dumps(values, indent=1, sort_keys=True) + "\n", ours=ours)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read the object in a JSON file; None if there is no such file or it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_files(writers: Mapping[Path, Write], *, ours: Ours) -> None:
    """Write several files; none is moved into place before all of them are complete.

    Raises:
        ConvscopeError: as `write_file`.
    """
    temporaries: dict[Path, Path] = {}
    try:
        for target, write in writers.items():
            temporaries[target] = temporary = reserve(target)
            write(temporary)
            temporary.chmod(0o666 & ~_umask())
            _sync(temporary)
        for target in temporaries:
            check_replaceable(target, ours)
        for target, temporary in temporaries.items():
            _move(temporary, target, ours)
            _sync(target.parent)
    except (OSError, ValueError) as error:  # ValueError: Pillow, if the format has no such size
        raise ConvscopeError(f"cannot write {target} ({reason(error)})") from error
    finally:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)


def _move(temporary: Path, target: Path, ours: Ours) -> None:
    """Move a file into place. A file that somebody else puts there meanwhile is not replaced."""
    if ours is not anything:
        with suppress(OSError):  # the target exists, or this file system has no hard links
            os.link(temporary, target)
            return
        check_replaceable(target, ours)
    temporary.replace(target)


def write_folder(path: str | os.PathLike[str], write: Write, *, ours: Ours) -> Path:
    """Write a folder under a temporary name beside it, then move it into place.

    Args:
        path: the folder.
        write: fills the new folder, which exists and is empty.
        ours: recognizes the folders that may be replaced; an empty one always may.

    Raises:
        ConvscopeError: another folder is there, or it cannot be written.
    """
    target = Path(path)
    check_folder(target, ours=ours)
    try:
        with _temporary_folder(target) as temporary:
            new, old = temporary / "new", temporary / "old"
            new.mkdir()
            write(new)
            for inner in (*new.rglob("*"), new):
                _sync(inner)
            if target.exists():
                target.rename(old)
                _give_back_if_foreign(old, target, ours)
            new.rename(target)
            _sync(target.parent)
    except OSError as error:
        raise ConvscopeError(f"cannot write {target} ({reason(error)})") from error
    return target


def check_folder(path: str | os.PathLike[str], *, ours: Ours) -> None:
    """Fail before the work if `write_folder` would refuse the folder."""

    def ours_or_empty(folder: Path) -> bool:
        return folder.is_dir() and (not any(folder.iterdir()) or ours(folder))

    _check_parent(Path(path))
    check_replaceable(Path(path), ours_or_empty, folder=True)


def _give_back_if_foreign(old: Path, target: Path, ours: Ours) -> None:
    """What has come into a folder since it was checked is not deleted with it."""
    try:
        check_folder(old, ours=ours)
    except ConvscopeError as error:
        old.rename(target)
        raise ConvscopeError(f"{target} has changed meanwhile; write to another name") from error


@contextmanager
def _temporary_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target`, deleted at the end, like those that killed processes have left."""
    prefix = f"{TEMPORARY}{target.name}-"
    for left in target.parent.iterdir():
        if left.name.startswith(prefix) and time.time() - left.lstat().st_mtime > STALE:
            shutil.rmtree(left, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def reserve(target: Path) -> Path:
    """Create an empty temporary file beside `target`, to take its place later.

    Raises:
        ConvscopeError: the folder does not exist or cannot be written, or `target` is a folder.
    """
    _check_parent(target)
    try:
        if target.is_dir():
            raise ConvscopeError(f"cannot write {target}: it is a folder")
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=target.suffix, dir=target.parent)
    except (OSError, ValueError) as error:
        raise ConvscopeError(f"cannot write {target} ({reason(error)})") from error
    os.close(handle)
    return Path(name)


def _check_parent(target: Path) -> None:
    if not target.parent.is_dir():
        raise ConvscopeError(f"no folder {target.parent} to write {target.name} to")


def _sync(path: Path) -> None:
    """Have the content of a file, or the names in a folder, on the disk before going on."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
