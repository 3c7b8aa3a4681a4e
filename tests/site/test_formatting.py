"""Numbers and names as pages write them, each written by hand."""

from __future__ import annotations

import math

import pytest

from convscope.site import formatting


@pytest.mark.parametrize(
    ("value", "text", "short"),
    [
        (0.27, "0.270", "0.27"),
        (0.06049, "0.0605", "0.0605"),
        (27, "27.0", "27"),
        (9.999, "10.0", "10"),
        (-1.5, "\N{MINUS SIGN}1.50", "\N{MINUS SIGN}1.5"),
        (1234.5, "1,230", "1,230"),
        (0.00000123, "1.2e\N{MINUS SIGN}06", "1.2e\N{MINUS SIGN}06"),
        (0, "0", "0"),
        (math.inf, "none", "none"),
    ],
)
def test_numbers(value: float, text: str, short: str) -> None:
    assert formatting.number(value) == text
    assert formatting.short(value) == short


def test_signs_and_counts() -> None:
    assert formatting.signed(0.27) == "+0.270"
    assert formatting.signed(0) == "0"
    assert formatting.count(1, "unit") == "1 unit"
    assert formatting.count(1280, "unit") == "1,280 units"


def test_names_break_behind_dots_and_the_like() -> None:
    assert formatting.breakable("global_pool.<b>:") == "global_<wbr>pool.<wbr>&lt;b&gt;:<wbr>"
