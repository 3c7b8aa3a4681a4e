"""Work that tells its steps on the way to its result."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class Steps(Generic[S, T]):
    """The steps of a generator; when all are told, its `result` is there."""

    result: T

    def __init__(self, work: Generator[S, None, T]) -> None:
        self._work = work

    def __iter__(self) -> Iterator[S]:
        self.result = yield from self._work

    def finish(self) -> T:
        """The result, without a look at the steps."""
        for _ in self:
            pass
        return self.result
