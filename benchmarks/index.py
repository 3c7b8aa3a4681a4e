"""What the pass over a collection costs: `python -m benchmarks.index [FOLDER]`.

The pass is compared with a bare loop over the same images: the same processes decode them, and the
prepared network gives its classes in the same batches, by torch. All take turns, each in its own
process. `--memory` instead runs over growing collections, the same images under more and more
names, and prints the peak memory.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

import convscope as cs
from convscope.collection import manifest
from convscope.collection.build import layers_to_index
from convscope.collection.decoding import Batch, batches
from convscope.collection.engines import plain
from convscope.collection.engines.engine import make_engine
from convscope.collection.extract import Extract
from convscope.collection.settings import Settings
from convscope.files.images import SAMPLES
from convscope.network import ReaderName, is_installed
from convscope.system import keep_pages

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command does
GROWING = (500, 5_000, 50_000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.index", description=__doc__)
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        help="folder of photographs; crops of the samples by default",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--limit", type=int, default=GROWING[-1], help="most images with --memory")
    parser.add_argument("--alone", choices=_WORKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with _photographs(options.folder) as folder:
        if options.alone:
            keep_pages()  # as the command does
            _WORKS[options.alone](folder)
        elif options.memory:
            _grow(folder, [count for count in GROWING if count <= options.limit])
        else:
            _compare(folder, options.rounds)


def _compare(folder: Path, rounds: int) -> None:
    count = len(manifest.listing(folder))
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in _WORKS}
    for _ in range(rounds):
        for name in _WORKS:
            wall, processor, _ = _alone(name, folder)
            times[name].append((wall, processor))
    print(f"{count} images, {torch.get_num_threads()} threads, medians of {rounds} rounds")
    print(f"{'':10}{'images/s':>12}{'ms/image':>12}{'CPU ms/image':>14}")
    for name, found in times.items():
        wall, processor = (statistics.median(column) for column in zip(*found, strict=True))
        each = count / wall, 1e3 * wall / count, 1e3 * processor / count
        print(f"{name:10}{each[0]:12.1f}{each[1]:12.1f}{each[2]:14.1f}")
    rows = [dict(zip(times, row, strict=True)) for row in zip(*times.values(), strict=True)]
    for name in _READERS:
        speed = statistics.median(row["loop"][0] / row[name][0] for row in rows)
        cost = statistics.median(row[name][1] / row["loop"][1] for row in rows)
        print(f"pass by {name} / loop: images a second {speed:.2f}, processor time {cost:.2f}")


def _alone(name: str, folder: Path) -> tuple[float, float, float]:
    """Seconds, processor seconds with those of child processes, and peak MiB."""
    command = [sys.executable, "-m", "benchmarks.index", str(folder), "--alone", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall, processor, peak = map(float, done.stdout.split()[-3:])
    return wall, processor, peak


def _timed(work: Callable[[], object]) -> None:
    begun, before = time.perf_counter(), _processor()
    work()
    took, spent = time.perf_counter() - begun, _processor() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(took, spent, peak)


def _processor() -> float:
    mine, others = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return mine.ru_utime + mine.ru_stime + others.ru_utime + others.ru_stime


def _pass(reader: ReaderName, folder: Path) -> None:
    net = cs.load(device="cpu")
    with tempfile.TemporaryDirectory() as place:
        _timed(lambda: cs.index(net, folder, Path(place) / "index", reader=reader).result())


def _loop(folder: Path) -> None:
    net = cs.load(device="cpu")
    decoded = _decoding(net, folder)
    _timed(lambda: [net.logits(batch.inputs) for batch in decoded])


def _decode(folder: Path) -> None:
    net = cs.load(device="cpu")
    decoded = _decoding(net, folder)
    _timed(lambda: [len(batch.images) for batch in decoded])


def _forward(folder: Path) -> None:
    """As many forward passes over the same batch, while no image is read."""
    net = cs.load(device="cpu")
    batch = next(_decoding(net, folder)).inputs
    times = -(-len(manifest.listing(folder)) // len(batch))

    def work() -> list[Tensor]:
        return [net.logits(batch) for _ in range(times)]

    _timed(work)


_READERS: list[ReaderName] = [
    "torch",
    *(name for name in ("fused", "openvino") if is_installed(name)),
]
_WORKS: dict[str, Callable[[Path], None]] = {
    **{name: partial(_pass, name) for name in _READERS},
    "loop": _loop,
    "decode": _decode,
    "forward": _forward,
}


def _decoding(net: cs.Network, folder: Path) -> Iterator[Batch]:
    settings = Settings(layers_to_index(net), "global_pool", torch.get_num_threads())
    files = manifest.listing(folder)
    shards = manifest.Manifest(()).updated(files, settings.shard).shards
    engine = make_engine("plain", None, None, None, "cpu")
    assert isinstance(engine, plain.Plain)
    decoder = Extract(net, settings).decoder(folder.resolve())
    return batches(decoder, shards, settings.batch_size, engine.workers)


def _grow(folder: Path, counts: list[int]) -> None:
    """Print the peak memory for more and more images."""
    files = [folder.resolve() / file.path for file in manifest.listing(folder)]
    print(f"{'images':>8}{'peak MiB':>12}{'images/s':>12}")
    for count in counts:
        with tempfile.TemporaryDirectory(dir=folder.resolve().parent) as place:
            for i, file in zip(range(count), itertools.cycle(files), strict=False):
                os.link(file, Path(place) / f"{i:06}{file.suffix}")
            wall, _, peak = _alone("torch", Path(place))
        print(f"{count:8}{peak:12.0f}{count / wall:12.1f}", flush=True)


@contextmanager
def _photographs(folder: Path | None) -> Iterator[Path]:
    """The folder, or 256 crops of the photographs that come with scikit-image."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as place:
        chance = torch.Generator().manual_seed(0)
        photos = [cs.open_image(f"sample:{name}")[0] for name in SAMPLES]
        for i in range(256):
            photo = photos[i % len(photos)]
            height, width = (int(0.7 * side) for side in photo.shape[1:])
            top, left = (
                int(torch.randint(side - part, (), generator=chance))
                for side, part in zip(photo.shape[1:], (height, width), strict=True)
            )
            part = photo[:, top : top + height, left : left + width]
            pixels = (part.permute(1, 2, 0) * 255).byte().numpy()
            Image.fromarray(pixels).save(Path(place) / f"{i:03}.jpg", quality=90)
        yield Path(place)


if __name__ == "__main__":
    main()
