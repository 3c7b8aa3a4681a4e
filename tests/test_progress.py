"""Bars where somebody sees them, and only there. Those of notebooks: `runs/test_showing.py`."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from convscope import progress


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("seconds", [0.5, 5.0])
def test_a_terminal_has_a_bar_after_a_second_even_before_the_first_step(
    screen: Console, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    clock = iter([0.0])
    monkeypatch.setattr("convscope.progress.time.monotonic", lambda: next(clock, seconds))
    with progress.bar("thinking", console=screen):
        pass
    assert ("thinking" in written(screen)) is (seconds > 1)


def test_no_bar_where_none_is_wanted_and_where_nobody_sees_it(screen: Console) -> None:
    hidden = Console(file=io.StringIO())
    for shown, console in ((False, screen), (True, hidden)):
        with progress.bar("thinking", shown=shown, console=console) as nothing:
            nothing.update(1, 2)
        assert written(console) == ""


def test_a_script_prints_nothing_into_a_file() -> None:
    script = "from convscope import progress\nwith progress.bar('a') as b: b.update(1, 2)"
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ})
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0:00"), (59.6, "1:00"), (61, "1:01"), (3723, "1:02:03")]
)
def test_times_are_read_as_on_a_clock(seconds: float, shown: str) -> None:
    assert progress.clock(seconds) == shown
