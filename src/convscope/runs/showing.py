"""Results in notebooks: a run's picture while it is made, and pictures of bounded size."""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import TypeVar

from convscope.files import encoded, preview
from convscope.notebook import show_error
from convscope.progress import NotebookBar, bar
from convscope.runs.result import Result

if TYPE_CHECKING:
    from convscope.progress import Console

R = TypeVar("R", bound=Result[Any])

LIVE = 800  # pixels of the longer side of a picture that will soon be replaced

EVERY = 0.5  # seconds between two of these, or more where drawing takes long:

SHARE = 0.03  # of the time goes into drawing


def with_bar(
    results: Iterable[R], title: str, *, shown: bool = True, console: Console | None = None
) -> Iterator[R]:
    """Follow a run with a progress bar, where somebody can see it.

    Args:
        results: the results of all steps.
        title: what stands before the bar.
        shown: whether there is a bar at all.
        console: the terminal; that of stderr if not given.
    """
    with bar(title, shown=shown, console=console) as steps:
        for result in results:
            steps.update(result.step, result.steps)
            yield result


class Shown(NamedTuple):
    """The last result of a run that was shown, if it has one, and whether the run was stopped."""

    last: Result | None
    stopped: bool = False


def show_live(results: Iterable[Result], title: str) -> Shown:
    """Follow a run below a notebook's cell: a bar and the picture so far, then the last picture.

    The stop button ends the run with its last result. An error ends it too, and is shown.
    """
    below = NotebookBar(title)
    last: Result | None = None
    try:
        below.begin()
        for result in _drawn(results, below):
            last = result
        if last is None:
            below.close()
        else:
            below.place.put(*last._repr_mimebundle_())
    except KeyboardInterrupt:
        _put_last(below, last, "stopped")
        return Shown(last, stopped=True)
    except Exception:
        _put_last(below, last, "failed")
        show_error()
        return Shown(None)
    return Shown(last)


def _put_last(below: NotebookBar, last: Result | None, what: str) -> None:
    """Show the last result under a line that says how the run ended."""
    line = f"{what} before the first step"
    if last is not None:
        line = f"{what} at step {last.step} of {last.steps}"
    page = html.escape(line)
    if last is not None and last.panels:
        page += _image(encoded(last.picture).uri)
    below.place.put({"text/html": page, "text/plain": line})


def _drawn(results: Iterable[Result], below: NotebookBar) -> Iterator[Result]:
    """The results; some of them are drawn below the bar."""
    page, due = "", time.monotonic() + EVERY
    for result in results:
        begun = time.monotonic()
        if begun >= due and result.panels and result.step < result.steps:
            page = _image(preview(result.picture, LIVE).uri)
            now = time.monotonic()
            due = now + max(EVERY, (now - begun) / SHARE)
        below.update(result.step, result.steps, below=page)
        yield result


def _image(uri: str) -> str:
    return f'<br><img alt="" style="max-width: 100%" src="{uri}">'
