"""Names of files as an index stores them: as UTF-8, whatever bytes they are made of.

Python gives a byte of a name that is no UTF-8 as a lone surrogate, which neither Parquet nor
pydantic takes. So such a byte is stored as a character from U+EF80 to U+EFFF, which are for private
use. A name that has such characters of its own is stored with their bytes in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

BYTES = 0xEF00  # the character that stands for byte 0

_ODD = re.compile("[\udc80-\udcff\uef80-\uefff]")

_STORED = re.compile("[\uef80-\uefff]+")


def stored(name: str) -> str:
    """A name, or a text with a name in it, as UTF-8 can express it."""
    if name.isascii():
        return name
    return _ODD.sub(lambda found: _as_characters(found[0]), name)


def named(text: str) -> str:
    """What was stored, as Python names files."""
    return text if text.isascii() else _STORED.sub(lambda found: _as_bytes(found[0]), text)


def in_json(values: Any, change: Callable[[str], str]) -> Any:
    """Values as JSON holds them, with all texts in them changed: by `stored` or by `named`."""
    if isinstance(values, str):
        return change(values)
    if isinstance(values, dict):
        return {name: in_json(value, change) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [in_json(value, change) for value in values]
    return values


def _as_characters(odd: str) -> str:
    return "".join(chr(BYTES + byte) for byte in odd.encode("utf-8", "surrogateescape"))


def _as_bytes(characters: str) -> str:
    return bytes(ord(one) - BYTES for one in characters).decode("utf-8", "surrogateescape")


def leads_out(path: str) -> bool:
    """Whether a path is not that of a file below the folder it is relative to."""
    return path.startswith("/") or "\0" in path or ".." in path.split("/")
