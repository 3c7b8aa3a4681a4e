"""What may be replaced: only what convscope provably wrote itself, and never what is being read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from convscope.errors import ConvscopeError, reason

# Whether convscope wrote what lies at a path. It may raise any error for what is not.
Ours = Callable[[Path], bool]


def anything(_: Path) -> bool:
    """For the files in a folder that is convscope's own, such as those of an index."""
    return True


def check_replaceable(
    target: Path,
    ours: Ours,
    inputs: Iterable[str | os.PathLike[str]] = (),
    *,
    folder: bool = False,
) -> None:
    """Fail if something lies at `target` that must not be lost. An empty file holds nothing.

    Args:
        target: the file or folder to write.
        ours: recognizes what convscope wrote.
        inputs: the files that are read, under any name.
        folder: whether a folder is to be written, which does not replace an empty file.

    Raises:
        ConvscopeError: the target is one of the inputs, a link, or not made by convscope.
    """
    if ours is anything:
        return
    try:
        found = target.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        raise ConvscopeError(f"cannot write {target} ({reason(error)})") from error
    if any(_same(target, one) for one in inputs):
        raise ConvscopeError(f"{target} is one of the files to read; write to another name")
    if stat.S_ISLNK(found.st_mode):
        raise ConvscopeError(f"{target} is a link; write to another name, or delete the link first")
    empty = not folder and stat.S_ISREG(found.st_mode) and not found.st_size  # as mktemp makes
    if not (empty or is_ours(target, ours)):
        raise ConvscopeError(
            f"{target} exists and was not made by convscope; choose another name or delete it first"
        )


def is_ours(path: Path, ours: Ours) -> bool:
    """Whether convscope wrote what lies at `path`; false where that cannot be known."""
    try:
        return (path.is_file() or path.is_dir()) and ours(path)
    except Exception:  # damaged files fail in many ways
        return False


def _same(one: Path, other: str | os.PathLike[str]) -> bool:
    """Whether two names are of the same file: by links, hard links, or in another case."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # no such file; a zero byte
        return False
