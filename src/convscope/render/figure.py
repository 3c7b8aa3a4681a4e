"""Panels side by side in one picture; a single RGB image stays as it is."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeGuard

import matplotlib as mpl
from PIL import Image

from convscope.errors import ConvscopeError
from convscope.render import colors, pictures, plots, tiles
from convscope.render.channels import in_colors
from convscope.render.page import LINE, STYLE, Page, widest, wrap
from convscope.tensors import around_gray
from convscope.types import (
    Bars,
    Curves,
    Grid,
    HeatMap,
    Histogram,
    Mosaic,
    Panel,
    Picture,
    Sheet,
    SignedPicture,
)

WIDEST, GAP, MARGIN = 15.0, 0.25, 0.12  # inches


NARROWEST, TITLE = 1.25, 9.5  # least width of a caption in inches, and its size in points


class DrawnPanel(Protocol):
    """A panel that knows its size in inches, and how to put itself on a page."""

    width: float
    height: float

    def put(self, page: Page, left: float, top: float) -> None: ...


_DRAWN: dict[type, Callable[[Any], DrawnPanel]] = {
    Picture: lambda panel: pictures.ImagePanel(panel.rgb, panel.box),
    SignedPicture: lambda panel: pictures.ImagePanel(around_gray(panel.values)),
    HeatMap: pictures.HeatMapPanel,
    Grid: tiles.grid,
    Sheet: tiles.sheet,
    Mosaic: tiles.MosaicPanel,
    Bars: plots.BarsPanel,
    Histogram: plots.HistogramPanel,
    Curves: plots.CurvesPanel,
}


def draw(panels: Sequence[Panel]) -> Image.Image:
    """One picture of all panels, side by side in as many rows as they need.

    Raises:
        ConvscopeError: no panels.
    """
    if not panels:
        raise ConvscopeError("this frame has nothing to show")
    colored = in_colors(panels)
    if len(panels) == 1 and colored[0] is panels[0] and _stands_alone(panels[0]):
        return Image.fromarray(colors.to_bytes(panels[0].rgb))
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        return _arranged([_Titled(panel) for panel in colored])


def _stands_alone(panel: Panel) -> TypeGuard[Picture]:
    return isinstance(panel, Picture) and panel.box is None


class _Titled:
    """A panel and the lines of its caption, which stand above it."""

    def __init__(self, panel: Panel) -> None:
        self.drawn = _DRAWN[type(panel)](panel)
        self.title = wrap(panel.caption, max(NARROWEST, self.drawn.width), TITLE)
        self.above = TITLE * LINE * len(self.title) + 0.07 if self.title else 0.0
        self.width = max(self.drawn.width, widest(self.title, TITLE))


def _arranged(panels: Sequence[_Titled]) -> Image.Image:
    rows: list[list[_Titled]] = [[]]
    for panel in panels:
        if rows[-1] and _across([*rows[-1], panel]) > WIDEST:
            rows.append([])
        rows[-1].append(panel)
    above = [max(one.above for one in row) for row in rows]
    below = [max(one.drawn.height for one in row) for row in rows]
    height = sum(above) + sum(below) + GAP * (len(rows) - 1)
    page = Page(max(map(_across, rows)) + 2 * MARGIN, height + 2 * MARGIN)
    top = MARGIN
    for row, title, room in zip(rows, above, below, strict=True):
        left = MARGIN
        for one in row:
            at = left, top + title - one.above
            page.text(at, "\n".join(one.title), TITLE, va="top")
            one.drawn.put(page, left, top + title)
            left += one.width + GAP
        top += title + room + GAP
    return page.image()


def _across(row: Sequence[_Titled]) -> float:
    return sum(one.width for one in row) + GAP * (len(row) - 1)
