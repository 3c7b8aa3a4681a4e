"""Damaged and hostile images: an image or one line, within bounds of memory and time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.helpers.hostile import bombs, damaged, refused

GIGABYTE, SECONDS = 10**9, 20

# Opens each file in a process of its own, which begins as a copy of one that has loaded convscope.
RUNNER = """
import json, os, sys, tempfile, warnings
import convscope as cs
from convscope.files import images
images.decoded([])
for path in sys.stdin.read().splitlines():
    error = tempfile.TemporaryFile()
    told, say = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(error.fileno(), 2)
        warnings.simplefilter("always")
        try:
            cs.open_image(path)
            line = "opened"
        except cs.ConvscopeError as problem:
            line = str(problem)
        except BaseException as problem:
            line = f"\\n{problem!r}"
        os.write(say, line.encode(errors="replace")[:5000])
        os._exit(0)
    os.close(say)
    line = os.fdopen(told, "rb").read().decode()
    _, status, used = os.wait4(child, 0)
    error.seek(0)
    print(json.dumps({
        "file": os.path.basename(path), "line": line, "status": status,
        "bytes": used.ru_maxrss * 1024, "seconds": used.ru_utime + used.ru_stime,
        "error": error.read().decode(errors="replace"),
    }), flush=True)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as on Linux")


def check(folder: Path, files: Iterable[tuple[str, bytes]]) -> int:
    """Open all files; how many there were."""
    paths: list[Path] = []
    for name, data in files:
        paths.append(folder / f"{len(paths):03d}-{name}")
        paths[-1].write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(paths)
    for one in found:
        assert (one["status"], one["error"]) == (0, ""), one
        assert "\n" not in one["line"] and len(one["line"]) < 500, one
        assert one["bytes"] <= GIGABYTE, one
        assert one["seconds"] <= SECONDS, one
    return len(paths)


def test_the_worst_are_refused_at_once(tmp_path: Path) -> None:
    check(tmp_path, refused())


@pytest.mark.slow
def test_bombs(tmp_path: Path) -> None:
    check(tmp_path, bombs())


@pytest.mark.slow
def test_damage(tmp_path: Path) -> None:
    assert check(tmp_path, damaged(24)) > 751
