"""Questions to a worker, one at a time."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from convscope.errors import ConvscopeError
from convscope.web.messages import Answered, Ask, Loaded, Options
from convscope.web.models import NetworkInfo
from convscope.web.news import News
from convscope.web.processes import Main, Worker

MOST = 64  # questions that may wait

ENDED = "the explorer has ended; start it again"

LONGEST = 300.0  # seconds that an answer may take


class Busy(ConvscopeError):
    """Too many questions wait."""


class Questions:
    """Asks a worker, and knows how far it is with loading the networks.

    Args:
        name: what the worker is called.
        main: what the worker runs.
        options: what it is started with.
        news: tells when the state of a network changes.
    """

    def __init__(self, name: str, main: Main, options: Options, news: News) -> None:
        self.worker = Worker(name, main, options, self._heard, self._died)
        self._options, self._news = options, news
        self._ids = count(1)
        self._turn = asyncio.Lock()
        self.waiting = 0
        self._closed = False
        self._answer: asyncio.Future[Answered] | None = None
        self.networks: dict[str, NetworkInfo] = {}
        self._loading()

    def _loading(self) -> None:
        """No network is loaded, as far as is known."""
        for id, arguments in self._options.networks.items():
            name = str(arguments["name"])
            self.networks[id] = NetworkInfo(id=id, name=name, state="loading")

    async def ask(self, question: str, **arguments: Any) -> Any:
        """The answer to a question: see `convscope.web.answers`.

        Raises:
            ConvscopeError: the answer is a problem, or the worker has died over the question.
        """
        if self.waiting >= MOST:
            raise Busy("too many questions wait for an answer; try again in a moment")
        self.waiting += 1
        try:
            async with self._turn:
                answered = await self._answered(Ask(next(self._ids), question, arguments))
        finally:
            self.waiting -= 1
        if answered.problem is not None:
            raise ConvscopeError(answered.problem)
        return answered.value

    def close(self) -> None:
        """Answer no more: the server stops, and nobody is to wait."""
        self._closed = True
        self._settle(ENDED)

    def _settle(self, problem: str) -> None:
        """Give the question that waits for an answer a problem instead."""
        if self._answer and not self._answer.done():
            self._answer.set_result(Answered(0, problem=problem))

    async def _answered(self, ask: Ask) -> Answered:
        if self._closed:
            return Answered(ask.id, problem=ENDED)
        self._answer = asyncio.get_running_loop().create_future()
        try:
            await self.worker.send(ask)
            return await asyncio.wait_for(self._answer, LONGEST)
        except TimeoutError:
            self.worker.kill()
            return Answered(ask.id, problem=f"no answer came within {LONGEST:.0f} seconds")
        finally:
            self._answer = None

    async def _heard(self, message: object) -> None:
        if isinstance(message, Loaded):
            self.networks[message.network.id] = message.network
            self._news.tell()
        elif isinstance(message, Answered) and self._answer and not self._answer.done():
            self._answer.set_result(message)

    async def _died(self, reason: str) -> None:
        """Tell who waits. The networks are loaded again, unless the process cannot even begin."""
        if self.worker.runs:
            self._loading()
        else:
            self._fail(f"the process that loads it {reason}")
        self._news.tell()
        self._settle(f"the process that was asked {reason}; it starts again, so try once more")

    def _fail(self, problem: str) -> None:
        for id, network in self.networks.items():
            self.networks[id] = network.model_copy(update={"state": "failed", "problem": problem})
