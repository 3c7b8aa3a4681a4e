"""A running server of the explorer, and a browser for it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convscope.web import serving
from convscope.web.explorer import Explorer, Setup
from convscope.web.messages import Options
from convscope.web.security import Access
from convscope.web.serving import Server, listen
from tests.helpers.toy_worker import worker

OPTIONS = Options(networks={"n0": {"name": "toy"}}, indexes={})


RUN = "20260101-000000-abcdef"  # of no run

# Ids that would lead out of a folder.
TRAVERSALS = [
    "..", "../..", "..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "....//", "..%5c..",
    "%00", "%2fetc%2fpasswd", "C:%5Cwindows", f"{RUN}%2f..%2f..", f"{RUN}%0a", "~", "%ff%fe",
    "a" * 5000,
]  # fmt: skip


@dataclass
class Reply:
    """An answer of the server."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Visitor:
    """A browser with the cookie, that can be told to behave badly.

    Attributes:
        headers: those that it sends with each request; None leaves one out.
    """

    access: Access
    explorer: Explorer
    headers: dict[str, str | None] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.access.port}"

    def connect(self, seconds: float = 60) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.access.port, timeout=seconds)

    def open(
        self, method: str, path: str, body: object = None, **headers: str | None
    ) -> http.client.HTTPResponse:
        """Send a request; the answer is not read yet."""
        sent: dict[str, str | None] = {
            "cookie": f"{self.access.cookie_name}={self.access.cookie}",
            "origin": None if method == "GET" else self.origin,
            "content-type": "application/json" if method == "POST" else None,
            **self.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = self.connect()
        skipped = "host" in sent
        connection.putrequest(method, path, skip_host=skipped, skip_accept_encoding=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        if data is not None:
            connection.putheader("content-length", str(len(data)))
        connection.endheaders(data)
        return connection.getresponse()

    def ask(self, method: str, path: str, body: object = None, **headers: str | None) -> Reply:
        """Send a request and read the answer."""
        response = self.open(method, path, body, **headers)
        found = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, found, response.read())

    def get(self, path: str, **headers: str | None) -> Any:
        """What the API answers to a GET that goes well."""
        reply = self.ask("GET", f"/api/{path}", **headers)
        assert reply.status == 200, reply.body
        return reply.json

    def post(self, path: str, body: object = None, status: int = 200) -> Any:
        """What the API answers to a POST."""
        reply = self.ask("POST", f"/api/{path}", body)
        assert reply.status == status, reply.body
        return reply.json

    def begin(self, **options: object) -> str:
        """Begin a run; its id."""
        request = {"technique": "toy", "network": "n0", "options": options}
        return str(self.post("runs", request, 201)["id"])

    def events(self, path: str, **headers: str | None) -> Iterator[tuple[str, Any, str | None]]:
        """The events of a stream until it ends: their names, data and ids."""
        response = self.open("GET", f"/api/{path}", **headers)
        assert response.status == 200, response.read()
        event: dict[str, str] = {}
        for line in response:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                event[name] = value
            elif "data" in event:
                yield event["event"], json.loads(event["data"]), event.get("id")
                event = {}

    def until(self, run: str, *states: str, seconds: float = 60) -> Any:
        """Wait for a state of a run; what is known of it then."""
        end = time.monotonic() + seconds
        while (info := self.get(f"runs/{run}"))["state"] not in states:
            assert time.monotonic() < end, info
            time.sleep(0.02)
        return info


@contextmanager
def served(
    runs: Path, *images: str, main: Any = worker, options: Options = OPTIONS
) -> Iterator[Visitor]:
    """A running server, as `convscope explore` has it, in a thread."""
    listener = listen("127.0.0.1", 0)
    access = Access(listener.getsockname()[1])
    explorer = Explorer(Setup(main, options, runs, images))
    ready = threading.Event()
    problems: list[BaseException] = []
    server = Server(serving.configured(explorer, access), explorer, ready.set)

    def run() -> None:
        try:
            asyncio.run(serving.serve_on(explorer, server, listener))
        except BaseException as error:
            problems.append(error)
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(60)
    try:
        if problems:
            raise problems[0]
        yield Visitor(access, explorer)
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
