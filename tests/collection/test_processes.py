"""Worker processes, and what becomes of them when their parent is killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from convscope.collection.processes import in_processes
from tests.helpers.processes import descendants

MUCH = 1_000_000  # bytes, more than a pipe holds

SCRIPT = f"""
import time
from convscope.collection.processes import in_processes

for made in in_processes(bytes, [{MUCH}] * 8, 2):
    print(len(made), flush=True)
    time.sleep(1000)
"""


def test_what_is_made_comes_in_the_order_of_the_tasks() -> None:
    for workers in (0, 2):
        assert [len(made) for made in in_processes(bytes, [3, 1, MUCH, 2], workers)] == [
            3,
            1,
            MUCH,
            2,
        ]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux")
def test_workers_end_with_a_parent_that_is_killed() -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"1000000\n"
    workers = descendants(process.pid)
    process.kill()
    process.wait()  # the pipe is open as long as a worker lives
    process.stdout.close()
    end = time.monotonic() + 60
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < end, workers
        time.sleep(0.05)
