"""The plain engine: the network runs in this process, and worker processes decode images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from convscope.collection.decoding import batches
from convscope.collection.extract import Extract, Step
from convscope.collection.manifest import Shard
from convscope.collection.settings import Settings
from convscope.network import Network


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
