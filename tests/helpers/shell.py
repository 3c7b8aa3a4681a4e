"""The command line, run in this process or in another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convscope.cli import main


class Shell:
    """Runs the command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as done:
            main.main(list(words))
        out, err = self.capsys.readouterr()
        assert isinstance(done.value.code, int)
        return done.value.code, out, err

    def works(self, *words: str) -> str:
        code, out, err = self(*words)
        assert (code, err) == (0, "")
        return out

    def fails(self, *words: str) -> str:
        code, out, err = self(*words)
        assert code == 2
        assert out == ""
        assert err.startswith("convscope: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1, "one line"
        return err.removeprefix("convscope: ").strip()


def files(folder: Path) -> set[str]:
    """Names of what was made in a folder, besides "my photo.png", which `here` puts there."""
    return {file.name for file in folder.iterdir()} - {"my photo.png"}


def start(script: str, *words: str) -> subprocess.Popen[str]:
    """The command line in a process of its own, after a few lines of Python."""
    return subprocess.Popen(
        [sys.executable, "-c", f"{script}\nfrom convscope.cli.main import main\nmain()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
