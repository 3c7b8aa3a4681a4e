"""Progress bars, Ctrl-C, and runs that break."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import convscope as cs
from convscope.cli import terminal
from convscope.cli.options import PictureOptions
from convscope.cli.progress import Watched
from convscope.cli.saving import save_picture
from convscope.runs.run import Run
from convscope.runs.saving import save_run
from convscope.types.frames import Frame
from convscope.types.panels import Picture
from tests.helpers.shell import Shell, files, start


def watched(begin: Callable[[], Iterator[Frame]], net: cs.Network) -> Watched:
    return Watched(Run("counting", begin, net, None, {}))


def frame(step: int, steps: int = 9) -> Frame:
    return Frame(panels=(Picture(torch.full((3, 8, 8), step / steps)),), step=step, steps=steps)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def handler() -> Iterator[None]:
    """Ctrl-C means what it did before, once a run is over."""
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("handler")
def test_ctrl_c_in_a_step_keeps_that_step(own: cs.Network, tmp_path: Path) -> None:
    def begin() -> Iterator[Frame]:
        yield frame(1)
        press()
        yield frame(2)
        raise AssertionError("went on")

    run = watched(begin, own)
    file = save_run(run, tmp_path / "a.png")
    assert run.interrupted
    assert np.asarray(Image.open(file))[0, 0, 0] == round(255 * 2 / 9)


@pytest.mark.usefixtures("handler")
def test_ctrl_c_while_a_frame_is_drawn_keeps_that_frame(own: cs.Network) -> None:
    def begin() -> Iterator[Frame]:
        yield frame(1)
        raise AssertionError("went on")

    run, seen = watched(begin, own), []
    for result in run:
        press()
        seen.append(result.step)
    assert seen == [1]
    assert run.interrupted


@pytest.mark.usefixtures("handler")
@pytest.mark.parametrize("frames_before", [0, 1])
def test_ctrl_c_breaks_off_what_has_no_frame_yet_and_when_it_comes_twice(
    own: cs.Network, frames_before: int
) -> None:
    def begin() -> Iterator[Frame]:
        yield from map(frame, range(1, frames_before + 1))
        press()
        press()
        raise AssertionError("went on")

    with pytest.raises(KeyboardInterrupt):
        list(watched(begin, own))


def test_an_error_after_a_frame_keeps_the_frame(
    here: Path, own: cs.Network, capsys: pytest.CaptureFixture[str]
) -> None:
    def begin() -> Iterator[Frame]:
        yield frame(1)
        raise cs.ConvscopeError("the score is not finite")

    code = save_picture(Run("counting", begin, own, None, {}), Path("a.png"), PictureOptions())
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err == "convscope: the score is not finite; the last good frame is in a.png\n"
    assert np.asarray(Image.open("a.png"))[0, 0, 0] == round(255 / 9)


@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_a_progress_bar_only_on_a_terminal_and_after_a_second(
    own: cs.Network, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    screen = io.StringIO()
    clock = iter([0.0] + [seconds] * 99)
    monkeypatch.setattr(terminal, "errors", Console(file=screen, force_terminal=True, width=80))
    monkeypatch.setattr("convscope.progress.time.monotonic", lambda: next(clock, seconds))
    steps = [r.step for r in watched(lambda: (frame(i) for i in range(1, 10)), own)]
    assert steps == list(range(1, 10))
    assert ("9/9" in screen.getvalue()) is (seconds > 1)


# ------------------------------------------------------------------------- in a real process


# Runs the command of each line that comes in, in the folder that it begins with.
SERVER = """
import json, os, sys
from convscope.cli.main import main
from convscope.runs.run import Result
made = Result.__init__
def tell(self, frame, recipe):
    made(self, frame, recipe)
    print(f"step {frame.step}", flush=True)
Result.__init__ = tell
for line in sys.stdin:
    folder, *words = json.loads(line)
    os.chdir(folder)
    try:
        main(words)
    except SystemExit as done:
        for stream in (sys.stdout, sys.stderr):
            print("ended with", done.code, file=stream, flush=True)
