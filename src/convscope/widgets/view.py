"""A live view of a run, with a stop button and a slider over its frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Generic

import traitlets
from anywidget import AnyWidget
from typing_extensions import TypeVar

from convscope.errors import ConvscopeError, described
from convscope.files import preview
from convscope.notebook import show
from convscope.runs import Result, Run
from convscope.widgets.scripts import script

R = TypeVar("R", bound=Result[Any], default=Result[Any])

LARGEST = 800  # pixels of the longer side of a frame

EVERY = 0.1  # seconds between two frames, or more where drawing takes long:

SHARE = 0.1  # of the time goes into drawing

KEPT = 200  # frames that a page which opens later gets


class Watch(AnyWidget, Generic[R]):
    """A live view of a run; `watch` makes it.

    Attributes:
        run: what is shown.
        state: "waiting", "running", "stopped", "done" or "failed".
        step: the number of the last step.
        steps: how many steps the run has.
        problem: what went wrong, in one line; "" if nothing did.
    """

    _esm = script("view.js")
    _css = Path(__file__).with_name("view.css")
    title = traitlets.Unicode().tag(sync=True)
    state = traitlets.Unicode("waiting").tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    steps = traitlets.Int(0).tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)

    def __init__(self, run: Run[R]) -> None:
        super().__init__(title=run.technique)
        self.run = run
        self._last: R | None = None
        self._error: Exception | None = None
        self._frames: list[tuple[int, bytes]] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.on_msg(self._heard)

    def __repr__(self) -> str:
        return f"<Watch {self.title}: {self.state}, step {self.step} of {self.steps}>"

    def stop(self) -> None:
        """End the run after the step that is being made; its last result stays."""
        self._stopping.set()

    def result(self) -> R:
        """The result of the last step; waits until the run ends or is stopped.

        Raises:
            ConvscopeError: the run failed, or gave no frame.
        """
        if self._thread is None and self.state == "waiting":
            for _ in self:
                pass
        self._wait()
        if self._error is not None:
            raise self._error
        if self._last is None:
            raise ConvscopeError(f"{self.title} gave no frame")
        return self._last

    def _wait(self) -> None:
        """Wait for the run in the background; the stop button of the notebook stops it."""
        thread = self._thread
        if thread is None:
            return
        try:
            thread.join()
        except KeyboardInterrupt:
            self.stop()
            thread.join()

    def __iter__(self) -> Iterator[R]:
        """The results of a new run, each shown; ends early when the run is stopped."""
        if self._thread is not None and self._thread.is_alive():
            raise ConvscopeError("the run goes on already; ask for its result()")
        self._thread, self.state = None, "running"  # or showing it would begin it
        show(self)
        return self._results()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the view; the run begins in the background, unless it has begun."""
        if self.state == "waiting" and self._thread is None:
            self._thread = threading.Thread(target=self._follow, daemon=True)
            self._thread.start()
        return super()._repr_mimebundle_(**options)

    def _follow(self) -> None:
        try:
            for _ in self._results():
                pass
        except Exception as error:  # for whoever asks for the result
            self._error = error

    def _results(self) -> Iterator[R]:
        self._begin()
        due = 0.0
        try:
            with closing(iter(self.run)) as results:  # type: ignore[type-var]
                for result in results:
                    begun = time.monotonic()
                    self._last = result
                    if begun >= due or result.step >= result.steps:
                        self._show(result)
                        now = time.monotonic()
                        due = now + max(EVERY, (now - begun) / SHARE)
                    yield result
                    if self._stopping.is_set():
                        break
        except KeyboardInterrupt:
            self._end("stopped")
            return
        except Exception as error:
            self.problem = str(error) if isinstance(error, ConvscopeError) else described(error)
            self._end("failed")
            raise
        self._end("stopped" if self._stopping.is_set() else "done")

    def _begin(self) -> None:
        self._frames, self._last, self._error = [], None, None
        self._stopping.clear()
        self.state, self.problem = "running", ""
        self.send({"kind": "begin"})

    def _end(self, state: str) -> None:
        """Show the last result, if it is not the last frame already."""
        if self._last is not None and (not self._frames or self._frames[-1][0] != self._last.step):
            self._show(self._last)
        self.state = state

    def _show(self, result: R) -> None:
        if not result.panels:
            return
        data = preview(result.picture, LARGEST).data
        self._frames.append((result.step, data))
        if len(self._frames) > KEPT:
            del self._frames[1::2]
        with self.hold_sync():
            self.step, self.steps = result.step, result.steps
        self.send({"kind": "frame", "step": result.step}, buffers=[data])

    def _heard(self, _widget: object, content: Any, _buffers: object) -> None:
        """What the page says: the stop button, or that it has just been opened."""
        if content.get("kind") == "stop":
            self.stop()
        elif content.get("kind") == "opened":
            for step, data in list(self._frames):
                self.send({"kind": "frame", "step": step}, buffers=[data])
