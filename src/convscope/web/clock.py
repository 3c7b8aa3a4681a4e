"""How long a run has taken, and how long it is going to take."""

from __future__ import annotations

from time import monotonic


class Clock:
    """A stopwatch that stands still while a run is paused.

    Args:
        spent: seconds before, of a run that goes on.
    """

    def __init__(self, spent: float) -> None:
        self._spent = spent
        self._since: float | None = None
        self._first: tuple[int, float] | None = None

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return self._spent + (0 if self._since is None else monotonic() - self._since)

    def start(self) -> None:
        """Run from now on."""
        if self._since is None:
            self._since = monotonic()

    def stop(self) -> None:
        """Stand still from now on."""
        self._spent, self._since = self.seconds, None

    def left(self, step: int, steps: int) -> float | None:
        """Seconds that the other steps take, if they take as long as those that it has seen."""
        if self._first is None:
            self._first = step, self.seconds
        first, then = self._first
        if step <= first:
            return None
        return (self.seconds - then) / (step - first) * (steps - step)
