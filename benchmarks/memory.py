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
from pathlib import Path

from benchmarks.attribution import rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("words", nargs="*", help="only rows with one of these in their name")
    parser.add_argument("--alone", choices=("ours", "peer"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        (row,) = (row for row in rows() if row.name == options.words[0])
        print(_rise(getattr(row, options.alone)))
        return
    print(f"{'row':62}{'ours MiB':>12}{'peer MiB':>12}{'ours/peer':>12}")
    for name in [row.name for row in rows()]:
        if not options.words or any(word in name for word in options.words):
            ours, peer = (_alone(name, which) for which in ("ours", "peer"))
            print(f"{name:62}{ours:12.0f}{peer:12.0f}{ours / peer:12.2f}", flush=True)


def _alone(name: str, which: str) -> float:
    command = [sys.executable, "-m", "benchmarks.memory", name, "--alone", which]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    return float(done.stdout.split()[-1])


def _rise(work: object) -> float:
    """By how many MiB the process grows at most while it works."""
    assert callable(work)
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
