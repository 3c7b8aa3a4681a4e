"""Telling many listeners that something is new, without a queue for each of them."""

from __future__ import annotations

import asyncio


class News:
    """Listeners keep their own place, so a slow one holds nothing but that.

    while True:
        changed = news.next()
        ...  # look at what is there
        await changed.wait()
    """

    def __init__(self) -> None:
        self._next: asyncio.Event | None = None

    def next(self) -> asyncio.Event:
        """What is set by the next `tell`."""
        if self._next is None:
            self._next = asyncio.Event()
        return self._next

    def tell(self) -> None:
        """Wake all who listen."""
        if self._next is not None:
            self._next.set()
            self._next = None
