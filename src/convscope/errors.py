"""The error that users see, and how messages are made."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConvscopeError(Exception):
    """A problem that the user can solve. The message is one line that says what to do."""


def unknown(kind: str, word: str, known: Iterable[str], hint: str = "") -> ConvscopeError:
    """An error for a name that does not exist, with up to four similar names that do.

    Args:
        kind: what the name should have named, "layer" for instance.
        word: the unknown name.
        known: all names that exist.
        hint: a sentence to end the message with.
    """
    known = list(known)
    by_lower = {name.lower(): name for name in reversed(known)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.5)
    near += [low for low in by_lower if len(word) > 2 and word.lower() in low and low not in near]
    names = ", ".join(repr(by_lower[low]) for low in near[:4])
    if names:
        guess = f"; did you mean {names}?"
    elif 0 < len(known) <= 12:
        guess = "; there are " + ", ".join(repr(name) for name in known)
    else:
        guess = ""
    return ConvscopeError(
        f"unknown {kind} {word!r}{guess}{' ' if guess else '; '}{hint}".rstrip("; ")
    )


def reason(error: Exception) -> str:
    """The message of an error, without an error number or a path."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def described(error: Exception) -> str:
    """The type of an error and the first line of its message."""
    return f"{type(error).__name__}: {first_line(error)}"
