"""Panels to a figure, by matplotlib; a lone picture stays what it is."""

from __future__ import annotations

import math
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.render import _colours
from convscope.tensors import around_grey
from convscope.types import (
    Bars,
    Box,
    Grid,
    HeatMap,
    Histogram,
    Panel,
    Picture,
    SignedPicture,
)

Array = np.ndarray[Any, np.dtype[Any]]

HEIGHT, WIDEST, GRID_WIDEST, DPI = 3.0, 14.5, 8.5, 150
GAP, MARGIN, LETTERS_AN_INCH = 0.25, 0.12, 13
INK, FAINT, ACCENT = "#222222", "#8a8a8a", "#3b6ea5"
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,
    "axes.titlesize": 9.5,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
_SMALL: dict[str, Any] = {"va": "center", "fontsize": 7}
_CROSS: dict[str, Any] = {"color": "#d1495b", "linewidth": 0.8}
LARGEST_SHOWN = 900


@dataclass(frozen=True)
class _Size:
    """Inches: the drawing itself, and the room for labels left and right of and below it."""

    width: float
    height: float
    left: float = 0.0
    right: float = 0.0
    below: float = 0.0

    @property
    def full_width(self) -> float:
        return self.left + self.width + self.right


def draw(panels: Sequence[Panel]) -> Image.Image:
    """Panels side by side, in as many rows as they need."""
    if not panels:
        raise ConvscopeError("this frame has nothing to show")
    if len(panels) == 1 and isinstance(panels[0], Picture) and panels[0].box is None:
        return Image.fromarray(_colours.to_bytes(panels[0].rgb))
    rows = _rows(panels)
    titles = [max(_title_height(panel, size) for panel, size in row) for row in rows]
    heights = [
        title + max(size.height + size.below for _, size in row)
        for title, row in zip(titles, rows, strict=True)
    ]
    width = max(sum(size.full_width for _, size in row) + GAP * (len(row) - 1) for row in rows)
    width, height = width + 2 * MARGIN, sum(heights) + GAP * (len(rows) - 1) + 2 * MARGIN
    with mpl.rc_context(_STYLE):
        figure = Figure((width, height), dpi=DPI, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        top = height - MARGIN
        for row, title, row_height in zip(rows, titles, heights, strict=True):
            left = MARGIN
            for panel, size in row:
                bottom = top - title - size.height
                across, up = (left + size.left) / width, bottom / height
                axes = figure.add_axes((across, up, size.width / width, size.height / height))
                axes.set_title(_wrapped(panel, size), loc="left", pad=5)
                _PAINTERS[type(panel)](axes, panel)
                left += size.full_width + GAP
            top -= row_height + GAP
        with warnings.catch_warnings():
            # A label may be in letters that the font lacks; it is drawn as boxes all the same.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _rows(panels: Sequence[Panel]) -> list[list[tuple[Panel, _Size]]]:
    rows: list[list[tuple[Panel, _Size]]] = [[]]
    for panel in panels:
        size = _size(panel)
        taken = sum(other.full_width + GAP for _, other in rows[-1])
        if rows[-1] and taken + size.full_width > WIDEST:
            rows.append([])
        rows[-1].append((panel, size))
    return rows


def _wrapped(panel: Panel, size: _Size) -> str:
    """The caption in lines no longer than the panel is wide."""
    return textwrap.fill(panel.caption, max(16, int(size.full_width * LETTERS_AN_INCH)))


def _title_height(panel: Panel, size: _Size) -> float:
    lines = _wrapped(panel, size).count("\n") + 1
    return 0.12 + 0.17 * lines if panel.caption else 0.0


def _size(panel: Panel) -> _Size:
    if isinstance(panel, Picture):
        return _Size(*_fitted(panel.rgb))
    if isinstance(panel, SignedPicture):
        return _Size(*_fitted(panel.values))
    if isinstance(panel, HeatMap):
        shown = panel.values if panel.photo is None else panel.photo
        return _Size(*_fitted(shown), right=0.85)
    if isinstance(panel, Grid):
        mosaic = _Mosaic(panel)
        scale = min(mosaic.tile_inches / mosaic.width, GRID_WIDEST / mosaic.size[1])
        left = 0.25 if panel.rows else 0.0
        return _Size(mosaic.size[1] * scale, mosaic.size[0] * scale, left=left)
    if isinstance(panel, Bars):
        longest = max(map(len, panel.names), default=0)
        return _Size(3.2, HEIGHT - 0.45, left=min(2.4, 0.1 + 0.075 * longest), below=0.45)
    return _Size(3.4, HEIGHT - 0.45, below=0.45, left=0.1, right=0.1)


def _fitted(image: Tensor) -> tuple[float, float]:
    """Width and height at the usual height, or lower where the image is very wide."""
    height, width = image.shape[-2:]
    wide = min(HEIGHT * width / height, 2 * HEIGHT)
    return wide, wide * height / width


def _shrunk(image: Tensor, box: Box | None = None) -> tuple[Tensor, Box | None]:
    """No larger than a figure can show, the box with it."""
    factor = min(1.0, LARGEST_SHOWN / max(image.shape[-2:]))
    if factor == 1:
        return image, box
    size = [max(1, round(s * factor)) for s in image.shape[-2:]]
    image = torch.nn.functional.interpolate(
        image[None].float(), size, mode="bilinear", antialias=True
    )[0]
    return image, None if box is None else Box(*(value * factor for value in box))


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _picture(axes: Axes, panel: Picture) -> None:
    rgb, box = _shrunk(panel.rgb, panel.box)
    shown = _colours.to_bytes(rgb)
    if box is not None:
        seen = torch.isfinite(_colours.place(torch.zeros(1, 1), shown.shape[:2], box)).numpy()
        shown = np.where(seen[..., None], shown, (shown * _colours.DIMMED).astype(np.uint8))
    axes.imshow(shown, interpolation="antialiased", aspect="auto")
    _bare(axes)


def _signed_picture(axes: Axes, panel: SignedPicture) -> None:
    _picture(axes, Picture(around_grey(panel.values)))


def _heat_map(axes: Axes, panel: HeatMap) -> None:
    photo = panel.photo
    if photo is None:
        shown = _colours.paint(panel.values, panel.signed, panel.clip)
    else:
        photo, box = _shrunk(photo, panel.box)
        shown = _colours.overlay(panel.values, photo, box, panel.signed, panel.clip)
    axes.imshow(shown, interpolation="antialiased", aspect="auto")
    _bare(axes)
    scale = _colours.limits(panel.values, panel.signed, panel.clip)
    colours = _colours.DIVERGING if panel.signed else _colours.SEQUENTIAL
    beyond = ("both" if panel.signed else "max") if panel.clip < 1 else "neither"
    place = axes.inset_axes((1.02, 0.0, 0.035, 1.0))
    bar = axes.figure.colorbar(ScalarMappable(scale, colours), cax=place, extend=beyond)
    bar.set_label(panel.label)
    bar.outline.set_visible(False)
    bar.ax.ticklabel_format(scilimits=(-2, 3))


class _Mosaic:
    """How a grid's tiles lie on one image; all sizes but `tile_inches` in its pixels."""

    def __init__(self, panel: Grid) -> None:
        self.count, _, height, width = panel.tiles.shape
        columns = panel.columns or max(1, round(math.sqrt(self.count * 1.6 * height / width)))
        self.columns = min(columns, self.count)
        self.rows = math.ceil(self.count / self.columns)
        # Small tiles are enlarged by whole factors, so that a weight stays a square.
        self.factor = max(1, round(96 / max(height, width)))
        self.height, self.width = height * self.factor, width * self.factor
        small = max(height, width) < 16
        self.tile_inches = panel.tile_inches or (0.55 if small else 1.15)
        self.gap = max(2, self.width // (12 if small else 40))
        self.room = round(0.2 / self.tile_inches * self.width) if panel.captions else 0
        self.size = (
            self.rows * (self.height + self.gap + self.room) - self.gap,
            self.columns * (self.width + self.gap) - self.gap,
        )

    def corner(self, i: int) -> tuple[int, int]:
        row, column = divmod(i, self.columns)
        return row * (self.height + self.gap + self.room), column * (self.width + self.gap)


def _grid(axes: Axes, panel: Grid) -> None:
    tiles = panel.tiles.detach().cpu().float()
    mosaic = _Mosaic(panel)
    flat = tiles.flatten(1)
    low = flat.amin(1) if panel.low is None else torch.full((mosaic.count,), panel.low)
    high = flat.amax(1) if panel.high is None else torch.full((mosaic.count,), panel.high)
    span = (high - low).clamp_min(1e-12).view(-1, 1, 1, 1)
    tiles = ((tiles - low.view(-1, 1, 1, 1)) / span).clamp(0, 1)
    painted = tiles.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
    painted = painted.repeat(mosaic.factor, 1).repeat(mosaic.factor, 2)
    canvas = np.ones((*mosaic.size, 3), np.float32)
    height, width = mosaic.height, mosaic.width
    for i in range(mosaic.count):
        top, left = mosaic.corner(i)
        canvas[top : top + height, left : left + width] = painted[i]
        if panel.captions:
            under = top + height + mosaic.room / 2
            axes.text(left + width / 2, under, panel.captions[i], ha="center", **_SMALL)
        if i in panel.marked:
            axes.plot([left, left + width - 1], [top, top + height - 1], **_CROSS)
            axes.plot([left, left + width - 1], [top + height - 1, top], **_CROSS)
    for row, caption in enumerate(panel.rows):
        top, _ = mosaic.corner(row * mosaic.columns)
        axes.text(-mosaic.gap, top + height / 2, caption, ha="right", **_SMALL)
    axes.imshow(canvas, interpolation="antialiased", aspect="auto")
    axes.set_xlim(-0.5, mosaic.size[1] - 0.5)
    axes.set_ylim(mosaic.size[0] - 0.5, -0.5)
    _bare(axes)


def _bars(axes: Axes, panel: Bars) -> None:
    positions = np.arange(len(panel.names))[::-1]
    axes.barh(positions, panel.values, color=ACCENT, height=0.62)
    axes.set_yticks(positions, panel.names)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(panel.label)
    low, high = min(0.0, *panel.values), max(0.0, *panel.values)
    room = 0.18 * (high - low) or 1.0
    axes.set_xlim(low - room if low < 0 else 0.0, high + room)
    for position, value in zip(positions, panel.values, strict=True):
        side = "right" if value < 0 else "left"
        axes.text(value, position, f" {value:{panel.form}} ", ha=side, va="center", fontsize=8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _histogram(axes: Axes, panel: Histogram) -> None:
    values = panel.values.detach().cpu().float().flatten().numpy()
    axes.hist(values, bins=80, color=ACCENT)
    for mark in panel.marks:
        axes.axvline(mark, color="#d1495b", linewidth=0.8, linestyle="--")
    axes.set_xlabel(panel.label)
    axes.set_yticks([])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


_PAINTERS: dict[type, Callable[[Axes, Any], None]] = {
    Picture: _picture,
    SignedPicture: _signed_picture,
    HeatMap: _heat_map,
    Grid: _grid,
    Bars: _bars,
    Histogram: _histogram,
}
