"""The one error that users see, and how it names what they may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConvscopeError(Exception):
    """Something the user can mend. The message is one line that says what to do."""


def unknown(kind: str, word: str, known: Iterable[str], hint: str = "") -> ConvscopeError:
    """An error for a name that does not exist: it names the nearest that do."""
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
    """What an error says, without its number or the path."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
