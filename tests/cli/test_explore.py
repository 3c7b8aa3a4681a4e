"""`convscope explore`: where it listens, what it says, how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import convscope as cs
from convscope.cli.commands.explore import DEFAULT_MODELS
from convscope.web import serving
from convscope.web.explorer import Setup
from convscope.web.serving import PORT
from tests.helpers.collections import paint
from tests.helpers.networks import own_network
from tests.helpers.processes import descendants
from tests.helpers.shell import Shell, start

# A worker that loads nothing.
TOY = """
import convscope.web.processes, convscope.web.worker
from tests.helpers.toy_worker import worker
convscope.web.worker.main = worker
convscope.web.processes.preload = lambda module: None
"""


@contextmanager
def explorer(runs: Path) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own."""
    with start(TOY, "explore", "--no-browser", "--runs", str(runs)) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    runs = tmp_path / "runs"
    with explorer(runs) as process:
        first = line(process)
        if "in use" in first:
            first = line(process)
        assert re.fullmatch(
            r"the explorer is at http://127\.0\.0\.1:\d+/\?token=\S{32} and keeps its runs in"
            rf" {runs}; Ctrl-C ends it\n",
            first,
        )
        begun = time.monotonic()
        if number == signal.SIGINT:  # a terminal sends it to all processes
            for child in descendants(process.pid):
                os.kill(child, number)
        process.send_signal(number)
        assert line(process) == f"the explorer has ended; its runs are in {runs}\n"
        assert process.wait(20) == 0
        assert time.monotonic() - begun < 10
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_processes_do_not_outlive_the_server(tmp_path: Path) -> None:
    with explorer(tmp_path / "runs") as process:
        while "the explorer is at" not in line(process):
            pass
        end = time.monotonic() + 20
        workers = {"convscope live", "convscope runs"}
        while not workers <= {*(children := descendants(process.pid)).values()}:
            assert time.monotonic() < end, children
            time.sleep(0.05)
        process.kill()
        while any(Path(f"/proc/{child}").exists() for child in children):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_busy_port_is_passed_over(tmp_path: Path) -> None:
    with socket.socket() as taken:
        with suppress(OSError):  # somebody else has it
            taken.bind(("127.0.0.1", PORT))
            taken.listen()
        with explorer(tmp_path / "runs") as process:
            found = re.fullmatch(
                rf"port {PORT} is in use; this explorer has port (\d+)\n", line(process)
            )
            assert found
            assert PORT < int(found[1]) < PORT + 50
            assert f":{found[1]}/" in line(process)


def test_a_busy_port_that_was_asked_for_is_an_error(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = shell.fails("explore", "--port", str(port))
    assert error == f"port {port} is in use; give --port another one, or leave it out"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "myhost"])
@pytest.mark.parametrize("token", [None, "short"])
def test_the_network_is_not_let_in_without_a_token(
    shell: Shell, host: str, token: str | None
) -> None:
    error = shell.fails("explore", "--host", host, *(["--token", token] if token else []))
    assert "not encrypted" in error
    assert "--token of at least 16 letters" in error


def test_options_of_loading_are_for_one_network(shell: Shell) -> None:
    error = shell.fails("explore", "--checkpoint", "a.pt", "--random-weights")
    assert error.endswith("are for one network: give one --model")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("missing.jpg",), "'missing.jpg' cannot be read (No such file or directory)"),
        (("sample:cat",), "unknown sample 'cat'"),
        (("{folder}",), "{folder} is a folder; name its photographs: {folder}/*.jpg"),
        (("--index", "nothing"), "there is no index at nothing"),
    ],
)
def test_what_does_not_exist_is_told_at_once(
    shell: Shell, tmp_path: Path, words: tuple[str, ...], problem: str
) -> None:
    given = [word.replace("{folder}", str(tmp_path)) for word in words]
    error = shell.fails("explore", "--no-browser", "--runs", str(tmp_path / "runs"), *given)
    assert error.startswith(problem.replace("{folder}", str(tmp_path)))


def test_an_index_brings_its_network(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    paint(tmp_path / "photos" / "0.png", 0)
    net = own_network()
    net.source = {"name": "squeezenet1_1", "pretrained": True, "checkpoint": None}
    index = str(tmp_path / "index")
    cs.index(net, tmp_path / "photos", index, threads=1).result()
    setups: list[Setup] = []
    monkeypatch.setattr(serving, "serve", lambda setup, *_: setups.append(setup))
    shell("explore", "--index", index, "--index", index, "--no-browser")
    shell("explore", "--index", index, "--model", "efficientnet_lite0", "--no-browser")
    shell("explore", "--no-browser")
    names = [[one["name"] for one in setup.options.networks.values()] for setup in setups]
    assert names == [["squeezenet1_1"], ["efficientnet_lite0"], [*DEFAULT_MODELS]]
