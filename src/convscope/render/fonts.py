"""Letters: the fonts that draw them, and what stands for those that no font has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.ft2font import FT2Font

FONT = "DejaVu Sans"


# Fonts of further scripts that systems come with. They are used where they are installed.
FURTHER = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Nirmala UI",
    "Leelawadee UI",
    "Noto Sans",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Emoji",
    "Segoe UI Emoji",
)


MISSING = "\N{REPLACEMENT CHARACTER}"


NOTE = f"{MISSING} is a letter that no installed font has. Install Noto Sans CJK to see it."


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@cache
def families() -> tuple[str, ...]:
    """The fonts that text is drawn with; a later one has the letters that the earlier ones lack."""
    installed = {font.name for font in fontManager.ttflist}
    return (FONT, *(name for name in FURTHER if name in installed))


def legible(words: str) -> str:
    """Text, with a mark for each letter that cannot be drawn."""
    words = _CONTROL.sub(MISSING, words)
    if words.isascii():
        return words
    return "".join(letter if letter.isspace() or _drawn(letter) else MISSING for letter in words)


def lacking(texts: Iterable[str]) -> bool:
    """Whether a letter of these texts cannot be drawn."""
    return any(MISSING in legible(text) for text in texts)


@cache
def _drawn(letter: str) -> bool:
    return any(font.get_char_index(ord(letter)) for font in _fonts())


@cache
def _fonts() -> tuple[FT2Font, ...]:
    return tuple(get_font(findfont(FontProperties(family=name))) for name in families())
