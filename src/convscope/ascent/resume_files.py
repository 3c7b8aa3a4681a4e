"""Checkpoints: where the climbs of a run stand, in a folder, so that a stopped run can go on.

Inside `with keeping(folder, run):` every climb keeps a file there: its parameters, optimizer and
random numbers, every half minute, when it is stopped and before its last step. A run that begins
again inside finds them, and goes on as if it had never stopped.
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
from convscope.files import write_file

EVERY = 30.0  # seconds


@dataclass
class Folder:
    """The checkpoints of one run: a file a climb, in the order in which they begin."""

    path: Path
    run: str
    climbs: int = 0

    def clear(self) -> None:
        """Delete them, and nothing else that may lie there."""
        for file in (*self.path.glob("*.pt"), self.path / "run.json"):
            file.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def next(self) -> Path:
        self.climbs += 1
        return self.path / f"{self.climbs}.pt"

    def write(self, file: Path, state: Mapping[str, object]) -> None:
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise ConvscopeError(f"cannot make {self.path} ({error.strerror})") from error
        write_file(self.path / "run.json", self._write_run)
        write_file(file, partial(torch.save, dict(state)))

    def _write_run(self, file: Path) -> None:
        file.write_text(self.run, encoding="utf-8")


_folder: ContextVar[Folder | None] = ContextVar("_folder", default=None)


def beside(picture: Path) -> Path:
    """Where the checkpoints lie of a run that makes this picture."""
    return picture.with_name(f"{picture.name}.resume")


@contextmanager
def keeping(path: Path, run: Mapping[str, object], *, resume: bool) -> Iterator[Folder]:
    """Keep the climbs that run inside in the folder `path`; with `resume`, go on with those there.

    Args:
        path: made when there is something to keep.
        run: what tells this run from others, as JSON can hold it.
        resume: or else what lies there is deleted.

    Raises:
        ConvscopeError: what lies there is of another run, or damaged.
    """
    folder = Folder(path, json.dumps(run, sort_keys=True, default=str))
    if path.exists() and not resume:
        folder.clear()
    elif path.exists() and _read(path / "run.json") != folder.run:
        raise ConvscopeError(
            f"{path} is of a run with other options or another photograph; begin anew without"
            " resuming, or write to another file"
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
        raise ConvscopeError(f"{file} is damaged; delete {file.parent} and begin anew") from error


class ResumeFile:
    """One climb's checkpoint; a context around its steps. Outside of `keeping` it keeps nothing."""

    def __init__(
        self, parameters: Tensor, optimizer: torch.optim.Optimizer, generator: torch.Generator
    ) -> None:
        self.parameters, self.optimizer, self.generator = parameters, optimizer, generator
        self.folder = _folder.get()
        self.file = self.folder.next() if self.folder else None
        self.kept = time.monotonic()

    def begin(self) -> tuple[int, list[Tensor]]:
        """The step to begin with, and the scores of those before it."""
        if self.file is None or not self.file.exists():
            return 1, []
        try:
            state = torch.load(self.file, weights_only=True, map_location=self.parameters.device)
            self.parameters.copy_(state["parameters"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.generator.set_state(state["generator"].cpu())
            return state["step"], list(state["scores"])
        except Exception as error:  # as many as there are ways to damage a file
            raise ConvscopeError(
                f"{self.file} is damaged; delete {self.file.parent} and begin anew"
            ) from error

    def before(self, step: int, steps: int, scores: list[Tensor]) -> None:
        """Call before each step."""
        self.step, self.steps, self.scores = step, steps, scores
        if step > 1 and (step == steps or time.monotonic() - self.kept > EVERY):
            self._keep(step)

    def __enter__(self) -> ResumeFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, where: TracebackType | None
    ) -> None:
        # Closed at a yield, when a step is done and the next has not begun.
        if kind is GeneratorExit and self.step < self.steps:
            self._keep(self.step + 1)

    def _keep(self, step: int) -> None:
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
        self.kept = time.monotonic()
