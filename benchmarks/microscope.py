"""How long the facts of a unit take, from an index of 50,000 photographs that were never taken.

    python -m benchmarks.microscope --count 50000

The index is that of the default network, with random numbers in the place of its answers. Seconds
on the wall say something only on a machine that does nothing else; the processor's always do.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

import convscope as cs
from convscope.collection import channel_table, image_table, peaks
from convscope.collection.channels import BINS, Channels, Top
from convscope.collection.decoding import PIXELS, Decoded
from convscope.collection.extract import CLASSES, Answers, Step
from convscope.collection.manifest import Shard
from convscope.collection.settings import Settings
from convscope.types import Array

UNITS = 30  # that are asked for

BOUND = 0.3  # seconds a unit


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.microscope", description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="photographs")
    options = parser.parse_args()
    net = cs.load(device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        index = make(net, Path(folder), options.count)
        report(net, index.path)


def report(net: cs.Network, path: Path) -> None:
    """Print what facts of units and layers take."""
    scope = cs.Microscope(net, path)
    names = [(layer.name, layer.channels) for layer in scope.layers]
    chance = np.random.default_rng(1)
    units = [
        (name, int(chance.integers(count)))
        for name, count in (names[i] for i in chance.integers(len(names), size=UNITS))
    ]
    show("first unit, which reads and checks the files", [timed(lambda: scope.unit(*units[0]))])
    each = [timed(lambda unit=unit: scope.unit(*unit)) for unit in units]  # type: ignore[misc]
    show(f"a unit, {UNITS} times", each)
    show("a layer", [timed(lambda name=name: scope.layer(name)) for name, _ in names])  # type: ignore[misc]
    middle = statistics.median(wall for wall, _ in each)
    print(f"{'within' if middle < BOUND else 'ABOVE'} the bound of {BOUND} s")


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the wall, and of the processor."""
    wall, own = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - own


def show(name: str, seconds: Sequence[tuple[float, float]]) -> None:
    walls, own = (sorted(each) for each in zip(*seconds, strict=True))
    print(
        f"{name:48} {statistics.median(walls):7.3f} s (most {walls[-1]:.3f}),"
        f" processor {statistics.median(own):.3f} s"
    )


def make(net: cs.Network, folder: Path, count: int) -> cs.Index:
    """An index of so many files that are no photographs."""
    files = folder / "photographs"
    files.mkdir()
    for number in range(count):
        (files / f"{number:06}.jpg").write_bytes(b"x")
    making = cs.index(net, files, folder / "index")
    making.engine = random_answers
    return making.result(progress=True)


def random_answers(
    net: cs.Network, settings: Settings, folder: Path, shards: Sequence[Shard]
) -> Iterator[Step]:
    """An engine that makes numbers up."""
    del folder
    for shard in shards:
        chance = np.random.default_rng(shard.number)
        yield Step(shard.number, len(shard.files), _answers(net, settings, shard, chance))


def _answers(
    net: cs.Network, settings: Settings, shard: Shard, chance: np.random.Generator
) -> Answers:
    count = len(shard.files)
    images = [
        Decoded(file, f"{shard.number:032x}{i:032x}", 300, 400, b"", bytes(3 * PIXELS**2))
        for i, file in enumerate(shard.files)
    ]
    width = net.channel_shape(settings.embedding)[0]
    embeddings = chance.random((count, width), np.float32).astype(np.float16)
    classes = chance.integers(0, net.num_classes or 1, (count, CLASSES)).astype(np.int32)
    layers, highest = {}, {}
    for name in settings.layers:
        channels, *size = net.channel_shape(name)
        places = int(np.prod(size, dtype=int))
        found = chance.standard_normal((count, channels), np.float32) + 2
        positions = chance.integers(0, places, (count, channels)).astype(np.int32)
        highest[name] = found, positions
        layers[name] = _channels(found, positions, places, settings.top)
    table = image_table.to_table(images, [embeddings], [classes], [classes.astype(np.float32)])
    return Answers(table, channel_table.to_table(layers), peaks.to_table(highest))


def _channels(found: Array, positions: Array, places: int, top: int) -> Channels:
    count, channels = found.shape
    contents = np.arange(count, dtype=np.uint64)
    rows = np.arange(count)
    ones = np.ones(channels, np.int64)
    return Channels(
        images=count,
        places=places,
        counted=places,
        total=found.sum(0, dtype=np.float64),
        positive=ones * count,
        low=found.min(0),
        high=found.max(0),
        histogram=np.broadcast_to(ones[:, None], (channels, BINS)),
        top=Top.of(found, positions, rows, contents, top),
        bottom=Top.of(-found, positions, rows, contents, top),
    )


if __name__ == "__main__":
    main()
