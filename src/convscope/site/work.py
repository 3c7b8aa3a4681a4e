"""Work with a microscope that other processes do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from convscope.collection import TaskEngine
from convscope.microscope import Microscope
from convscope.network import Network

T = TypeVar("T")
M = TypeVar("M")


def spread(
    scope: Microscope, engine: TaskEngine, do: Callable[[Microscope, T], M], tasks: Sequence[T]
) -> Iterator[M]:
    """What `do` makes of each task, in any order, with a microscope like this one."""
    work = _Work(type(scope), scope.index.path.absolute(), do)
    yield from engine.spread(scope.net, work, tasks)


@dataclass(frozen=True)
class _Work(Generic[T, M]):
    """Work with a microscope of this kind, for the index at a path."""

    kind: type[Microscope]
    index: Path
    do: Callable[[Microscope, T], M]

    def __call__(self, net: Network) -> Callable[[T], M]:
        return partial(self.do, self.kind(net, self.index))
