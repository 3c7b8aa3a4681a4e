"""The queue of runs: one is made at a time, the rest wait."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal
from weakref import WeakValueDictionary

from convscope.errors import ConvscopeError, reason
from convscope.web.clock import Clock
from convscope.web.images import Images
from convscope.web.messages import Ask, Begin, Control, Described, Ended, Loaded, Options, Step
from convscope.web.models import OVER, Deleted, FrameInfo, RunInfo, RunRequest, State
from convscope.web.news import News
from convscope.web.processes import Main, Worker
from convscope.web.store import RESUME, Store

AGAIN = ("canceled", "failed", "crashed")

GONE = (
    "its photograph is not among the images of this session; start the explorer with it again, or"
    " begin a new run with another"
)

REMEMBERED = 64  # changes of runs that are over, for those who listen

PATIENCE = 10.0  # seconds that a canceled run has to end its step


class NotNow(ConvscopeError):
    """The state of the run does not allow what is asked."""


@dataclass(slots=True, weakref_slot=True)
class Record:
    """A run in memory: what is known of it, who listens to it, and when it last changed."""

    info: RunInfo
    news: News = field(default_factory=News)
    changed: int = 0
    canceled: asyncio.TimerHandle | None = None  # ends its process if it does not end by itself
    problem: str | None = None  # why its frames cannot be kept

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it, unless somebody runs it again."""
        return self.info.state in OVER


