"""The explorer's server: memory over many runs, and what a stream costs.

python -m benchmarks.explorer memory [RUNS]
python -m benchmarks.explorer clients [CLIENTS]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.helpers.explorer import Visitor, served


def resident() -> int:
    """Kilobytes of memory that this process, and so the server in it, has in use."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise RuntimeError("no VmRSS")


def memory(visitor: Visitor, runs: int) -> None:
    """Make many quick runs, each followed by a client, and print how the server grows."""
    for count in range(1, runs + 1):
        run = visitor.begin(frames=5, size=20_000)
        list(visitor.events(f"runs/{run}/events"))
        if count in (50, 100) or count % 100 == 0:
            print(f"{count} runs: {resident() / 1024:.1f} MB, {files()} open files", flush=True)


def files() -> int:
    return len(os.listdir("/proc/self/fd"))


def clients(visitor: Visitor, count: int) -> None:
    """Follow one run by many clients, and print how long frames take to all of them."""
    cpu, begun = time.process_time(), time.perf_counter()
    run = visitor.begin(frames=200)
    with ThreadPoolExecutor(count) as pool:
        found = pool.map(lambda _: list(visitor.events(f"runs/{run}/events")), range(count))
        frames = [sum(name == "frame" for name, *_ in events) for events in found]
    wall, spent = time.perf_counter() - begun, time.process_time() - cpu
    print(f"{count} clients got {min(frames)} to {max(frames)} of 200 frames in {wall:.1f} s,")
    print(f"{spent / sum(frames) * 1e6:.0f} microseconds of processor time a frame and client")


if __name__ == "__main__":
    what, *numbers = sys.argv[1:] or ["memory"]
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "runs") as visitor:
        if what == "memory":
            memory(visitor, int(numbers[0]) if numbers else 1000)
        else:
            clients(visitor, int(numbers[0]) if numbers else 50)
