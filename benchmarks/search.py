"""Nearest embeddings among a million: `python -m benchmarks.search [--count N] [--dimensions D]`.

The embeddings resemble those of a network: rectified mixtures of few latent numbers, in thousands
of clusters, with noise. Queries are embeddings with more noise, other than those that the indexes
were adjusted to. Each search has its own process, so that its peak memory can be measured.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from convscope.collection.search.approximate import Approximate, recall
from convscope.collection.search.exact import exact
from convscope.collection.search.faiss import Faiss
from convscope.collection.search.lance import Lance
from convscope.collection.search.neighbors import Metric, Neighbors
from convscope.types import Array

LATENT, CLUSTERS = 48, 5000
NEIGHBORS = 10
QUERIES = 200
ROUNDS = 9


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=1280)
    parser.add_argument("--folder", type=Path, help="folder to keep the embeddings and indexes in")
    parser.add_argument("--metric", choices=("cosine", "l2"), default="cosine")
    parser.add_argument("--alone", choices=ALONE, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        ALONE[options.alone](options.folder, options.metric)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{options.count} x {options.dimensions} float16, {options.metric},", end=" ")
        print(f"{torch.get_num_threads()} threads", flush=True)
        _make(folder / "embeddings.npy", options.count, options.dimensions)
        for name in ALONE:
            command = [sys.executable, "-m", "benchmarks.search", "--alone", name]
            command += ["--folder", str(folder), "--metric", options.metric]
            subprocess.run(command, check=True, env=os.environ)


def _make(file: Path, count: int, dimensions: int) -> None:
    if file.exists() and np.load(file, mmap_mode="r").shape == (count, dimensions):
        return
    chance = torch.Generator().manual_seed(0)
    mixture = torch.randn(LATENT, dimensions, generator=chance) / LATENT**0.5
    centers = torch.randn(CLUSTERS, LATENT, generator=chance)
    bias = torch.randn(dimensions, generator=chance) / 2 - 0.5
    embeddings = np.lib.format.open_memmap(file, "w+", np.float16, (count, dimensions))
    for begin in range(0, count, 20_000):
        size = min(20_000, count - begin)
        cluster = torch.randint(CLUSTERS, (size,), generator=chance)
        latent = centers[cluster] + torch.randn(size, LATENT, generator=chance) / 2
        noise = torch.randn(size, dimensions, generator=chance) / 10
        embeddings[begin : begin + size] = (latent @ mixture + bias + noise).relu().half().numpy()
    embeddings.flush()


def _open(folder: Path) -> tuple[Array, Array]:
    """The embeddings, and queries that are not among them."""
    embeddings = np.load(folder / "embeddings.npy", mmap_mode="r")
    chance = np.random.default_rng(1)
    near = embeddings[
        np.sort(chance.choice(len(embeddings), min(QUERIES, len(embeddings)), replace=False))
    ]
    noise = chance.standard_normal(near.shape, np.float32)
    return embeddings, np.maximum(near + 0.3 * near.std(dtype=np.float32) * noise, 0)


def _floor(folder: Path, metric: Metric) -> None:
    """Time reading the file once from the system's cache."""
    buffer = bytearray(2**22)

    def read() -> None:
        with (folder / "embeddings.npy").open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    read()
    print(f"floor   {_median(read, ROUNDS) * 1000:8.1f} ms to read the file once", flush=True)


def _exact(folder: Path, metric: Metric) -> None:
    embeddings, queries = _open(folder)
    exact(embeddings, queries[:1], NEIGHBORS, metric)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the mark starts anew here
    one = _median(lambda: exact(embeddings, queries[:1], NEIGHBORS, metric), ROUNDS)
    peak = _peak()
    begun = time.perf_counter()
    truth = exact(embeddings, queries, NEIGHBORS, metric)
    many = (time.perf_counter() - begun) / len(queries)
    np.savez(folder / "truth.npz", rows=truth.rows, distances=truth.distances, seconds=one)
    print(f"exact   {one * 1000:8.1f} ms for one query, peak {peak:.0f} MiB;", end=" ")
    print(f"{many * 1000:.1f} ms each of {len(queries)}, peak {_peak():.0f} MiB", flush=True)


def _faiss(folder: Path, metric: Metric) -> None:
    embeddings, queries = _open(folder)
    _report(Faiss.open_or_build(embeddings, folder, metric=metric, key="0"), folder, queries)


def _lance(folder: Path, metric: Metric) -> None:
    embeddings, queries = _open(folder)
    _report(Lance.open_or_build(embeddings, folder, metric=metric, key="0"), folder, queries)


def _report(index: Approximate, folder: Path, queries: Array) -> None:
    building = _peak()
    with np.load(folder / "truth.npz") as kept:
        truth, seconds = Neighbors(kept["rows"], kept["distances"]), float(kept["seconds"])
    found = recall(index.search(queries, NEIGHBORS), truth)
    times = [_median(lambda q=query: index.search(q[None], NEIGHBORS), 1) for query in queries]  # type: ignore[misc]
    one = statistics.median(times)
    size = sum(path.stat().st_size for path in index.home.rglob("*") if path.is_file())
    print(
        f"{index.name:8}{one * 1000:8.1f} ms for one query, {seconds / one:.0f} x exact;", end=" "
    )
    print(f"recall@{NEIGHBORS} {found:.3f} (promised {index.recall:.3f}); {index.effort};", end=" ")
    print(
        f"built in {index.seconds:.0f} s, peak {building:.0f} MiB; {size / 2**20:.0f} MiB on disk"
    )


def _median(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def _peak() -> float:
    """The high-water mark of resident memory, in MiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    assert found
    return int(found[1]) / 1024


ALONE = {"floor": _floor, "exact": _exact, "faiss": _faiss, "lance": _lance}


if __name__ == "__main__":
    main()
