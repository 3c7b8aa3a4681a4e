"""TODO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

from convscope.collection.extract import Settings, Step
from convscope.collection.manifest import Shard
from convscope.network import Network

EngineName = Literal["plain", "ray"]


class Engine(Protocol):
    """Works on shards in any order, and gives a step whenever there is something to tell."""

    def __call__(
        self, net: Network, settings: Settings, folder: Path, shards: Sequence[Shard]
    ) -> Iterator[Step]: ...
