"""The real command, killed with SIGKILL at several moments: the same site, byte for byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.collections import paint

NETWORK = """
from convscope.testing import small_network
from convscope.microscope import drawing

drawing.STEPS = 4


def network():
    return small_network()
"""

PATIENCE = 120  # seconds


def command(folder: Path, *words: str) -> list[str]:
    """A command of convscope, with the network in a file of the folder."""
    model = f"{folder / 'net.py'}:network"
    return [sys.executable, "-m", "convscope.cli", *words, "--model", model]


def content(path: Path) -> dict[str, bytes]:
    files = (file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="this system has no SIGKILL")
def test_killed_and_resumed(tmp_path: Path) -> None:
    """Killed at several moments with two worker processes, and in one go without any."""
    for seed in range(4):
        paint(tmp_path / "photos" / f"kind {seed % 2}" / f"{seed}.png", seed)
    (tmp_path / "net.py").write_text(NETWORK)
    index, copy = tmp_path / "index", tmp_path / "copy"
    made = command(tmp_path, "index", str(tmp_path / "photos"), "-o", str(index), "--workers", "0")
    subprocess.run([*made, "--layers", "blocks.0"], check=True, capture_output=True)
    shutil.copytree(index, copy)
    words = ["--method", "pca", "--workers", "2", "-o", str(tmp_path / "killed")]
    export = command(tmp_path, "export", str(index), *words)
    for awaited in ("site.json", "units/*/*.html", "photographs/*.html"):
        process = subprocess.Popen(export)
        end = time.monotonic() + PATIENCE
        while process.poll() is None and not list((tmp_path / "killed").glob(awaited)):
            assert time.monotonic() < end
            time.sleep(0.002)
        process.kill()
        process.wait()
    subprocess.run(export, check=True)
    words = ["--method", "pca", "--workers", "0", "-o", str(tmp_path / "whole")]
    subprocess.run(command(tmp_path, "export", str(copy), *words), check=True)
    assert content(tmp_path / "killed") == content(tmp_path / "whole")
