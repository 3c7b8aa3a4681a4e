"""Streams of server-sent events.

A listener keeps the number of the frame that it gets next, and reads it from the disk. So a slow
one costs no memory; it is told which frames it does not get when a run is too far ahead of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

from fastapi.sse import ServerSentEvent
from pydantic import BaseModel

from convscope.web.explorer import Explorer
from convscope.web.models import Deleted, Skipped
from convscope.web.queueing import Queue, Record

BATCH = 16  # frames that are read at once

FAR = 64  # frames that a listener may be behind a run

CAUGHT_UP = 8  # frames that are left of them when it skips the others

CALM = 0.25  # seconds between two messages on how far a run is


async def of_run(explorer: Explorer, record: Record, number: int) -> AsyncIterator[ServerSentEvent]:
    """The frames of a run, beginning with this number, and what is known of it.

    Frames that were there before the listener came are never skipped.
    """
    before, told, told_at = record.info.frames, "", 0.0
    while True:
        changed, info = record.news.next(), record.info
        behind = info.frames - number
        if behind > FAR and number >= before:
            last = info.frames - CAUGHT_UP - 1
            yield _event("skipped", Skipped(first=number, last=last))
            number = last + 1
        end = min(info.frames, number + BATCH)
        over = record.over and end == info.frames
        if info.state != told or monotonic() - told_at > CALM or over:
            told, told_at = info.state, monotonic()
            if not over:
                yield _event("run", info)
        for line in await asyncio.to_thread(_lines, explorer.queue, record, number, end):
            yield ServerSentEvent(raw_data=line, event="frame", id=str(number))
            number += 1
        if over or explorer.closing:
            yield _event("run", record.info)
            return
        if number >= info.frames:
            await changed.wait()


def _lines(queue: Queue, record: Record, first: int, end: int) -> list[str]:
    return queue.store.frames(record.info.id).lines(first, end) if first < end else []


async def of_all(explorer: Explorer) -> AsyncIterator[ServerSentEvent]:
    """The session, and then what changes: the session, runs, and which are deleted.

    The stream of a listener that is too far behind ends; it then connects again, and asks for the
    list of runs.
    """
    queue = explorer.queue
    session, change = None, queue.changes
    while not explorer.closing:
        changed = explorer.news.next()
        if session != explorer.session:
            session = explorer.session
            yield _event("session", session)
        news, change = queue.since(change), queue.changes
        if news is None:
            return
        for what in news:
            yield _event("deleted" if isinstance(what, Deleted) else "run", what)
        await changed.wait()
        await asyncio.sleep(CALM)  # what changes meanwhile is told once


def _event(name: str, value: BaseModel) -> ServerSentEvent:
    return ServerSentEvent(data=value, event=name)
