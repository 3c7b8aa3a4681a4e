"""The explorer's state: what the server knows while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope import __version__
from convscope.errors import ConvscopeError
from convscope.web.images import Images
from convscope.web.messages import Options
from convscope.web.microscope_models import IndexDetail
from convscope.web.models import IndexInfo, RunRequest, Session
from convscope.web.news import News
from convscope.web.processes import Main
from convscope.web.questions import Questions
from convscope.web.queueing import Queue
from convscope.web.store import Store


@dataclass(frozen=True)
class Setup:
    """What the command line gave.

    Attributes:
        main: what the workers run.
        options: what they are started with.
        runs: the folder that runs are kept in.
        images: paths of photographs, or names of samples.
    """

    main: Main
    options: Options
    runs: Path
    images: Sequence[str] = ()


class Explorer:
    """Everything that the routes need. `opened` starts it and stops it."""

    def __init__(self, setup: Setup) -> None:
        self.news = News()  # of the session and of all runs
        self.store = Store(setup.runs)
        self.questions = Questions("live", setup.main, setup.options, self.news)
        # Images of units take seconds. Its process starts when the first one is asked for.
        self.drawing = Questions("images", setup.main, setup.options, News())
        self.images = Images(setup.runs, setup.images, self.questions)
        self.queue = Queue(self.store, self.images, self.news, setup.main, setup.options)
        self.index_ids = frozenset(setup.options.indexes)
        self.indexes: list[IndexInfo] = []
        self.index_ids = frozenset(setup.options.indexes)
        self.closing = False

    @property
    def session(self) -> Session:
        """What there is to work with."""
        networks = list(self.questions.networks.values())
        return Session(version=__version__, networks=networks, indexes=self.indexes)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Take the folder of runs, start the workers, and stop all at the end.

        Raises:
            ConvscopeError: another explorer has the folder, or an image does not exist.
        """
        self.store.open()
        finding = asyncio.create_task(self._find_indexes())
        tasks = [finding, asyncio.create_task(self._warm_up(finding))]
        try:
            self.images.load()
            self.questions.worker.start()
            await self.queue.load()
            yield
        finally:
            for task in tasks:
                task.cancel()
            self.end_requests()
            await self.queue.rest()
            workers = (self.questions.worker, self.queue.worker, self.drawing.worker)
            await asyncio.gather(*(worker.stop() for worker in workers))
            self.store.close()

    def end_requests(self) -> None:
        """End what would not end by itself: streams of events, and questions that wait."""
        self.closing = True
        self.questions.close()
        self.drawing.close()
        self.queue.wake()

    async def _warm_up(self, finding: asyncio.Task[None]) -> None:
        """Start the worker "runs" when "live" is ready, which the first page needs sooner.

        Args:
            finding: ends when the indexes are found.
        """
        while True:
            changed = self.news.next()
            states = {network.state for network in self.questions.networks.values()}
            if "loading" not in states:
                break
            await changed.wait()
        await self.queue.warm_up()
        await finding
        for index in self.indexes:
            await self._read(index.id)

    async def _read(self, index: str) -> None:
        """Let the worker "live" read what the page of any unit needs: the first is quick then."""
        with suppress(ConvscopeError):
            detail: IndexDetail = await self.questions.ask("index_detail", index=index)
            for layer in detail.layers[:1]:
                await self.questions.ask("unit_facts", index=index, layer=layer.name, channel=0)

    async def _find_indexes(self) -> None:
        with suppress(ConvscopeError):
            self.indexes = await self.questions.ask("indexes")
            self.news.tell()

    async def notice(self, index: IndexDetail) -> None:
        """Tell the pages of an index that has changed since it was opened."""
        if any(one.id == index.id and one.version != index.version for one in self.indexes):
            await self._find_indexes()

    async def ask_about(self, question: str, request: RunRequest, **more: Any) -> Any:
        """The answer to a question about a run.

        Raises:
            ConvscopeError: the run names an image that does not exist, or the answer is a problem.
        """
        files = self.images.sources()
        if request.image is not None and request.image not in files:
            raise ConvscopeError("there is no image of that id")
        return await self.questions.ask(question, request=request, files=files, **more)
