"""The error that users see, and how messages are made."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


LONGEST = 1000  # letters of a message


class ConvscopeError(Exception):
    """A problem that the user can solve. The message is one line that says what to do.

    Names in it may come from files of strangers, so it is made safe for a terminal, and bounded.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shortened(in_one_line(message), LONGEST))

    def _render_traceback_(self) -> list[str]:
        """What IPython shows below a cell: the message, not the way to it."""
        return [f"{type(self).__name__}: {self}"]


class RuleError(ConvscopeError):
    """A backward rule finds nothing, or nearly nothing, that it can change."""


def unknown(kind: str, word: str, known: Iterable[str], hint: str = "") -> ConvscopeError:
    """An error for a name that does not exist, with up to four similar names that do.

    Args:
        kind: what the name should have named, "layer" for instance.
        word: the unknown name.
        known: all names that exist.
        hint: a sentence to end the message with.
    """
    known, word = list(known), shortened(word, 80)
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
    joint = " " if guess.endswith("?") else "; "
    return ConvscopeError(f"unknown {kind} {word!r}{guess}{joint}{hint}".rstrip("; "))


def invalid(name: str, error: ValidationError) -> ConvscopeError:
    """An error for the first value that a pydantic model refuses.

    Args:
        name: what the values belong to, "adam" for instance.
        error: what pydantic says about them.
    """
    first, *others = error.errors()
    where = str(first["loc"][0]) if first["loc"] else "options"
    got = "" if first["type"] == "missing" else f", not {short(first['input'])}"
    message = first["msg"].removeprefix("Value error, ").partition(" after validation")[0]
    message = message[0].lower() + message[1:]
    if first["type"] == "missing" and len(first["loc"]) > 1:  # within a tuple
        return ConvscopeError(f"{name}: {where}: too few values")
    for other in others:  # of a union, what else it might have been
        kinds = other["msg"].removeprefix("Input should be ")
        if other["input"] is first["input"] and kinds not in message:
            message += f" or {kinds}"
    return ConvscopeError(f"{name}: {where}: {message}{got}")


def short(value: object) -> str:
    """The representation of a value in at most 83 characters, for a message."""
    try:
        text = repr(value)
    except ValueError:  # Python writes out no number of more than 4,300 digits
        text = f"a {type(value).__name__} that is too large to write out"
    return shortened(" ".join(text.split()), 83)


def shortened(text: str, limit: int) -> str:
    """A text of at most `limit` letters: what is too long loses its middle."""
    if len(text) <= limit:
        return text
    end = limit // 3
    return f"{text[: limit - end - 3]}...{text[-end:]}"


def in_one_line(text: object) -> str:
    """A text in one line, with every letter that would control a terminal written out: "\\x1b"."""
    return visible(" ".join(str(text).splitlines()))


def visible(text: str, *, kept: str = "") -> str:
    """A text with every letter that would control a terminal written out, but for those `kept`."""
    if text.isprintable():
        return text
    return "".join(letter if letter in kept else _visible(letter) for letter in text)


def _visible(letter: str) -> str:
    if letter.isprintable() or unicodedata.category(letter) == "Zs" or letter in JOINERS:
        return letter
    return letter.encode("unicode_escape").decode()


JOINERS = "\u200c\u200d"  # change the shapes of the letters beside them, in Persian and in emoji


def reason(error: Exception) -> str:
    """The message of an error, without an error number or a path."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def described(error: Exception) -> str:
    """The type of an error and the first line of its message."""
    return f"{type(error).__name__}: {first_line(error)}"
