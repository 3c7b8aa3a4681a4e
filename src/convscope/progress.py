"""How far long work is: a bar on a terminal, or below the cell of a notebook."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from convscope.notebook import Place, in_notebook

if TYPE_CHECKING:
    from rich.console import Console as Console
    from rich.progress import Progress

LATE = 1.0  # seconds of work before a terminal has a bar

PACE = 0.25  # seconds between two states of a bar in a notebook


class Bar:
    """A bar that work keeps up to date. This one is nowhere to be seen."""

    def update(self, done: int, total: int | None, now: str = "") -> None:
        """Show how much is done, and in words what is done now."""


@contextmanager
def bar(title: str, *, shown: bool = True, console: Console | None = None) -> Iterator[Bar]:
    """A bar where somebody can see it: on a terminal, once the work takes long, or in a notebook.

    Args:
        title: what stands before the bar.
        shown: whether there is a bar at all.
        console: the terminal; that of stderr if not given.
    """
    if shown and in_notebook():
        below = NotebookBar(title)
        try:
            below.begin()
            yield below
        finally:
            below.close()
    elif shown and (console.is_terminal if console else sys.stderr.isatty()):
        with _on_terminal(console) as lines:
            yield _TerminalBar(lines, title)
    else:
        yield Bar()


# ---------------------------------------------------------------------------- terminals


class _TerminalBar(Bar):
    def __init__(self, lines: Progress, title: str) -> None:
        self._lines = lines
        self._task = lines.add_task(title, total=None, now="")

    def update(self, done: int, total: int | None, now: str = "") -> None:
        self._lines.update(self._task, completed=done, total=total, now=now)


def _on_terminal(console: Console | None) -> Progress:
    from rich.console import Console, RenderableType
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    class Lines(Progress):
        """Nothing at first: a bar that flashes up tells nobody anything."""

        begun = time.monotonic()

        def get_renderables(self) -> Iterator[RenderableType]:
            if time.monotonic() - self.begun > LATE:
                yield from super().get_renderables()

    what = TextColumn("{task.description}", markup=False)
    now = TextColumn("{task.fields[now]}", markup=False)
    left = TimeRemainingColumn()
    left.max_refresh = 0.0  # or what it says before the total is known stays there for a while
    columns = what, BarColumn(), MofNCompleteColumn(), left, now
    console = console or Console(stderr=True, highlight=False)
    return Lines(*columns, console=console, transient=True, redirect_stdout=False)


# ---------------------------------------------------------------------------- notebooks


class NotebookBar(Bar):
    """A bar below the cell of a notebook, and what stands below the bar.

    The browser moves it while nothing is known of how much is done. Nothing is shown before
    `begin`, so that a stop button that is pressed as soon as the bar stands there finds whoever
    follows the work inside its `try`.
    """

    def __init__(self, title: str) -> None:
        self.place = Place()
        self._title = title
        self._begun, self._shown = time.monotonic(), -PACE
        self._words = ""

    def begin(self) -> None:
        """Show that the work has begun."""
        self._put(0, None)

    @property
    def seconds(self) -> float:
        """Since the bar was made."""
        return time.monotonic() - self._begun

    def update(self, done: int, total: int | None, now: str = "", below: str = "") -> None:
        """Show how much is done, and HTML below it."""
        self._words = f"{done} of {total}" if total else f"{done}"
        if self.seconds - self._shown >= PACE:
            self._put(done, total, now, below)

    def close(self) -> None:
        """Leave one line in the place of the bar."""
        words = f"{self._words}, " if self._words else ""
        line = f"{self._title}: {words}{clock(self.seconds)}"
        self.place.put({"text/html": html.escape(line), "text/plain": line})

    def _put(self, done: int, total: int | None, now: str = "", below: str = "") -> None:
        self._shown = self.seconds
        known = f'value="{done}" max="{total}"' if total and done else ""
        left = ""
        if total and 0 < done < total:
            left = f"about {clock(self.seconds * (total - done) / done)} left"
        words = [self._words, clock(self.seconds), left, now]
        line = f"{self._title}: {', '.join(filter(None, words))}"
        page = f"<progress {known}></progress> {html.escape(line)}{below}"
        self.place.put({"text/html": page, "text/plain": line})


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, or as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
