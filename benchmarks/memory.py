"""Peak memory, ours and the peer's: `python -m benchmarks.memory [words]`.

Every measurement has a process of its own, and is the rise of the resident set's high-water mark
over what lay in memory before the call.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch.nn.functional as F

import convscope as cs
from benchmarks.attribution import rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("words", nargs="*", help="only rows with one of these in their name")
    parser.add_argument("--alone", choices=("ours", "peer"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(_rise(_works()[options.words[0]][options.alone]))
        return
    print(f"{'row':62}{'ours MiB':>12}{'peer MiB':>12}{'ours/peer':>12}")
    for name, works in _works().items():
        if not options.words or any(word in name for word in options.words):
            rises = [_alone(name, which) for which in works]
            cells = "".join(f"{rise:12.0f}" for rise in rises)
            ratio = f"{rises[0] / rises[1]:12.2f}" if len(rises) == 2 else ""
            print(f"{name:62}{cells}{ratio}", flush=True)


def _works() -> dict[str, dict[str, Callable[[], object]]]:
    """What is measured, by its name: ours, and the peer's where there is one."""
    found = {row.name: {"ours": row.ours, "peer": row.peer} for row in rows()}
    return found | {"deepdream, 12 megapixels; efficientnet_lite0, 1": {"ours": _dream()}}


def _dream() -> Callable[[], object]:
    net, photo = cs.load(device="cpu"), cs.open_image("sample:chelsea")
    large = F.interpolate(photo, (3000, 4000), mode="bicubic").clamp(0, 1)
    return lambda: cs.deepdream(net, large, steps=1).result()


def _alone(name: str, which: str) -> float:
    command = [sys.executable, "-m", "benchmarks.memory", name, "--alone", which]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    return float(done.stdout.split()[-1])


def _rise(work: Callable[[], object]) -> float:
    """By how many MiB the process grows at most while it works."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # or the work would hide in what loading has left behind
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the mark starts anew here
    before = _status("VmRSS")
    work()
    return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    assert found
    return int(found[1])


if __name__ == "__main__":
    main()
