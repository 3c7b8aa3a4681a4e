"""Asking a network everything, within a limit of processor time."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import convscope as cs
from tests.helpers.families.columns import NUMBERS, Column
from tests.helpers.families.networks import FAMILIES
from tests.helpers.families.subject import Subject, Wrong
from tests.helpers.families.techniques import TECHNIQUES

COLUMNS = {column.__name__: column for column in (*NUMBERS, *TECHNIQUES)}


class Verdict(NamedTuple):
    """What came of one column: "pass", "refused", "wrong" or "crash", and the words of the last."""

    state: str
    words: str = ""

    @property
    def good(self) -> bool:
        """Whether it is right, or refused in one line."""
        return self.state == "pass" or (self.state == "refused" and "\n" not in self.words)


class TooSlow(BaseException):
    """The network takes too long here. No `except Exception` on the way may hide it."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` after so many seconds of processor time."""

    def stop(*_: Any) -> None:
        raise TooSlow(f"it takes more than {seconds:.0f} seconds of processor time here")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def subject_of(family: str) -> Subject:
    """The network of a family, and a photograph for it."""
    return Subject(family, FAMILIES[family], cs.open_image("sample:chelsea"))


def try_network(subject: Subject) -> Iterator[tuple[str, Verdict]]:
    """Each column's name and verdict, in order. A network that does not load has only the first."""
    for name, column in COLUMNS.items():
        verdict = _verdict(column, subject)
        yield name, verdict
        if name == "load" and verdict.state != "pass":
            return


def _verdict(column: Column, subject: Subject) -> Verdict:
    try:
        column(subject)
    except Wrong as fault:
        return Verdict("wrong", str(fault))
    except cs.ConvscopeError as refusal:
        return Verdict("refused", str(refusal))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Verdict(
            "crash", f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
        )
    return Verdict("pass")
