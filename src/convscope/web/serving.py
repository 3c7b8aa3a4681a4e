"""Serving the explorer until Ctrl-C: the port, time limits of connections, the browser."""

from __future__ import annotations

import asyncio
import errno
import socket
import webbrowser
from collections.abc import Callable
from threading import Thread
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from convscope.errors import ConvscopeError, reason
from convscope.web.app import make_app
from convscope.web.explorer import Explorer, Setup
from convscope.web.security import Access, Guard

PORT = 8642

TRIES = 50  # ports after the first that may be busy

HEAD_SECONDS = 10.0  # in which the head of a request must have come

CONNECTIONS = 500

GRACE = 5  # seconds for answers that are being sent when the server stops


class Impatient(H11Protocol):
    """uvicorn's connection, which closes when the head of a request comes too slowly.

    uvicorn waits without end for it: its own limit begins anew with each byte.
    """

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        super().connection_lost(exc)

    def _look(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._calm()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _calm(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class Server(uvicorn.Server):
    """uvicorn's server, which ends all requests when it stops, and says when it is ready."""

    def __init__(self, config: uvicorn.Config, explorer: Explorer, ready: Callable[[], None]):
        super().__init__(config)
        self._explorer, self._ready = explorer, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._explorer.end_requests()
        await super().shutdown(sockets)


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens; without a port, on the first free one from the usual one on.

    Raises:
        ConvscopeError: the port is busy, or the address is not one of this machine.
    """
    first = PORT if port is None else port
    last = first if port is not None else first + TRIES
    for number in range(first, last + 1):
        try:
            return _bound(host, number)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ConvscopeError(
                    f"cannot listen on {host}, port {number} ({reason(error)})"
                ) from error
    raise ConvscopeError(f"port {first} is in use; give --port another one, or leave it out")


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(128)
    except OSError:
        made.close()
        raise
    return made


def serve(setup: Setup, access: Access, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until a signal comes. `ready` is called when the first request can be answered.

    Raises:
        ConvscopeError: the folder of runs cannot be used, or an image does not exist.
        KeyboardInterrupt: a signal came, and all has ended well.
    """
    explorer = Explorer(setup)
    server = Server(configured(explorer, access), explorer, ready)
    asyncio.run(serve_on(explorer, server, listener))


async def serve_on(explorer: Explorer, server: Server, listener: socket.socket) -> None:
    async with explorer.opened():
        await server.serve(sockets=[listener])


def configured(explorer: Explorer, access: Access) -> uvicorn.Config:
    options: dict[str, Any] = {
        "http": Impatient,
        "ws": "none",
        "lifespan": "off",
        "loop": "asyncio",
        "log_config": None,
        "log_level": "error",
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "limit_concurrency": CONNECTIONS,
        "timeout_graceful_shutdown": GRACE,
    }
    return uvicorn.Config(Guard(make_app(explorer), access), **options)


def open_browser(address: str) -> None:
    """Open a page in the user's browser, if there is one. Does not wait for it."""
    Thread(target=webbrowser.open, args=(address,), daemon=True).start()
