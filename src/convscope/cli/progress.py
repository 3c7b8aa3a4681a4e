"""Progress bars on a terminal, and runs that Ctrl-C ends without losing what is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.cli import terminal
from convscope.cli.stopping import stopped_by
from convscope.errors import ConvscopeError, in_one_line
from convscope.progress import bar

if TYPE_CHECKING:
    from convscope.collection import Indexing
    from convscope.runs import Result, Run, VideoRun


class Watched:
    """The results of a run, with a progress bar if it takes longer than a second on a terminal.

    Ctrl-C, SIGTERM, or an error after the first result, ends the results early instead of losing
    them.

    Attributes:
        last: the last result so far.
        interrupted: whether Ctrl-C or SIGTERM ended the run.
        error: the error that ended the run, if one did.
    """

    def __init__(self, run: Run | VideoRun) -> None:
        self.run = run
        self.last: Result | None = None
        self.interrupted = False
        self.error: ConvscopeError | None = None

    def __iter__(self) -> Iterator[Result]:
        try:
            from convscope.runs import with_bar

            with stopped_by(self._stop):
                for result in with_bar(self.run, self.run.technique, console=terminal.errors):
                    self.last = result
                    yield result
                    if self.interrupted:
                        return
        except ConvscopeError as error:
            if self.last is None:
                raise
            self.error = error

    def _stop(self) -> None:
        """The run ends after the result that is being made or drawn. A second Ctrl-C, or one before
        the first result, ends it at once."""
        if self.last is None or self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True


def each_file(files: Sequence[Path], title: str, *, quiet: bool = False) -> Iterator[Path]:
    """Each file, while a bar on the terminal names it.

    Args:
        files: the files in their order.
        title: what stands before the bar.
        quiet: show no bar.
    """
    with bar(title, shown=not quiet, console=terminal.errors) as shown:
        for number, file in enumerate(files):
            shown.update(number, len(files), in_one_line(file.name))
            yield file


def each_repair(indexing: Indexing, title: str) -> Iterator[str]:
    """Make an index with a bar on a terminal. Yields each of its parts that was damaged."""
    from convscope.collection import with_bar

    for number, progress in enumerate(with_bar(indexing, title, console=terminal.errors)):
        yield from progress.damaged if number == 0 else ()
