"""Resume files: the state of the climbs of a run, from which a stopped run goes on.

Inside `with resumable(folder, run):` every climb writes a file into the folder: its parameters, its
optimizer and its random numbers. An evolution writes its elites. Both do so every half minute,
before the last step and when they are stopped. A run that starts again inside finds the files and
goes on as if it had never stopped.
"""

from __future__ import annotations

import io
import json
import os
import re
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import torch

from convscope.errors import ConvscopeError, reason
from convscope.files import TEMPORARY, is_ours, read_json, write_file, write_json
from convscope.network import check_archive

INTERVAL = 30.0  # seconds between two writes


@dataclass
class ResumeFolder:
    """The resume files of one run: one for each climb, numbered in the order they begin.

    Attributes:
        path: the folder.
        run: what distinguishes the run from others.
        climbs: how many climbs have begun.
        problem: why the state could not be written; "" if it could. A run goes on without.
    """

    path: Path
    run: Mapping[str, Any]
    climbs: int = 0
    problem: str = ""

    def clear(self) -> None:
        """Delete the resume files, and nothing else in the folder."""
        if not self.path.is_dir() or self.path.is_symlink():
            return
        for file in self.path.iterdir():
            if is_ours(file, _is_resume_file):
                file.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def next(self) -> Path:
        """The file of the climb that begins now."""
        self.climbs += 1
        return self.path / f"{self.climbs}.pt"

    def write(self, file: Path, state: Mapping[str, object]) -> None:
        """Write the state of a climb, and which run it belongs to."""
        try:
            self.path.mkdir(exist_ok=True)
            write_json(self.path / RUN, {MADE_BY: True, "run": self.run}, ours=_is_resume_file)
            write_file(file, partial(save_state, dict(state)), ours=_is_resume_file)
        except (OSError, ConvscopeError) as error:
            problem = f"cannot make {self.path} ({reason(error)})"
            why = error if isinstance(error, ConvscopeError) else problem
            self.problem = f"the run cannot be continued later: {why}"


RUN = "run.json"

MADE_BY = "convscope"  # a key of RUN, and the comment at the end of the other files

_folder: ContextVar[ResumeFolder | None] = ContextVar("_folder", default=None)


def folder_for(picture: Path) -> Path:
    """The folder for the resume files of the run that makes this picture."""
    return picture.with_name(f"{picture.name}.resume")


def check_folder(path: Path, *, resume: bool) -> None:
    """Fail before the work if a folder cannot be used, because it holds files of somebody else.

    Args:
        path: the folder.
        resume: whether to go on from its files; if not, they are to be deleted.

    Raises:
        ConvscopeError: it is a file or a link, or not all of its files are resume files.
    """
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir():
        raise ConvscopeError(
            f"{path} is the place of resume files, but not a folder; write to another name, or"
            " delete it first"
        )
    foreign = [file.name for file in path.iterdir() if not is_ours(file, _is_resume_file)]
    if foreign and not resume:
        raise ConvscopeError(
            f"{path} holds {min(foreign)!r}, which is no resume file of convscope; write to another"
            " name, or move it elsewhere"
        )


@contextmanager
def resumable(path: Path, run: Mapping[str, object], *, resume: bool) -> Iterator[ResumeFolder]:
    """Let the climbs that run inside write resume files.

    Args:
        path: the folder, made with the first file.
        run: what distinguishes this run from others; must be serializable as JSON.
        resume: whether to go on from the files in the folder. If not, they are deleted.

    Raises:
        ConvscopeError: the files in the folder belong to another run or to somebody else, or are
            damaged.
    """
    check_folder(path, resume=resume)
    folder = ResumeFolder(path, json.loads(json.dumps(run, default=str)))
    if os.path.lexists(path) and not resume:
        folder.clear()
    elif os.path.lexists(path) and _run(path / RUN) != folder.run:
        raise ConvscopeError(
            f"{path} belongs to a run with other options or another photograph; start again"
            " without resuming, or write to another file"
        )
    token = _folder.set(folder)
    try:
        yield folder
    finally:
        _folder.reset(token)


def _run(file: Path) -> object:
    """Which run a folder belongs to."""
    found = read_json(file)
    if found is None or MADE_BY not in found:
        raise _damaged(file)
    return found.get("run")


def _damaged(file: Path) -> ConvscopeError:
    return ConvscopeError(f"{file} is damaged; delete {file.parent} and start again")


def save_state(state: Mapping[str, object], file: Path) -> None:
    """Write a state that `is_state` recognizes."""
    buffer = io.BytesIO()  # torch names no reason where it cannot write to a file
    torch.save(state, buffer)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = MADE_BY.encode()
    file.write_bytes(buffer.getvalue())


def _is_resume_file(file: Path) -> bool:
    """Whether a file in a folder of resume files is one, or was being written when a run ended."""
    if file.is_symlink() or not file.is_file():
        return False
    if file.name.startswith(TEMPORARY):
        return True
    if file.name == RUN:
        return MADE_BY in (read_json(file) or {})
    return re.fullmatch(r"\d+\.pt", file.name) is not None and is_state(file)


def is_state(file: Path) -> bool:
    """Whether `save_state` wrote a file."""
    with file.open("rb") as opened:
        opened.seek(-len(MADE_BY), os.SEEK_END)
        return opened.read() == MADE_BY.encode()


class Resumable(Protocol):
    """What takes steps, and can go on from the state that it was in after one of them."""

    def state_dict(self) -> dict[str, Any]:
        """The state, as tensors and plain values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state, whose tensors are on the CPU."""
        ...


class ResumeFile:
    """The resume file of what takes steps; a context around them. Outside of `resumable` it does
    nothing."""

    def __init__(self, resumable: Resumable) -> None:
        self.resumable = resumable
        self.folder = _folder.get()
        self.file = self.folder.next() if self.folder else None
        self.written_at = time.monotonic()

    def restore(self) -> int:
        """Restore the state; give the next step. The first is 1.

        Raises:
            ConvscopeError: the file is damaged.
        """
        if self.file is None or not self.file.exists():
            return 1
        try:
            check_archive(self.file)
            state = torch.load(self.file, weights_only=True, map_location="cpu")
            self.resumable.load_state_dict(state)
            return int(state["step"])
        except Exception as error:  # as many as there are ways to damage a file
            raise _damaged(self.file) from error

    def before_step(self, step: int, steps: int) -> None:
        """Write the file if it is time to."""
        self.step, self.steps = step, steps
        if step > 1 and (step == steps or time.monotonic() - self.written_at > INTERVAL):
            self._write(step)

    def __enter__(self) -> ResumeFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, where: TracebackType | None
    ) -> None:
        # Closed at a yield, when a step is done and the next has not begun.
        if kind is GeneratorExit and self.step < self.steps:
            self._write(self.step + 1)

    def _write(self, step: int) -> None:
        if self.folder is None or self.file is None:
            return
        self.written_at = time.monotonic()
        self.folder.write(self.file, {**self.resumable.state_dict(), "step": step})
