"""The Ray engine: actors on a cluster, each of which does what the plain engine does."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope.collection.decoding import batches
from convscope.collection.extract import Extract, Step
from convscope.collection.manifest import Shard
from convscope.collection.settings import Settings
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.system import keep_pages


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
        ray = _ray()
        begun = not ray.is_initialized()
        if begun:
            _join(ray, self.address)
        try:
            yield from self._steps(ray, net, settings, folder, shards)
        finally:
            if begun:
                ray.shutdown()

    def _steps(
        self, ray: Any, net: Network, settings: Settings, folder: Path, shards: Sequence[Shard]
    ) -> Iterator[Step]:
        actors = self.actors or _room(ray, settings.threads, self.gpus)
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # it logs every execution
        items = [{"shard": pickle.dumps(shard)} for shard in shards]
        answered = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            _Actor,
            fn_constructor_args=(ray.put(net), settings, folder, self.workers, self.gpus > 0),
            batch_size=1,
            num_cpus=settings.threads,
            num_gpus=self.gpus,
            compute=ray.data.ActorPoolStrategy(size=min(actors, len(items))),
        )
        # By default Ray Data restarts an actor that dies, and repeats what it was working on.
        for row in answered.iter_rows():
            yield pickle.loads(row["step"])


class _Actor:
    """An actor, which works on one shard after another."""

    def __init__(
        self, net: Any, settings: Settings, folder: Path, workers: int, on_gpu: bool
    ) -> None:
        keep_pages()
        net = _ray().get(net)
        self.extract = Extract(net.to("cuda" if on_gpu else "cpu"), settings)
        self.folder, self.workers = folder, workers

    def __call__(self, rows: dict[str, Any]) -> dict[str, list[bytes]]:
        steps = []
        for packed in rows["shard"]:
            shard: Shard = pickle.loads(packed)
            decoder, size = self.extract.decoder(self.folder), self.extract.settings.batch_size
            *_, last = self.extract(batches(decoder, [shard], size, self.workers))
            steps.append(pickle.dumps(last._replace(files=len(shard.files))))
        return {"step": steps}


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
