"""What reads the layers of a new index: torch, or a program where that is faster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from convscope.collection.extract import Extract
from convscope.collection.manifest import File, Shard
from convscope.collection.settings import Settings
from convscope.network import Network, ReaderName, fastest, programs
from convscope.system import in_threads


def choose_reader(
    net: Network, settings: Settings, folder: Path, files: Sequence[File]
) -> ReaderName:
    """The reader that takes less time for all files, as the first few of them show."""
    count = len(files) // 2  # an image gains half as much where freed memory is kept, as in a pass
    if not programs(net, count):
        return "torch"
    extract = Extract(net, settings)
    first = Shard(0, tuple(files[: settings.batch_size]))
    inputs = extract.decoder(folder).batch(first, 0, settings.batch_size).inputs
    if not len(inputs):
        return "torch"
    with in_threads(settings.threads):
        return fastest(net, inputs, extract.names, count)
