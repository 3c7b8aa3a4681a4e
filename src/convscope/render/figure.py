"""Panels side by side in one picture; a single RGB image stays as it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeGuard, TypeVar

import matplotlib as mpl
from PIL import Image

from convscope.errors import ConvscopeError
from convscope.render import colors, matrices, pictures, plots, tiles, vector
from convscope.render.arrangement import GAP, TITLE, DrawnPanel, Row, Titled, across, arranged
from convscope.render.channels import in_colors
from convscope.render.fonts import NOTE, families, lacking
from convscope.render.page import LINE, STYLE, Page, wrap
from convscope.render.vector import VectorFormat, VectorPage
from convscope.tensors import around_gray
from convscope.types import (
    Bars,
    Curves,
    Grid,
    HeatMap,
    Histogram,
    Matrix,
    Mosaic,
    Panel,
    Picture,
    Sheet,
    SignedPicture,
)

MARGIN = 0.12  # inches


SMALL = 7.0  # points of a note


EMPTY = "this frame has nothing to show"


P = TypeVar("P", bound=Page)


# matplotlib's settings belong to the whole process.
_SETTINGS = threading.Lock()


# The shapes that a panel may have, the usual one first.
_SHAPES: dict[type, Callable[[Any], Sequence[DrawnPanel]]] = {
    Picture: lambda panel: [pictures.ImagePanel(panel.rgb, panel.box, panel.enlarge)],
    SignedPicture: lambda panel: [pictures.ImagePanel(around_gray(panel.values))],
    HeatMap: lambda panel: [pictures.HeatMapPanel(panel)],
    Grid: tiles.grids,
    Sheet: tiles.sheets,
    Mosaic: lambda panel: [tiles.MosaicPanel(panel)],
    Bars: plots.bars,
    Histogram: plots.histograms,
    Curves: plots.curves,
    Matrix: matrices.matrices,
}


def draw(panels: Sequence[Panel]) -> Image.Image:
    """One picture of all panels, side by side in as many rows as they need.

    Raises:
        ConvscopeError: no panels.
    """
    if not panels:
        raise ConvscopeError(EMPTY)
    colored = _shown(panels)
    if len(panels) == 1 and colored[0] is panels[0] and _stands_alone(panels[0]):
        return Image.fromarray(colors.to_bytes(panels[0].rgb))
    with _SETTINGS, mpl.rc_context(_settings()):
        return _page(colored, Page).image()


def draw_mosaic(panel: Mosaic) -> Image.Image:
    """The canvas of a mosaic, with the names of its tiles and without margin and caption."""
    with _SETTINGS, mpl.rc_context(_settings()):
        drawn = tiles.MosaicPanel(panel)
        page = Page(drawn.width, drawn.height)
        drawn.put(page, 0, 0)
        return page.image()


def draw_vector(panels: Sequence[Panel], kind: VectorFormat, provenance: str) -> bytes:
    """The content of a PDF or SVG file: all panels, with text as text and images as they are.

    Args:
        panels: what is drawn.
        kind: the format.
        provenance: a text that the file carries.

    Raises:
        ConvscopeError: no panels.
    """
    if not panels:
        raise ConvscopeError(EMPTY)
    with _SETTINGS, mpl.rc_context(_settings()):
        return _page(_shown(panels), VectorPage).content(kind, provenance)


def _shown(panels: Sequence[Panel]) -> list[Panel]:
    """The panels in colors; a picture that is enlarged says so."""
    return [_said(one) if isinstance(one, Picture) else one for one in in_colors(panels)]


def _said(panel: Picture) -> Picture:
    factor = pictures.enlargement(panel.rgb) if panel.enlarge else 1
    if factor == 1:
        return panel
    height, width = panel.rgb.shape[-2:]
    size = f"{width} px" if width == height else f"{width} x {height} px"
    said = f"{size}, enlarged {factor} times"
    return replace(panel, caption=f"{panel.caption} ({said})" if panel.caption else said)


def _settings() -> dict[Any, Any]:
    """matplotlib's own settings with ours, whatever style its user has chosen."""
    kept = {"backend", "backend_fallback", "interactive"}
    usual = {key: value for key, value in mpl.rcParamsDefault.items() if key not in kept}
    return {**usual, **STYLE, **vector.STYLE, "font.family": list(families())}


def _stands_alone(panel: Panel) -> TypeGuard[Picture]:
    return isinstance(panel, Picture) and panel.box is None


def _page(panels: Sequence[Panel], kind: type[P]) -> P:
    rows = arranged([[Titled(one, p.caption) for one in _SHAPES[type(p)](p)] for p in panels])
    above = [max(one.above for one in row) for row in rows]
    below = [max(one.drawn.height for one in row) for row in rows]
    width, height = max(map(across, rows)), sum(above) + sum(below) + GAP * (len(rows) - 1)
    note = wrap(NOTE, width, SMALL) if lacking(_texts(panels)) else []
    room = SMALL * LINE * len(note) + 0.1 if note else 0.0
    page = kind(width + 2 * MARGIN, height + room + 2 * MARGIN)
    top = MARGIN
    for row, title, down in zip(rows, above, below, strict=True):
        _put(page, row, top + title)
        top += title + down + GAP
    if note:
        page.text((MARGIN, MARGIN + height + 0.1), "\n".join(note), SMALL, va="top")
    return page


def _put(page: Page, row: Row, top: float) -> None:
    """Put the panels of a row side by side, from `top` on, with their captions above it."""
    left = MARGIN
    for one in row:
        page.text((left, top - one.above), "\n".join(one.title), TITLE, va="top")
        one.drawn.put(page, left, top)
        left += one.width + GAP


def _texts(part: object) -> Iterator[str]:
    """All texts of panels."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping | tuple | list | frozenset):
        for inner in part:
            yield from _texts(inner)
    elif is_dataclass(part):
        for field in fields(part):
            yield from _texts(getattr(part, field.name))
