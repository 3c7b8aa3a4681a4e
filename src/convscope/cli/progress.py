"""Progress bars on a terminal, and runs that Ctrl-C ends without losing what is done."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from convscope.cli import terminal
from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    from rich.progress import Progress

    from convscope.collection import Indexing
    from convscope.runs import Result, Run


class Watched:
    """The results of a run, with a progress bar if it takes longer than a second on a terminal.

    Ctrl-C, or an error after the first result, ends the results early instead of losing them.

    Attributes:
        last: the last result so far.
        interrupted: whether Ctrl-C ended the run.
        error: the error that ended the run, if one did.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.last: Result | None = None
        self.interrupted = False
        self.error: ConvscopeError | None = None

    def __iter__(self) -> Iterator[Result]:
        try:
            with self._on_ctrl_c():
                for result in _with_bar(self.run):
                    self.last = result
                    yield result
                    if self.interrupted:
                        return
        except ConvscopeError as error:
            if self.last is None:
                raise
            self.error = error

    @contextmanager
    def _on_ctrl_c(self) -> Iterator[None]:
        """Ctrl-C ends the run after the result that is being made or drawn. A second Ctrl-C, or one
        before the first result, raises KeyboardInterrupt at once."""

        def note(_number: int, _where: FrameType | None) -> None:
            if self.last is None or self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True

        if threading.current_thread() is not threading.main_thread():
            yield  # signals go to the main thread only
            return
        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _with_bar(run: Run) -> Iterator[Result]:
    if not terminal.errors.is_terminal:
        yield from run
        return
    begun = time.monotonic()
    with _bar() as bar:
        task = bar.add_task(run.technique, visible=False, now="")
        for result in run:
            late = time.monotonic() - begun > 1
            bar.update(task, completed=result.step, total=result.steps, visible=late)
            yield result


def each_file(files: Sequence[Path], title: str, *, quiet: bool = False) -> Iterator[Path]:
    """Each file, while a bar on the terminal names it.

    Args:
        files: the files in their order.
        title: what stands before the bar.
        quiet: show no bar.
    """
    if quiet or not terminal.errors.is_terminal:
        yield from files
        return
    with _bar() as bar:
        task = bar.add_task(title, total=len(files), now="")
        for file in files:
            bar.update(task, now=file.name)
            yield file
            bar.advance(task)


def each_repair(indexing: Indexing, title: str) -> Iterator[str]:
    """Make an index with a bar on a terminal. Yields each of its parts that was damaged."""
    if not terminal.errors.is_terminal:
        for number, progress in enumerate(indexing):
            yield from progress.damaged if number == 0 else ()
        return
    with _bar() as bar:
        task = bar.add_task(title, total=None, now="")
        begun, before = time.monotonic(), None
        for number, progress in enumerate(indexing):
            yield from progress.damaged if number == 0 else ()
            before = progress.done if before is None else before
            speed = (progress.done - before) / max(1e-3, time.monotonic() - begun)
            now = f"{speed:.0f} images/s" if speed else ""
            bar.update(task, completed=progress.done, total=progress.total, now=now)


def _bar() -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    what = TextColumn("{task.description}", markup=False)
    now = TextColumn("{task.fields[now]}", markup=False)
    columns = what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), now
    return Progress(*columns, console=terminal.errors, transient=True, redirect_stdout=False)
