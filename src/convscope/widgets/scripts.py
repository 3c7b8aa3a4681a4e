"""The scripts that show widgets in a browser."""

from __future__ import annotations

from pathlib import Path

# Built together with the explorer's pages.
MAP = Path(__file__).parents[1] / "web" / "static" / "widgets" / "map.js"


def script(name: str) -> str:
    """A script of this folder, behind what all of them use: a widget's script imports nothing."""
    here = Path(__file__).parent
    return "".join((here / one).read_text("utf-8") for one in ("element.js", name))
