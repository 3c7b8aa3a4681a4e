"""Panels of many images: tiles in rows and columns, and mosaics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median

import numpy as np
from matplotlib.patheffects import withStroke

from convscope.render import colors
from convscope.render.arrangement import DrawnPanel
from convscope.render.page import (
    ALARM,
    DPI,
    INK,
    LINE,
    Page,
    pixels,
    widest,
    wrap,
)
from convscope.render.pictures import HEIGHT, SMALL, painted, resized, scale_of
from convscope.types import Array, Grid, Mosaic, Sheet

CANVAS = 13.5  # the longer side of a mosaic, in inches: about 2,000 pixels


NAMED = 0.6  # inches of the smallest tile on which its name is written


TINY = 6.0  # points of such a name


PALE = 241  # gray of its ground, on which white tiles are visible


SCALES = (1.0, 0.85, 0.7, 1.25)  # of tiles


ASPECT = 1.6  # width of all tiles together over their height, where nothing says how many columns


# What other shapes cost, as a fraction of the page: rows that are not full, tiles that are e times
# as small or large, and tiles that are together e times as wide or high as `ASPECT` says.
UNFILLED, RESIZED, UNUSUAL = 0.06, 0.15, 0.12


class TilesPanel(DrawnPanel):
    """Tiles in cells of one size, with a caption below each tile and beside each row."""

    def __init__(
        self,
        panel: Grid | Sheet,
        paint: Callable[[int], Iterable[Array]],
        count: int,
        shape: tuple[float, float],
        captions: Sequence[str],
        *,
        columns: int,
        scale: float,
        side: float,
        gap: float,
        within: float,
    ) -> None:
        """Measure the tiles.

        Args:
            panel: what is drawn: its rows, columns and marks.
            paint: gives all tiles as bytes (h, w, 3); its argument is the longer side of a tile on
                the page, in pixels.
            count: number of tiles.
            shape: height and width of a tile, in its own pixels.
            captions: one for each tile, or none.
            columns: number of columns.
            scale: how much larger tiles are drawn than they usually are.
            side: side of a square as large as a tile, in inches, where the panel does not say it.
            gap: distance between tiles in inches.
            within: greatest width of all columns together, in inches.
        """
        self._paint = paint
        self._marked = panel.marked if isinstance(panel, Grid) else frozenset()
        self._columns = columns
        ratio = shape[1] / shape[0]
        side = scale * (panel.tile_inches or side)
        across, down = side * math.sqrt(ratio), side / math.sqrt(ratio)
        # Narrow tiles get more distance where they have captions.
        named = min(0.9, 0.06 + widest(captions, SMALL)) if captions else 0.0
        self._cell = min(max(across, named), (within + gap) / self._columns - gap)
        smaller = min(1.0, self._cell / across, HEIGHT / down)
        self._across, self._down = across * smaller, down * smaller
        if isinstance(panel, Grid):
            self._across, self._down = _whole(shape, self._across, self._down)
            self._cell = max(self._across, min(self._cell, named))
        self._captions = [wrap(caption, self._cell - 0.04, SMALL, 4) for caption in captions]
        lines = max(map(len, self._captions), default=0)
        self._pitch = self._down + gap + (0.08 + SMALL * LINE * lines if lines else 0.0)
        # Captions of rows are horizontal if they are short or the row is low.
        self._upright = widest(panel.rows, SMALL) <= 0.3 or self._down < 0.6
        self._rows = [wrap(row, 1.2 if self._upright else self._down, SMALL) for row in panel.rows]
        if self._upright:
            room = max((widest(row, SMALL) for row in self._rows), default=0.0)
        else:
            room = SMALL * LINE * max(map(len, self._rows))
        self._left = 0.06 + room if panel.rows else 0.0
        self._stride = self._cell + gap
        self.width = self._left + self._columns * self._stride - gap
        rows = math.ceil(count / columns)
        self.height = rows * self._pitch - gap
        self.filled = count / (rows * columns)
        self.cost = RESIZED * abs(math.log(scale * smaller))
        if panel.columns is None:
            unusual = abs(math.log(columns * self._across / (rows * self._down) / ASPECT))
            self.cost += UNUSUAL * unusual + UNFILLED * (self.filled < 1)

    def put(self, page: Page, left: float, top: float) -> None:
        for row, lines in enumerate(self._rows):
            down = top + row * self._pitch + self._down / 2
            page.text(
                (left + self._left - 0.06, down),
                "\n".join(lines),
                SMALL,
                ha="right",
                va="center",
                rotation=0 if self._upright else 90,
                multialignment="right" if self._upright else "center",
            )
        for i, rgb in enumerate(self._paint(page.pixels(max(self._across, self._down)))):
            row, column = divmod(i, self._columns)
            middle = left + self._left + column * self._stride + self._cell / 2
            above = top + row * self._pitch
            across, down = _inside(rgb, self._across, self._down)
            edge, start = middle - across / 2, above + (self._down - down) / 2
            page.picture(rgb, edge, start, across, down)
            if i in self._marked:
                for one, other in ((start, start + down), (start + down, start)):
                    page.line((edge, one), (edge + across, other), color=ALARM, linewidth=0.8)
            if self._captions:
                at = middle, above + self._down + 0.05
                page.text(at, "\n".join(self._captions[i]), SMALL, ha="center", va="top")


class MosaicPanel(DrawnPanel):
    """Tiles on a pale ground, each with a thin white rim. They are enlarged at most twice."""

    def __init__(self, panel: Mosaic) -> None:
        self._panel = panel
        limit = min(CANVAS * DPI / max(panel.size), 2 * panel.tiles.shape[-1])
        self._side = max(1, int(limit))  # whole pixels, so that all gaps of a grid are equal
        across, down = (max(1, round(length * self._side)) for length in panel.size)
        self.width, self.height = across / DPI, down / DPI

    def put(self, page: Page, left: float, top: float) -> None:
        side, rim = self._side, 1 if self._side >= 16 else 0
        canvas = np.full((pixels(self.height), pixels(self.width), 3), PALE, np.uint8)
        corners = (self._panel.places * side - side / 2).round().int().tolist()
        for tile, (x, y) in zip(self._panel.tiles, corners, strict=True):
            inner = (side - 2 * rim,) * 2
            framed = np.full((side, side, 3), 255, np.uint8)
            framed[rim : side - rim, rim : side - rim] = colors.to_bytes(resized(tile, inner))
            # Tiles are cut off at the edges of the canvas.
            room = canvas[max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)]
            room[:] = framed[max(-y, 0) :, max(-x, 0) :][: room.shape[0], : room.shape[1]]
        page.picture(canvas, left, top, self.width, self.height)
        if side >= NAMED * DPI:
            self._name(page, left, top)

    def _name(self, page: Page, left: float, top: float) -> None:
        """Write the names on the tiles: white, with dark edges that any picture leaves legible."""
        inches = self._side / DPI
        edges = [withStroke(linewidth=1.4, foreground=INK)]
        for name, (x, y) in zip(self._panel.names, self._panel.places.tolist(), strict=False):
            at = left + x * inches, top + (y + 0.5) * inches - 0.05
            text = "\n".join(wrap(name, inches - 0.06, TINY, 2))
            page.text(
                at,
                text,
                TINY,
                ha="center",
                va="baseline",
                color="white",
                path_effects=edges,
                linespacing=1.0,
            )


def grids(panel: Grid) -> Sequence[TilesPanel]:
    """The shapes of a grid of small images."""
    count, _, height, width = panel.tiles.shape
    side, gap = (0.55, 0.045) if max(height, width) < 16 else (1.15, 0.03)

    def shaped(columns: int, scale: float) -> TilesPanel:
        return TilesPanel(
            panel,
            lambda _: in_bytes(panel),
            count,
            (height, width),
            panel.captions,
            columns=columns,
            scale=scale,
            side=side,
            gap=gap,
            within=8.5,
        )

    return _shapes(panel, count, shaped, panel.together)


def sheets(panel: Sheet) -> Sequence[TilesPanel]:
    """The shapes of many heatmaps. Tiles are like their photographs, if there are any."""
    maps = panel.maps
    shapes = [m.photo.shape[-2:] for m in maps if m.photo is not None]
    ratio = median(width / height for height, width in shapes or [m.values.shape for m in maps])
    captions = [m.caption for m in maps] if any(m.caption for m in maps) else []

    def paint(limit: int) -> Iterator[Array]:
        return (painted(m, scale_of(m), limit) for m in maps)

    def shaped(columns: int, scale: float) -> TilesPanel:
        return TilesPanel(
            panel,
            paint,
            len(maps),
            (1.0, ratio),
            captions,
            columns=columns,
            scale=scale,
            side=1.6,
            gap=0.06,
            within=8.5 if panel.columns is None else 14.0,
        )

    return _shapes(panel, len(maps), shaped)


def _shapes(
    panel: Grid | Sheet,
    count: int,
    shaped: Callable[[int, float], TilesPanel],
    together: int = 1,
) -> list[TilesPanel]:
    """The shapes of tiles, the best first, whatever else is on the page."""
    groups = math.ceil(count / together)
    counts = {together * math.ceil(groups / rows) for rows in range(1, groups + 1)}
    if panel.columns is not None:
        counts = {min(panel.columns, count)}
    elif panel.rows:
        counts = {math.ceil(count / len(panel.rows))}
    shapes = [shaped(columns, scale) for scale in SCALES for columns in sorted(counts)]
    return sorted(shapes, key=lambda one: one.cost + 1 - one.filled)


def in_bytes(panel: Grid) -> Iterator[Array]:
    """Each tile as bytes (h, w, 3), black at `low` and white at `high` or at its own extremes."""
    for tile in panel.tiles.detach().cpu().float():
        low = float(tile.min()) if panel.low is None else panel.low
        high = float(tile.max()) if panel.high is None else panel.high
        yield colors.to_bytes((tile - low) / max(high - low, 1e-12))


def _inside(rgb: Array, across: float, down: float) -> tuple[float, float]:
    """Width and height of a tile in its cell, in inches."""
    height, width, _ = rgb.shape
    factor = min(across * DPI / width, down * DPI / height)
    return _whole((height, width), width * factor / DPI, height * factor / DPI)


def _whole(shape: tuple[float, float], across: float, down: float) -> tuple[float, float]:
    """The size of a tile in inches. Small tiles are enlarged by a whole factor, so that a weight
    stays a square."""
    factor = across * DPI / shape[1]
    if factor < 3 or max(shape) >= 100:
        return across, down
    factor = int(factor + 1e-6)
    return shape[1] * factor / DPI, shape[0] * factor / DPI
