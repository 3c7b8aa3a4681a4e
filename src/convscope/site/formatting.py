"""Numbers as pages write them."""

from __future__ import annotations

import math
import re

from markupsafe import Markup

MINUS = "\N{MINUS SIGN}"


def number(value: float) -> str:
    """Three digits that count: "0.0120", "12.3", "1,230"."""
    if not math.isfinite(value):
        return "none"
    rounded = float(f"{value:.2e}")  # 9.999 has as many digits as 10
    if not rounded:
        return "0"
    digits = 2 - math.floor(math.log10(abs(rounded)))
    text = f"{rounded:.1e}" if digits > 6 else f"{rounded:,.{max(0, digits)}f}"
    return text.replace("-", MINUS)


def short(value: float) -> str:
    """The same without zeros at its end, as on the scale of a chart."""
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def signed(value: float) -> str:
    """The same, with a plus before what is above zero."""
    return f"+{number(value)}" if value > 0 else number(value)


def percent(fraction: float) -> str:
    """A fraction as percents, with a digit behind the point where there are few."""
    if not math.isfinite(fraction):
        return "none"
    return f"{fraction:.0%}" if abs(fraction) >= 0.0995 or not fraction else f"{fraction:.1%}"


def count(number: int, what: str) -> str:
    """How many there are: "1 unit", "1,280 units"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def breakable(name: str) -> Markup:
    """A name of a layer, which may break into lines behind its dots and the like."""
    return Markup("<wbr>").join(re.split(r"(?<=[._:-])", name))


def as_utf8(text: str) -> str:
    """A text without what UTF-8 cannot express: bytes of a file name that are not text."""
    return text.encode("utf-8", "replace").decode()
