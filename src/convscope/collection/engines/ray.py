"""The Ray engine: actors on a cluster, each of which does what the plain engine does."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope.collection.decoding import batches
from convscope.collection.engines.work import Made, Task, Work
from convscope.collection.extract import Extract, Step
from convscope.collection.manifest import Shard
from convscope.collection.settings import Settings
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.system import in_threads, keep_pages


@dataclass(frozen=True)
class OnRay:
    """Works on a pool of actors that Ray Data runs.

    Each actor takes as many processors as it has threads, or a GPU. All machines must see the
    images at the same path. The index is written by this process.

    Args:
        address: address of a running cluster; None starts one on this machine.
        actors: number of actors; None is as many as the cluster has room for.
        gpus: number of GPUs for each actor.
        workers: number of processes that decode images for each actor.
    """

    address: str | None
    actors: int | None
    gpus: float
    workers: int

    def __call__(
        self, net: Network, settings: Settings, folder: Path, shards: Sequence[Shard]
    ) -> Iterator[Step]:
        work = _Shards(settings, folder, self.workers)
        yield from self.spread(net, work, shards, settings.threads)

    def spread(
        self, net: Network, work: Work[Task, Made], tasks: Sequence[Task], threads: int = 1
    ) -> Iterator[Made]:
        """Do tasks on the actors, in any order.

        Args:
            net: the network.
            work: see `Work`.
            tasks: what there is to do.
            threads: number of threads of torch in an actor.
        """
        if not tasks:
            return
        ray = _ray()
        begun = not ray.is_initialized()
        if begun:
            _join(ray, self.address)
        try:
            yield from self._on_actors(ray, net, work, tasks, threads)
        finally:
            if begun:
                ray.shutdown()

    def _on_actors(
        self, ray: Any, net: Network, work: Work[Task, Made], tasks: Sequence[Task], threads: int
    ) -> Iterator[Made]:
        actors = self.actors or _room(ray, threads, self.gpus)
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # it logs every execution
        items = [{"task": pickle.dumps(task)} for task in tasks]
        answered = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            _Actor,
            fn_constructor_args=(ray.put(net), work, threads, self.gpus > 0),
            batch_size=1,
            num_cpus=threads,
            num_gpus=self.gpus,
            compute=ray.data.ActorPoolStrategy(size=min(actors, len(items))),
        )
        # By default Ray Data restarts an actor that dies, and repeats what it was working on.
        for row in answered.iter_rows():
            yield pickle.loads(row["made"])


class _Actor:
    """An actor, which works on one task after another."""

    def __init__(self, net: Any, work: Work[Any, Any], threads: int, on_gpu: bool) -> None:
        keep_pages()
        self.threads = threads
        self.work = work(_ray().get(net).to("cuda" if on_gpu else "cpu"))

    def __call__(self, rows: dict[str, Any]) -> dict[str, list[bytes]]:
        with in_threads(self.threads):
            return {"made": [pickle.dumps(self.work(pickle.loads(one))) for one in rows["task"]]}


@dataclass(frozen=True)
class _Shards:
    """Work on shards of an index."""

    settings: Settings
    folder: Path
    workers: int

    def __call__(self, net: Network) -> Callable[[Shard], Step]:
        extract = Extract(net, self.settings)

        def answer(shard: Shard) -> Step:
            decoder, size = extract.decoder(self.folder), self.settings.batch_size
            *_, last = extract(batches(decoder, [shard], size, self.workers))
            return last._replace(files=len(shard.files))

        return answer


def _ray() -> Any:
    # By default Ray reports every start to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConvscopeError("ray is not installed: pip install 'convscope[ray]'") from error
    return ray


def _join(ray: Any, address: str | None) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise ConvscopeError(
            f"no Ray cluster at {address}; start one there, or leave the address out"
        ) from error


def _room(ray: Any, threads: int, gpus: float) -> int:
    """How many actors the cluster has room for.

    Raises:
        ConvscopeError: it has no room for any.
    """
    room = 0
    for node in ray.nodes():
        has = node["Resources"] if node["Alive"] else {}
        fits = int(has.get("CPU", 0) // threads)
        room += min(fits, int(has.get("GPU", 0) // gpus)) if gpus else fits
    if not room:
        needs = f"{threads} processors" + (f" and {gpus:g} GPUs" if gpus else "")
        raise ConvscopeError(f"no machine of the Ray cluster has {needs}; use fewer threads")
    return room
