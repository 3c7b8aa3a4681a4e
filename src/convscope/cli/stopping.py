"""Ctrl-C, and SIGTERM, which ends a command in the same way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_last = [signal.SIGINT]


@contextmanager
def stopped_by(stop: Callable[[], None]) -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM call `stop`, unless the process was started to ignore them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread only
        return
    owner = os.getpid()

    def handle(number: int, _where: FrameType | None) -> None:
        if os.getpid() != owner:  # a process that was forked from this one ends as usual
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        _last[0] = signal.Signals(number)
        stop()

    heeded = [one for one in _SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
    before = {one: signal.signal(one, handle) for one in heeded}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def interrupt() -> None:
    raise KeyboardInterrupt


def exit_code(code: int) -> int:
    """The exit code of a command: after SIGTERM, another one than after Ctrl-C."""
    return 128 + _last[0] if code == INTERRUPTED else code
