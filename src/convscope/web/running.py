"""A run in the worker process: its results become frames, and it can be paused and canceled."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from convscope.ascent import resume_files
from convscope.errors import ConvscopeError, described
from convscope.runs import Result
from convscope.system import out_of_memory
from convscope.tensors import all_finite
from convscope.web import kept
from convscope.web.checks import answers
from convscope.web.messages import Begin, Ended, Step
from convscope.web.models import FrameInfo
from convscope.web.panels import Encoder
from convscope.web.requests import Place, as_run

SHARE = 0.05  # of a run's time goes into its pictures

Send = Callable[[Step | Ended], None]


class Controls:
    """Which runs are to pause or to end. Another thread hears of it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._paused: set[str] = set()
        self._canceled: set[str] = set()
        self._closed = False

    def begin(self, run: str) -> None:
        """Forget what was ordered of a run that is made again."""
        with self._changed:
            self._paused.discard(run)
            self._canceled.discard(run)

    def order(self, run: str, order: str) -> None:
        """Take an order of the server."""
        with self._changed:
            if order == "pause":
                self._paused.add(run)
            else:
                self._paused.discard(run)
            if order == "cancel":
                self._canceled.add(run)
            self._changed.notify_all()

    def close(self) -> None:
        """End every run: nobody is there to see it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def ended(self, run: str) -> bool:
        """Whether a run is to end; waits as long as it is to pause."""
        with self._changed:
            self._changed.wait_for(lambda: run not in self._paused or self._over(run))
            return self._over(run)

    def _over(self, run: str) -> bool:
        return self._closed or run in self._canceled


def make(begin: Begin, place: Place, controls: Controls, send: Send) -> None:
    """Make a run and send its frames, and at last how it ended."""
    frames = _Frames(begin.run, send)
    try:
        run = as_run(begin.request, place, begin.files)
        begin.folder.mkdir(parents=True, exist_ok=True)
        folder = begin.folder / "resume"
        with resume_files.resumable(folder, run.identity, resume=begin.resume) as state:
            results = iter(run)
            canceled = False
            for result in results:
                frames.take(result)
                if canceled := controls.ended(begin.run):
                    break
            del results  # a climb that is given up writes its state now
            if not canceled:
                state.clear()
        frames.finish()
        if frames.last is not None:
            kept.keep(frames.last, begin.folder)
    except Exception as error:
        frames.finish()
        send(Ended(begin.run, "failed", _problem(error)))
        return
    send(Ended(begin.run, "canceled" if canceled else "done"))


def _problem(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, ConvscopeError):
        return str(error)
    if out_of_memory(error):
        return "there is not enough memory for this run; take a smaller size or fewer images"
    return str(ConvscopeError(f"the technique failed: {described(error)}"))


class _Frames:
    """Sends results as frames. Where steps are quick, some have no frame; the last one has."""

    def __init__(self, run: str, send: Send) -> None:
        self.last: Result | None = None
        self._run, self._send, self._encoder = run, send, Encoder()
        self._began, self._spent = time.monotonic(), 0.0
        self._number, self._waits = 0, False

    def take(self, result: Result) -> None:
        """Send a result, if pictures have not taken too much time."""
        self.last, self._waits = result, True
        elapsed = time.monotonic() - self._began
        if result.step >= result.steps or self._spent <= SHARE * elapsed:
            self._emit(result, exact=result.step >= result.steps)

    def finish(self) -> None:
        """Send the last result, if it was not sent."""
        if self.last is not None and self._waits:
            self._emit(self.last, exact=True)

    def _emit(self, result: Result, *, exact: bool) -> None:
        self._waits = False
        begun = time.monotonic()
        panels = self._encoder.encode(result.panels, exact=exact)
        frame = FrameInfo(
            number=self._number,
            step=result.step,
            steps=result.steps,
            score=_scores(result),
            summary=plain(result.summary),
            panels=panels,
            check=answers(result.summary),
        )
        self._send(Step(self._run, frame, tuple(self._encoder.blobs)))
        self._number += 1
        self._spent += time.monotonic() - begun


def _scores(result: Result) -> list[float]:
    """The scores of a result; none where some are not known yet, which its summary then says."""
    score = result.frame.score
    return [] if score is None or not all_finite(score) else score.flatten().tolist()


def plain(value: Any) -> Any:
    """A value of a summary as JSON knows it; numbers that are not finite are None."""
    match value:
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case list() | tuple():
            return [*map(plain, value)]
        case bool() | int() | str() | None:
            return value
        case float():
            return value if math.isfinite(value) else None
    return str(value)
