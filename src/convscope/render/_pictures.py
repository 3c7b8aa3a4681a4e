"""Panels that are pictures: photographs, maps with their colour bar, tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.render import _colours
from convscope.render._colours import Array, Scale
from convscope.render._page import ALARM, DPI, FAINT, LINE, Page, pixels, ticks, widest, wrap
from convscope.types import Box, Grid, HeatMap, Mosaic, Sheet

HEIGHT = 3.0  # of a photograph, in inches
CANVAS = 13.5  # the longer side of a mosaic, in inches: about 2,000 pixels
PALE = 241  # its ground, on which white tiles are seen
BAR, BAR_SHORTEST = 0.11, 1.2
WORDS, NUMBERS, SMALL = 9.0, 8.0, 7.0  # points: beside a map, at its ticks, and around tiles


class Photograph:
    def __init__(self, rgb: Tensor, box: Box | None = None) -> None:
        self.width, self.height = _fitted(rgb)
        self._rgb, self._box = rgb, box

    def put(self, page: Page, left: float, top: float) -> None:
        rgb, box = _shrunk(self._rgb, self._box, pixels(max(self.width, self.height)))
        shown = _colours.to_bytes(rgb)
        if box is not None:
            seen = torch.isfinite(_colours.place(torch.zeros(1, 1), shown.shape[:2], box)).numpy()
            shown = np.where(seen[..., None], shown, (shown * _colours.DIMMED).astype(np.uint8))
        page.picture(shown, left, top, self.width, self.height)


class Map:
    """A map and its colour bar, which is never too short for its words."""

    def __init__(self, panel: HeatMap) -> None:
        self._panel, self._scale = panel, _scale(panel)
        self._across, self._down = _fitted(_ground(panel))
        self.height = max(self._down, BAR_SHORTEST)
        low, high, _ = self._scale
        self._values, self._numbers, power = ticks(low, high, max(2, round(1.7 * self.height)))
        self._label = wrap(panel.label + power, self.height, WORDS)
        self._room = 0.1 + widest(self._numbers, NUMBERS)
        self.width = self._across + 0.08 + BAR + self._room + WORDS * LINE * len(self._label)

    def put(self, page: Page, left: float, top: float) -> None:
        shown = _painted(self._panel, self._scale, pixels(max(self._across, self._down)))
        page.picture(shown, left, top, self._across, self._down)
        self._put_bar(page, left + self._across + 0.08, top)

    def _put_bar(self, page: Page, left: float, top: float) -> None:
        (low, high, signed), values = self._scale, self._panel.values.float()
        right, middle, bottom = left + BAR, left + BAR / 2, top + self.height
        # Where values go beyond the scale, its end is an arrow.
        upper = top + BAR if bool((values > high).any()) else top
        lower = bottom - BAR if bool((values < low).any()) else bottom
        ramp = _colours.ramp(signed, self._panel.photo is not None)
        for end, tip, colour in ((upper, top, ramp[0, 0]), (lower, bottom, ramp[-1, 0])):
            base = end + 0.1 * (end - tip)  # no seam
            page.polygon(((left, base), (right, base), (middle, tip)), colour / 255)
        page.picture(ramp, left, upper, BAR, lower - upper)
        for value, number in zip(self._values, self._numbers, strict=True):
            down = lower - (value - low) / (high - low) * (lower - upper)
            page.line((right, down), (right + 0.03, down), color=FAINT, linewidth=0.6)
            page.text((right + 0.05, down), number, NUMBERS, va="center_baseline")
        beside = right + self._room, top + self.height / 2
        page.text(beside, "\n".join(self._label), WORDS, rotation=90, ha="left", va="center")


class Tiles:
    """Pictures in rows, each in room of the same size, words below each and beside each row."""

    def __init__(
        self,
        panel: Grid | Sheet,
        paint: Callable[[int], Iterable[Array]],
        count: int,
        ratio: float,
        captions: Sequence[str],
        *,
        side: float,
        gap: float,
        within: float,
    ) -> None:
        """`paint` is told how many pixels are shown; `ratio` is width to height; `side` is that of
        a square as large as a tile; all columns lie `within` some inches."""
        self._paint = paint
        self._marked = panel.marked if isinstance(panel, Grid) else frozenset()
        columns = panel.columns or max(1, round(math.sqrt(count * 1.6 / ratio)))
        self._columns = min(columns, count)
        side = panel.tile_inches or side
        across, down = side * math.sqrt(ratio), side / math.sqrt(ratio)
        # Narrow tiles stand further apart where they have captions.
        named = min(0.9, 0.06 + widest(captions, SMALL)) if captions else 0.0
        self._cell = min(max(across, named), (within + gap) / self._columns - gap)
        scale = min(1.0, self._cell / across, HEIGHT / down)
        self._across, self._down = across * scale, down * scale
        self._captions = [wrap(caption, self._cell - 0.04, SMALL) for caption in captions]
        lines = max(map(len, self._captions), default=0)
        self._pitch = self._down + gap + (0.08 + SMALL * LINE * lines if lines else 0.0)
        # Short words beside a row, and all beside a flat one, are upright.
        self._upright = widest(panel.rows, SMALL) <= 0.3 or self._down < 0.6
        self._rows = [wrap(row, 1.2 if self._upright else self._down, SMALL) for row in panel.rows]
        if self._upright:
            room = max((widest(row, SMALL) for row in self._rows), default=0.0)
        else:
            room = SMALL * LINE * max(map(len, self._rows))
        self._left = 0.06 + room if panel.rows else 0.0
        self._stride = self._cell + gap
        self.width = self._left + self._columns * self._stride - gap
        self.height = math.ceil(count / self._columns) * self._pitch - gap

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
        for i, rgb in enumerate(self._paint(pixels(max(self._across, self._down)))):
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


class Thumbnails:
    """Tiles on a pale canvas, each with a thin white rim; small ones are enlarged at most twice."""

    def __init__(self, panel: Mosaic) -> None:
        self._panel = panel
        most = min(CANVAS * DPI / max(panel.size), 2 * panel.tiles.shape[-1])
        self._side = max(1, int(most))  # in whole pixels, or gaps of a grid would differ
        across, down = (max(1, round(length * self._side)) for length in panel.size)
        self.width, self.height = across / DPI, down / DPI

    def put(self, page: Page, left: float, top: float) -> None:
        side, rim = self._side, 1 if self._side >= 16 else 0
        canvas = np.full((pixels(self.height), pixels(self.width), 3), PALE, np.uint8)
        corners = (self._panel.places * side - side / 2).round().int().tolist()
        for tile, (x, y) in zip(self._panel.tiles, corners, strict=True):
            inner = (side - 2 * rim,) * 2
            framed = np.full((side, side, 3), 255, np.uint8)
            framed[rim : side - rim, rim : side - rim] = _colours.to_bytes(_resized(tile, inner))
            # What lies beyond the canvas is cut off.
            room = canvas[max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)]
            room[:] = framed[max(-y, 0) :, max(-x, 0) :][: room.shape[0], : room.shape[1]]
        page.picture(canvas, left, top, self.width, self.height)


def grid(panel: Grid) -> Tiles:
    count, _, height, width = panel.tiles.shape
    side, gap = (0.55, 0.045) if max(height, width) < 16 else (1.15, 0.03)
    return Tiles(
        panel,
        lambda _: _bytes(panel),
        count,
        width / height,
        panel.captions,
        side=side,
        gap=gap,
        within=8.5,
    )


def sheet(panel: Sheet) -> Tiles:
    """Photographs decide the shape of a tile, where there are any."""
    maps = panel.maps
    shapes = [m.photo.shape[-2:] for m in maps if m.photo is not None]
    ratio = median(width / height for height, width in shapes or [m.values.shape for m in maps])
    captions = [m.caption for m in maps] if any(m.caption for m in maps) else []

    def paint(most: int) -> Iterator[Array]:
        return (_painted(m, _scale(m), most) for m in maps)

    within = 8.5 if panel.columns is None else 14.0
    return Tiles(panel, paint, len(maps), ratio, captions, side=1.6, gap=0.06, within=within)


def _bytes(panel: Grid) -> Iterator[Array]:
    """Each tile as bytes (h, w, 3), from `low` to `high` or its own extremes."""
    for tile in panel.tiles.detach().cpu().float():
        low = float(tile.min()) if panel.low is None else panel.low
        high = float(tile.max()) if panel.high is None else panel.high
        yield _colours.to_bytes((tile - low) / max(high - low, 1e-12))


def _scale(panel: HeatMap) -> Scale:
    return _colours.limits(panel.values, panel.signed, panel.clip, panel.top)


def _painted(panel: HeatMap, scale: Scale, most: int) -> Array:
    """Bytes (H, W, 3); of a photo's pixels not many more than `most` a side are needed."""
    if panel.photo is None:
        return _colours.paint(panel.values, scale)
    photo, box = _shrunk(panel.photo, panel.box, most)
    return _colours.overlay(panel.values, photo, box, scale)


