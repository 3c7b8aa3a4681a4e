"""Resume files: the state of the climbs of a run, from which a stopped run goes on.

Inside `with resumable(folder, run):` every climb writes a file into the folder: its parameters, its
optimizer and its random numbers. It does so every half minute, before its last step and when it is
stopped. A run that starts again inside finds the files and goes on as if it had never stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.files import write_file, write_text

INTERVAL = 30.0  # seconds between two writes


@dataclass
class ResumeFolder:
    """The resume files of one run: one for each climb, numbered in the order they begin."""

    path: Path
    run: str
    climbs: int = 0

    def clear(self) -> None:
        """Delete the resume files, and nothing else in the folder."""
        for file in (*self.path.glob("*.pt"), self.path / "run.json"):
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
        except OSError as error:
            raise ConvscopeError(f"cannot make {self.path} ({error.strerror})") from error
        write_text(self.path / "run.json", self.run)
        write_file(file, partial(torch.save, dict(state)))


_folder: ContextVar[ResumeFolder | None] = ContextVar("_folder", default=None)


def folder_for(picture: Path) -> Path:
    """The folder for the resume files of the run that makes this picture."""
    return picture.with_name(f"{picture.name}.resume")


@contextmanager
def resumable(path: Path, run: Mapping[str, object], *, resume: bool) -> Iterator[ResumeFolder]:
    """Let the climbs that run inside write resume files.

    Args:
        path: the folder, made with the first file.
        run: what distinguishes this run from others; must be serializable as JSON.
        resume: whether to go on from the files in the folder. If not, they are deleted.

    Raises:
        ConvscopeError: the files in the folder belong to another run, or are damaged.
    """
    folder = ResumeFolder(path, json.dumps(run, sort_keys=True, default=str))
    if path.exists() and not resume:
        folder.clear()
    elif path.exists() and _read(path / "run.json") != folder.run:
        raise ConvscopeError(
            f"{path} belongs to a run with other options or another photograph; start again"
            " without resuming, or write to another file"
        )
    token = _folder.set(folder)
    try:
        yield folder
    finally:
        _folder.reset(token)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _damaged(file) from error


def _damaged(file: Path) -> ConvscopeError:
    return ConvscopeError(f"{file} is damaged; delete {file.parent} and start again")


class ResumeFile:
    """The resume file of one climb; a context around its steps. Outside of `resumable` it does
    nothing."""

    def __init__(
        self, parameters: Tensor, optimizer: torch.optim.Optimizer, generator: torch.Generator
    ) -> None:
        self.parameters, self.optimizer, self.generator = parameters, optimizer, generator
        self.folder = _folder.get()
        self.file = self.folder.next() if self.folder else None
        self.written_at = time.monotonic()

    def restore(self) -> tuple[int, list[Tensor]]:
        """Restore the climb; give the next step (the first is 1) and the scores of those before.

        Raises:
            ConvscopeError: the file is damaged.
        """
        if self.file is None or not self.file.exists():
            return 1, []
        try:
            state = torch.load(self.file, weights_only=True, map_location=self.parameters.device)
            self.parameters.copy_(state["parameters"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.generator.set_state(state["generator"].cpu())
            return state["step"], list(state["scores"])
        except Exception as error:  # as many as there are ways to damage a file
            raise _damaged(self.file) from error

    def before_step(self, step: int, steps: int, scores: list[Tensor]) -> None:
        """Write the file if it is time to. `scores` are those of the steps so far."""
        self.step, self.steps, self.scores = step, steps, scores
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
        state = {
            "step": step,
            "parameters": self.parameters,
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "scores": self.scores,
        }
        self.folder.write(self.file, state)
        self.written_at = time.monotonic()
