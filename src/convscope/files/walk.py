"""The one walker: which photographs a folder and the folders in it hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple, NoReturn

from convscope.errors import ConvscopeError
from convscope.files.images import endings
from convscope.files.others import reason_for, told

LONGEST = 255  # bytes of a name, on nearly all file systems


class Found(NamedTuple):
    """What a folder holds.

    Args:
        photographs: the files that are named like an image, sorted.
        others: those that are named like a picture in a format that is not opened, sorted.
    """

    photographs: tuple[Path, ...]
    others: tuple[Path, ...]


def photographs(
    folder: Path,
    left_out: Collection[str | os.PathLike[str]] = (),
    *,
    follow_links: bool = False,
) -> tuple[Path, ...]:
    """The photographs of `survey`."""
    return survey(folder, left_out, follow_links=follow_links).photographs


def survey(
    folder: Path,
    left_out: Collection[str | os.PathLike[str]] = (),
    *,
    follow_links: bool = False,
) -> Found:
    """The pictures in a folder, and in the folders in it.

    Hidden files and folders do not count. Links to files count, whatever they lead to.

    Args:
        folder: the folder; the paths returned begin with it.
        left_out: folders that are not entered.
        follow_links: also enter links to folders, each folder once.

    Raises:
        ConvscopeError: no photograph, or a folder that cannot be read.
    """
    visited = {os.path.realpath(path) for path in left_out}
    if follow_links:
        visited.add(os.path.realpath(folder))
    found, others = [], []
    for here, inner, names in os.walk(folder, onerror=_refuse, followlinks=follow_links):
        entered = []
        for name in inner:
            real = os.path.realpath(os.path.join(here, name))
            if name.startswith(".") or real in visited:
                continue
            entered.append(name)
            if follow_links:  # links may go in circles
                visited.add(real)
        inner[:] = entered
        shown = [Path(here, name) for name in names if not name.startswith(".")]
        found += [path for path in shown if path.suffix.lower() in endings()]
        others += [path for path in shown if reason_for(path)]
    if not found:
        known = f", but {told(sorted(others))}" if others else ""
        raise ConvscopeError(f"no photograph in {folder}{known}")
    return Found(tuple(sorted(found)), tuple(sorted(others)))


def _refuse(error: OSError) -> NoReturn:
    raise ConvscopeError(f"cannot read {error.filename} ({error.strerror})") from error


def shortened(name: str, ending: str) -> str:
    """A name with an ending, with a digest in place of what no file system has room for."""
    if len(os.fsencode(name + ending)) <= LONGEST:
        return name + ending
    tail = f"-{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}{ending}"
    kept = os.fsencode(name)[: LONGEST - len(tail)].decode(errors="ignore")
    return kept + tail