def _ground(panel: HeatMap) -> Tensor:
    return panel.values if panel.photo is None else panel.photo


def _fitted(image: Tensor) -> tuple[float, float]:
    """Width and height at the usual height, or lower where the image is very wide."""
    height, width = image.shape[-2:]
    wide = min(HEIGHT * width / height, 2 * HEIGHT)
    return wide, wide * height / width


def _inside(rgb: Array, across: float, down: float) -> tuple[float, float]:
    """Width and height of a picture in a tile's room. Small ones are enlarged by a whole factor, so
    that a weight stays a square."""
    height, width, _ = rgb.shape
    factor = min(across * DPI / width, down * DPI / height)
    factor = int(factor + 1e-6) if factor >= 3 and max(height, width) < 100 else factor
    return width * factor / DPI, height * factor / DPI


def _shrunk(image: Tensor, box: Box | None, most: int) -> tuple[Tensor, Box | None]:
    """No larger than `most` pixels a side, the box with it."""
    factor = min(1.0, most / max(image.shape[-2:]))
    if factor == 1:
        return image, box
    image = _resized(image, [max(1, round(s * factor)) for s in image.shape[-2:]])
    return image, None if box is None else Box(*(value * factor for value in box))


def _resized(image: Tensor, size: Sequence[int]) -> Tensor:
    if image.shape[-2:] == torch.Size(size):
        return image
    return F.interpolate(image[None].float(), list(size), mode="bilinear", antialias=True)[0]
