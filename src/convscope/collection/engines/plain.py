"""The plain engine: the network runs in this process, and worker processes decode images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from convscope.collection.decoding import batches
from convscope.collection.engines.work import Made, Task, Work
from convscope.collection.extract import Extract, Step
from convscope.collection.manifest import Shard
from convscope.collection.processes import in_processes
from convscope.collection.settings import Settings
from convscope.network import Network
from convscope.system import in_threads


@dataclass(frozen=True)
class Plain:
    """Works in this process, with `workers` other processes that decode images."""

    workers: int

    def __call__(
        self, net: Network, settings: Settings, folder: Path, shards: Sequence[Shard]
    ) -> Iterator[Step]:
        extract = Extract(net, settings)
        decoder = extract.decoder(folder)
        yield from extract(batches(decoder, shards, settings.batch_size, self.workers))

    def spread(
        self, net: Network, work: Work[Task, Made], tasks: Sequence[Task], threads: int = 1
    ) -> Iterator[Made]:
        """Do tasks in their order, in the worker processes, or in this one where a GPU does them.

        Args:
            net: the network.
            work: see `Work`.
            tasks: what there is to do.
            threads: number of threads of torch in this process, if it does the tasks; a worker has
                one.
        """
        workers = 0 if net.device.type == "cuda" else min(self.workers, len(tasks))
        with in_threads(threads):
            yield from in_processes(work(net), tasks, workers)
