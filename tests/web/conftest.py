"""A worker at the other end of a pipe, in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

import convscope as cs
from convscope.files import save_pictures
from convscope.render import parts
from convscope.web.messages import (
    Answered,
    Ask,
    Begin,
    Control,
    Ended,
    Loaded,
    Options,
    Source,
    Step,
)
from convscope.web.models import RunRequest
from convscope.web.work import Worker
from tests.helpers.networks import own_photograph

SMALL = {"name": "convscope.testing:small_network", "device": "cpu"}


class Server:
    """The server's end of the pipe."""

    def __init__(self, connection: Connection, files: dict[str, Source]) -> None:
        self.connection, self.files = connection, files
        self.loaded: list[Loaded] = []

    def ask(self, question: str, **arguments: Any) -> Any:
        """The answer to a question; a problem is raised."""
        self.connection.send(Ask(1, question, arguments))
        while not isinstance(found := self.receive(), Answered):
            pass
        if found.problem is not None:
            raise cs.ConvscopeError(found.problem)
        return found.value

    def receive(self) -> Any:
        assert self.connection.poll(60)
        message = self.connection.recv()
        if isinstance(message, Loaded):
            self.loaded.append(message)
        return message

    def run(
        self,
        folder: Path,
        request: RunRequest,
        on_step: Callable[[Step], None] = lambda _: None,
        *,
        resume: bool = False,
    ) -> tuple[list[Step], Ended]:
        """The steps of a run, and its end."""
        self.connection.send(Begin("run", request, self.files, folder, resume))
        steps = []
        while not isinstance(message := self.receive(), Ended):
            if isinstance(message, Step):
                steps.append(message)
                on_step(message)
        return steps, message

    def order(self, order: Any) -> None:
        self.connection.send(Control("run", order))


@pytest.fixture(scope="session")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small photograph."""
    path = tmp_path_factory.mktemp("photographs") / "photograph.png"
    return save_pictures(path, [parts.rgb_picture(own_photograph()[0])], {})


@pytest.fixture
def server(photograph: Path) -> Iterator[Server]:
    here, there = Pipe()
    worker = Worker(there, Options({"n0": SMALL}, {}))
    thread = threading.Thread(target=worker.work)
    thread.start()
    yield Server(here, {"photo": photograph, "cat": "sample:chelsea"})
    here.close()
    thread.join(30)
    assert not thread.is_alive()
