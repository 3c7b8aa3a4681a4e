"""Many clients that follow one run, and one that is slow."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from convscope.web import events
from tests.helpers.explorer import Visitor, served


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Visitor]:
    with served(tmp_path / "runs") as visitor:
        yield visitor


def numbers(found: Iterator[tuple[str, Any, str | None]]) -> list[int]:
    """The numbers of the frames that a client gets, or is told that it does not get."""
    seen: list[int] = []
    for name, data, _ in found:
        if name == "frame":
            seen.append(data["number"])
        elif name == "skipped":
            seen += range(data["first"], data["last"] + 1)
    return seen


def test_fifty_clients_get_every_frame_in_order(visitor: Visitor) -> None:
    run = visitor.begin(frames=60, seconds=0.01)
    with ThreadPoolExecutor(50) as clients:
        path = f"runs/{run}/events"
        found = clients.map(lambda _: numbers(visitor.events(path)), range(50))
    assert all(seen == list(range(60)) for seen in found)


def test_a_slow_client_is_told_what_it_skips(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads nothing for a while. The run does not wait, and nothing piles up."""
    monkeypatch.setattr(events, "FAR", 16)
    run = visitor.begin(frames=600, note="x" * 20_000)
    connection = socket.socket()
    connection.settimeout(20)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
    connection.connect(("127.0.0.1", visitor.access.port))
    cookie = f"{visitor.access.cookie_name}={visitor.access.cookie}"
    head = f"GET /api/runs/{run}/events HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookie}\r\n\r\n"
    connection.sendall(head.encode())
    visitor.until(run, "done")
    received = b""
    while b'"state":"done"' not in received[-3000:] and (part := connection.recv(2**16)):
        received += part
    connection.close()
    found = re.findall(
        rb"^event: (\w+)|^data: {\"(?:number|first)\":(\d+)(?:,\"last\":(\d+))?", received, re.M
    )
    names = [name for name, *_ in found if name]
    assert b"skipped" in names
    assert names[-1] == b"run"
    assert names.count(b"frame") < 600
    places = [range(int(first), int(last or first) + 1) for _, first, last in found if first]
    assert [number for place in places for number in place] == list(range(600))
