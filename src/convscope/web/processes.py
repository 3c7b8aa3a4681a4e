"""A worker process and the pipe to it. What it dies of does not take the server down."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from convscope.web.messages import Options

# What a worker runs: talks over the connection until that is closed.
Main = Callable[[Connection, Options], None]

PATIENCE = 3.0  # seconds that a worker has to leave when the server stops

# Workers are copies of a process that has imported what they need, but runs nothing: a copy of the
# server would have its threads' locks. Other systems than Linux have no such thing that is safe.
_processes = (
    multiprocessing.get_context("forkserver")
    if sys.platform == "linux"
    else multiprocessing.get_context("spawn")
)


def preload(module: str) -> None:
    """Import a module once for all workers, where they are copies of one process."""
    if sys.platform == "linux":
        _processes.set_forkserver_preload([module])


class Worker:
    """A process that is started again when it has died, unless it could not even begin.

    Args:
        name: what it is called in messages and in lists of processes.
        main: what it runs.
        options: what it is started with.
        heard: gets each of its messages. The next one is read when it is done with this one, so
            that a fast worker waits for a slow disk.
        died: gets the reason, as a clause, when it ends without having been asked to.
    """

    def __init__(
        self,
        name: str,
        main: Main,
        options: Options,
        heard: Callable[[Any], Coroutine[Any, Any, None]],
        died: Callable[[str], Coroutine[Any, Any, None]],
    ) -> None:
        self._name, self._main, self._options = name, main, options
        self._heard, self._died = heard, died
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._thread: threading.Thread | None = None
        self._sending = asyncio.Lock()
        self._stopping = False
        self._spoke = False  # whether this process has said anything

    @property
    def runs(self) -> bool:
        """Whether it has a process."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The number of its process, if it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process unless it runs."""
        if self._process is not None or self._stopping:
            return
        self._connection, theirs = _processes.Pipe()
        name = f"convscope {self._name}"
        arguments = (name, self._main, theirs, self._options)
        process = _processes.Process(target=_begin, args=arguments, name=name, daemon=True)
        self._process, self._spoke = process, False
        what = (process, self._connection, theirs, asyncio.get_running_loop())
        self._thread = threading.Thread(target=self._listen, args=what, name=name, daemon=True)
        self._thread.start()

    async def send(self, message: object) -> None:
        """Send a message, to a new process if there is none.

        It is lost if the process has just died, which `died` is told soon.
        """
        self.start()
        async with self._sending:  # a full pipe blocks: not the server, and in one thread only
            if self._connection is not None:
                with suppress(OSError):
                    await asyncio.to_thread(self._connection.send, message)

    def kill(self) -> None:
        """End the process at once; `died` is told."""
        if self._process is not None and self._process.pid is not None:
            self._process.kill()

    async def stop(self) -> None:
        """Close the pipe, wait for the process to leave, and end it if it does not."""
        self._stopping = True
        if self._thread is None or self._connection is None or self.pid is None:
            return  # a process that begins only now finds the pipe closed
        with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as pipe:
            pipe.shutdown(socket.SHUT_WR)
        await asyncio.to_thread(self._thread.join, PATIENCE)
        self.kill()

    def _listen(
        self,
        process: BaseProcess,
        connection: Connection,
        theirs: Connection,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Start the process, and hand over what it says until it ends. In a thread of its own."""
        resource_tracker.ensure_running()  # which would let Ctrl-C through again
        if hasattr(signal, "pthread_sigmask"):  # Ctrl-C is for the server, which closes the pipes
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with suppress(EOFError, OSError):  # the process has ended
                process.start()
                theirs.close()
                while True:
                    message = connection.recv()
                    self._spoke = True
                    asyncio.run_coroutine_threadsafe(self._heard(message), loop).result()
        finally:
            if process.pid is not None:
                process.kill()
                process.join()
            if not loop.is_closed():
                asyncio.run_coroutine_threadsafe(self._bury(process), loop)

    async def _bury(self, process: BaseProcess) -> None:
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None
        if not self._stopping:
            if self._spoke:
                self.start()
            await self._died(_reason(process.exitcode))


def _begin(name: str, main: Main, connection: Connection, options: Options) -> None:
    """What runs in the new process. Where memory runs out, it is what the system ends first."""
    with suppress(OSError):  # there are no such files on other systems than Linux
        Path("/proc/self/oom_score_adj").write_text("500")
        Path("/proc/self/comm").write_text(name)
    main(connection, options)
    os._exit(0)  # Python would spend seconds on taking torch down


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        memory = ", which the system does where memory runs out" if name == "SIGKILL" else ""
        return f"was ended by {name}{memory}"
    return "could not be started" if code is None else f"ended by itself with exit code {code}"