class Queue:
    """All runs. Its methods are called in the server's event loop.

    Runs that are over stay on the disk, and are in memory only while somebody looks at them.

    Args:
        store: where runs are kept.
        images: knows where the images are that runs name.
        news: tells of every change.
        main: what the worker runs.
        options: what the worker is started with.
    """

    def __init__(
        self, store: Store, images: Images, news: News, main: Main, options: Options
    ) -> None:
        self.store, self.images, self.news = store, images, news
        self.worker = Worker("runs", main, options, self._heard, self._died)
        self.changes = 0
        self._queued: dict[str, Record] = {}  # those that are not over, in their turn
        self._seen: WeakValueDictionary[str, Record] = WeakValueDictionary()
        self._past: deque[tuple[int, RunInfo | Deleted]] = deque(maxlen=REMEMBERED)
        self._forgotten = 0  # the last change that has left the past
        self._active: Record | None = None
        self._clock = Clock(0)
        self._writing = asyncio.Lock()
        self._fresh = False  # whether the active run has given no frame since it began, or again
        self._loaded: set[str] = set()  # the networks that the worker has

    # ------------------------------------------------------------------ what is known

    async def load(self) -> None:
        """Read the runs of the folder. Those that waited or ran when the server ended go on."""
        for info in await asyncio.to_thread(self.store.unfinished):
            record = self._take(info)
            await self._change(record, state="waiting", seconds_left=None, loading=False)
        await self._next()

    def _take(self, info: RunInfo) -> Record:
        """Put a run behind those that wait."""
        record = self._seen.setdefault(info.id, Record(info))
        self._queued.pop(info.id, None)
        self._queued[info.id] = record
        return record

    async def find(self, run: str) -> Record | None:
        """The run of that id, if there is one."""
        record = self._seen.get(run)
        if record is None and (info := await asyncio.to_thread(self.store.find, run)):
            record = self._seen.setdefault(run, Record(info))
        return record

    async def newest(self, count: int) -> list[RunInfo]:
        """The runs that were begun last, the newest first, and all that are not over."""
        change = self.changes
        found = {info.id: info for info in await asyncio.to_thread(self.store.newest, count)}
        found |= {run: record.info for run, record in self._queued.items()}
        for what in self.since(change) or []:  # while the disk was read
            found.pop(what.id, None)
            found |= {what.id: what} if isinstance(what, RunInfo) else {}
        return sorted(found.values(), key=lambda info: info.created, reverse=True)

    def since(self, change: int) -> list[RunInfo | Deleted] | None:
        """What has changed since, in order; None where some of it has been forgotten."""
        if change < self._forgotten:
            return None
        found: list[tuple[int, RunInfo | Deleted]] = [*self._past]
        found += [(one.changed, one.info) for one in self._queued.values() if not one.over]
        news = [(when, what) for when, what in found if when > change]
        return [what for _, what in sorted(news, key=lambda one: one[0])]

    def wake(self) -> None:
        """Let all who listen look whether the server stops."""
        self.news.tell()
        for record in self._seen.values():
            record.news.tell()

    async def warm_up(self) -> None:
        """Start the worker and let it make a map that nobody sees: the next one is quick then."""
        if self._active is None:
            await self.worker.send(Ask(0, "warm_up", {}))

    # ------------------------------------------------------------------ what is asked for

    async def add(self, request: RunRequest, described: Described) -> RunInfo:
        """Put a new run at the end of the queue."""
        info = RunInfo(
            id=self.store.new_id(),
            request=request,
            title=described.title,
            state="waiting",
            created=time.time(),
            steps=described.steps,
        )
        await asyncio.to_thread(self.store.write, info)
        record = self._take(info)
        self._tell(record, info)
        await self._next()
        return record.info

    async def pause(self, record: Record) -> RunInfo:
        """Let a running run stand still after its step."""
        return await self._control(record, "pause", "running", "paused")

    async def go_on(self, record: Record) -> RunInfo:
        """Let a paused run go on."""
        return await self._control(record, "go_on", "paused", "running")

    async def _control(
        self, record: Record, order: Literal["pause", "go_on"], now: State, then: State
    ) -> RunInfo:
        if record.info.state != now:
            raise NotNow(f"this run is {record.info.state}, not {now}")
        self._clock.stop() if then == "paused" else self._clock.start()
        await self._change(record, state=then, seconds=self._clock.seconds)
        await self.worker.send(Control(record.info.id, order))
        return record.info

    async def cancel(self, record: Record) -> RunInfo:
        """End a run; what it has given stays."""
        if record.over:
            raise NotNow(f"this run is {record.info.state} already")
        if record is not self._active:
            await self._change(record, state="canceled")
            return record.info
        if record.canceled is None:
            loop = asyncio.get_running_loop()
            record.canceled = loop.call_later(PATIENCE, self.worker.kill)
            await self.worker.send(Control(record.info.id, "cancel"))
        return record.info

    async def again(self, record: Record) -> RunInfo:
        """Put a run that did not end well back into the queue."""
        if record.info.state not in AGAIN:
            raise NotNow(f"this run is {record.info.state}; begin a new one")
        if self._seen.get(record.info.id) is not record:
            raise NotNow("this run is deleted; begin a new one")
        self._take(record.info)
        record.problem = None
        await self._change(record, state="waiting", problem=None)
        await self._next()
        return record.info

    async def delete(self, record: Record) -> None:
        """Delete a run that is over."""
        if not record.over:
            raise NotNow(f"this run is {record.info.state}; cancel it first")
        run = record.info.id
        async with self._writing:  # that it is over is told before it is written
            await asyncio.to_thread(self.store.delete, run)
            gone = self._seen.pop(run, None)
        if gone:
            self._queued.pop(run, None)
            self.changes += 1
            self._remember(Deleted(id=run))
            self.news.tell()

    # ------------------------------------------------------------------ what happens

    async def _next(self) -> None:
        """Begin the run that has waited longest, unless another one is active."""
        waiting = (one for one in self._queued.values() if one.info.state == "waiting")
        record = next(waiting, None)
        if self._active is not None or record is None:
            return
        info, files = record.info, self.images.sources()
        if info.request.image is not None and info.request.image not in files:
            await self._change(record, state="failed", problem=GONE)
            await self._next()
            return
        self._active, self._fresh, self._clock = record, True, Clock(info.seconds)
        loading = info.request.network not in {None, *self._loaded}
        self._tell(record, info.model_copy(update={"state": "running", "loading": loading}))
        folder = self.store.place(info.id)
        resume = (folder / RESUME).is_dir()
        await self.worker.send(Begin(info.id, info.request, files, folder, resume))
        await self._write(record)

    async def _heard(self, message: object) -> None:
        record = self._active
        if isinstance(message, Loaded) and message.network.state != "loading":
            self._loaded.add(message.network.id)
            if record and record.info.request.network == message.network.id:
                self._tell(record, record.info.model_copy(update={"loading": False}))
        elif isinstance(message, Step) and record and message.run == record.info.id:
            await self._keep(record, message)
        elif isinstance(message, Ended) and record and message.run == record.info.id:
            if message.state == "canceled" and not (record.canceled or record.problem):
                return  # the server stops; the next one makes the rest of this run
            problem = record.problem or message.problem
            await self._end("failed" if record.problem else message.state, problem)

    async def _died(self, reason: str) -> None:
        self._loaded.clear()
        if self._active is not None:
            crash = f"the process that made this run {reason}; run it again"
            canceled = self._active.canceled is not None
            await self._end("canceled" if canceled else "crashed", None if canceled else crash)
        if self.worker.runs:
            await self.warm_up()

    async def _keep(self, record: Record, step: Step) -> None:
        """Write a frame to the disk, then tell of it."""
        if record.info.state == "running":
            self._clock.start()
        try:
            frame = await asyncio.to_thread(self._append, record.info.id, step)
        except OSError as error:
            record.problem = f"its frames cannot be written ({reason(error)})"
            await self.worker.send(Control(record.info.id, "cancel"))
            return
        update = {
            "frames": frame.number + 1,
            "step": frame.step,
            "steps": frame.steps,
            "seconds": self._clock.seconds,
            "seconds_left": self._clock.left(frame.step, frame.steps),
        }
        self._tell(record, record.info.model_copy(update=update))

    def _append(self, run: str, step: Step) -> FrameInfo:
        frames = self.store.frames(run)
        if self._fresh:  # what comes behind the state that it goes on from is made again
            frames.keep(frames.before(step.frame.step))
            self._fresh = False
        return frames.append(step.frame, step.blobs)

    async def _end(self, state: State, problem: str | None) -> None:
        assert self._active is not None
        record, self._active = self._active, None
        if record.canceled is not None:
            record.canceled.cancel()
            record.canceled = None
        self._clock.stop()
        seconds = self._clock.seconds
        left = {"seconds_left": None, "loading": False}
        await self._change(record, state=state, problem=problem, seconds=seconds, **left)
        await self._next()

    async def rest(self) -> None:
        """Keep how long the active run has run; the next server goes on with it."""
        if self._active is not None:
            await self._change(self._active, seconds=self._clock.seconds)

    async def _change(self, record: Record, **update: Any) -> None:
        """Change what is known of a run, on the disk, too."""
        self._tell(record, record.info.model_copy(update=update))
        await self._write(record)

    async def _write(self, record: Record) -> None:
        async with self._writing:
            if self._seen.get(record.info.id) is not record:
                return  # it has been deleted meanwhile
            try:
                await asyncio.to_thread(self.store.write, record.info)
            except ConvscopeError as error:
                self._tell(record, record.info.model_copy(update={"problem": str(error)}))
                return
        if record.over:
            self._queued.pop(record.info.id, None)  # the disk has it

    def _tell(self, record: Record, info: RunInfo) -> None:
        self.changes += 1
        record.info, record.changed = info, self.changes
        if record.over:
            self._remember(info)
        record.news.tell()
        self.news.tell()

    def _remember(self, what: RunInfo | Deleted) -> None:
        if len(self._past) == REMEMBERED:
            self._forgotten = self._past[0][0]
        self._past.append((self.changes, what))
