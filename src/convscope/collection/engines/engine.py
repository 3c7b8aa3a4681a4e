"""What an engine is, and the engine of a name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

from convscope.collection.engines.plain import Plain
from convscope.collection.engines.ray import OnRay
from convscope.collection.engines.work import Made, Task, Work
from convscope.collection.extract import Step
from convscope.collection.manifest import Shard
from convscope.collection.settings import Settings
from convscope.errors import ConvscopeError
from convscope.network import Network

EngineName = Literal["plain", "ray"]

MOST_WORKERS = 8  # that the plain engine starts by itself


class Engine(Protocol):
    """Works on shards in any order, and gives a step whenever there is progress."""

    def __call__(
        self, net: Network, settings: Settings, folder: Path, shards: Sequence[Shard]
    ) -> Iterator[Step]: ...


class TaskEngine(Engine, Protocol):
    """An engine that does other work, too: see `spread` of its kinds."""

    def spread(
        self, net: Network, work: Work[Task, Made], tasks: Sequence[Task], threads: int = 1
    ) -> Iterator[Made]: ...


def make_engine(
    name: str,
    workers: int | None,
    actors: int | None,
    address: str | None,
    device: str,
    per_worker: int = 2,
) -> TaskEngine:
    """The engine of that name, for a network on a device of that type.

    Without a number of `workers`, the plain engine has one for each `per_worker` processors.

    Raises:
        ConvscopeError: options of Ray for another engine.
    """
    if name == "ray":
        return OnRay(address, actors, 1 if device == "cuda" else 0, workers or 0)
    if actors is not None or address is not None:
        raise ConvscopeError("actors and address are options of the engine 'ray'")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Plain(min(MOST_WORKERS, (cores or 1) // per_worker) if workers is None else workers)