"""


STOPPED = "stopped; run the same command with --resume to continue\n"
Stopped = Callable[..., tuple[str, str]]


def told(stream: IO[str]) -> str:
    """What a command wrote that Ctrl-C ended."""
    lines: list[str] = []
    while not (line := stream.readline()).startswith("ended with"):
        assert line, "".join(lines)
        lines.append(line)
    assert line == "ended with 130\n"
    return "".join(lines)


@pytest.fixture(scope="module")
def stopped() -> Iterator[Stopped]:
    """What a command tells that meets Ctrl-C in its third step or soon after it. All of them share
    a process, which imports torch once."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", SERVER]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=quiet
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        words_in, out, err = process.stdin, process.stdout, process.stderr

        def run(*words: str) -> tuple[str, str]:
            print(json.dumps([os.getcwd(), *words]), file=words_in, flush=True)
            while "step 3" not in (line := out.readline()):
                assert line.startswith("step"), err.readline()
            process.send_signal(signal.SIGINT)
            return told(out), told(err)

        yield run


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_ctrl_c_saves_the_last_good_frame(here: Path, stopped: Stopped, suffix: str) -> None:
    words = ["--target", "1", "--steps", "100000", "--size", "32", "-o", f"a.{suffix}"]
    out, err = stopped("class_image", *words)
    assert err == STOPPED
    assert out.splitlines()[-1] == f"a.{suffix}"
    with Image.open(f"a.{suffix}") as picture:
        picture.load()
        assert np.asarray(picture.convert("L")).std() > 1
    pictures = {"a.png"} if suffix == "png" else {"a.gif", "a.gif.json"}
    assert files(here) == {*pictures, f"a.{suffix}.resume"}


def test_what_was_stopped_goes_on(here: Path, shell: Shell, stopped: Stopped) -> None:
    words = ["class_image", "--target", "volcano", "--steps", "60", "--size", "32"]
    words += ["--preset", "maco", "-o", "a.png"]
    stopped(*words)
    assert files(here) == {"a.png", "a.png.resume"}
    early = Image.open("a.png").tobytes()
    shutil.copytree("a.png.resume", "kept")
    assert "other options" in shell.fails(*words, "--seed", "1", "--resume")
    anew = "starting over; --resume would have continued the run in a.png.resume\n"
    assert shell(*words, "--seed", "1") == (0, "a.png\n", anew)
    assert files(here) == {"a.png", "kept"}
    shell.works(*words)
    whole = Image.open("a.png").tobytes()
    assert whole != early
    Path("kept").rename("a.png.resume")
    shell.works(*words, "--resume")
    assert Image.open("a.png").tobytes() == whole
    assert files(here) == {"a.png"}


def test_a_replay_that_was_stopped_goes_on(here: Path, shell: Shell, stopped: Stopped) -> None:
    words = ["--target", "1", "--steps", "60", "--size", "32", "-o", "a.png"]
    shell.works("class_image", *words)
    _, err = stopped("replay", "a.png", "-o", "b.png")
    assert err == STOPPED
    assert files(here) == {"a.png", "b.png", "b.png.resume"}
    shell.works("replay", "a.png", "-o", "b.png", "--resume")
    with Image.open("a.png") as first, Image.open("b.png") as again:
        assert first.tobytes() == again.tobytes()
    assert files(here) == {"a.png", "b.png"}


def test_nothing_to_go_on_with(here: Path, shell: Shell) -> None:
    words = ("--target", "1", "--steps", "1", "--size", "32")
    shell.works("class_image", *words, "-o", "a.png", "--resume")
    assert files(here) == {"a.png"}


@pytest.mark.usefixtures("handler")
def test_ctrl_c_in_what_climbs_nothing_promises_nothing(
    here: Path, own: cs.Network, capsys: pytest.CaptureFixture[str]
) -> None:
    def begin() -> Iterator[Frame]:
        yield frame(1)
        press()
        yield frame(2)

    code = save_picture(Run("counting", begin, own, None, {}), Path("a.png"), PictureOptions())
    assert (code, *capsys.readouterr()) == (130, "a.png\n", "")
    assert files(here) == {"a.png"}


def test_ctrl_c_before_the_first_frame_is_quiet(here: Path) -> None:
    script = """
import time
from convscope import network
def load(*_, **__):
    print("loading", flush=True)
    time.sleep(60)
network.load = load
"""
    with start(script, "filters") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")
    assert files(here) == set()
