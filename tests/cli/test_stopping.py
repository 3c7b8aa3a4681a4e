"""SIGTERM ends a command as Ctrl-C does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import convscope as cs
from convscope.cli.progress import Watched
from convscope.cli.stopping import exit_code, interrupt, stopped_by
from convscope.runs.run import Run
from convscope.types.frames import Frame
from convscope.types.panels import Picture
from tests.helpers.networks import own_network
from tests.helpers.shell import Shell, files

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Both signals mean what they did before, once a command is over."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_before_the_first_frame(
    here: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr("convscope.network.load", lambda *_, **__: signal.raise_signal(number))
    assert shell("filters") == (128 + number, "", "")
    assert files(here) == set()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_keeps_its_last_frame(
    here: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr("convscope.network.load", lambda *_, **__: own_network())
    begin = Watched.__iter__

    def pressed(self: Watched) -> Iterator[cs.Result]:
        for result in begin(self):
            if result.step == 2:
                signal.raise_signal(number)
            yield result

    monkeypatch.setattr(Watched, "__iter__", pressed)
    words = ["neuron_image", "--target", "blocks:1", "--steps", "9", "--size", "16", "-o", "a.png"]
    code, out, err = shell(*words)
    assert (code, out) == (128 + number, "a.png\n")
    assert err == "stopped; run the same command with --resume to continue\n"
    assert files(here) == {"a.png", "a.png.resume"}
    monkeypatch.setattr(Watched, "__iter__", begin)
    assert shell(*words, "--resume") == (0, "a.png\n", "")
    assert files(here) == {"a.png"}


def test_a_second_one_ends_at_once(own: cs.Network) -> None:
    def begin() -> Iterator[Frame]:
        yield Frame(panels=(Picture(torch.rand(3, 8, 8)),), steps=2)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("went on")

    with pytest.raises(KeyboardInterrupt):
        list(Watched(Run("counting", begin, own, None, {})))


def test_what_the_process_was_started_to_ignore_stays_ignored() -> None:
    """As of a command that a shell starts in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopped_by(interrupt):
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, before)
    assert exit_code(130) == 143
    assert exit_code(1) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_that_was_forked_ends_as_usual() -> None:
    with stopped_by(lambda: os._exit(7)):
        child = os.fork()
        if not child:
            signal.raise_signal(signal.SIGTERM)
            os._exit(8)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGTERM
