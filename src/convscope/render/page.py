"""A white page, measured in inches from its upper left corner, and the measures of text on it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D
from PIL import Image

from convscope.render.fonts import families, legible
from convscope.types import Array

Point = tuple[float, float]

DPI = 150


LINE = 1.25 / 72  # distance of lines of text, in inches per point


INK, FAINT, ACCENT, ALARM = "#222222", "#8a8a8a", "#3b6ea5", "#d1495b"


STYLE: dict[Any, Any] = {
    "font.size": 9,
    "text.parse_math": False,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


class Page:
    """A page of a size in inches. Points on it are (inches from the left, inches from the top)."""

    dpi: float = DPI

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure((width, height), dpi=self.dpi, facecolor="white")
        self._canvas = FigureCanvasAgg(self.figure)
        self._pixels_down = int(self.figure.bbox.height)
        self._inches = Affine2D().scale(self.dpi, -self.dpi).translate(0, self._pixels_down)

    def pixels(self, inches: float) -> int:
        """How many pixels of an image are of use over a length."""
        return pixels(inches)

    def picture(self, rgb: Array, left: float, top: float, width: float, height: float) -> None:
        """Put an image, bytes (H, W, 3), on the page. Much enlarged pixels stay squares."""
        size = pixels(width), pixels(height)
        large = size[0] >= 3 * rgb.shape[1]
        way = Image.Resampling.NEAREST if large else Image.Resampling.HAMMING
        image = Image.fromarray(rgb).resize(size, way).convert("RGBA")
        bottom = self._pixels_down - round(top * DPI) - size[1]
        self.figure.add_artist(_Pixels(np.asarray(image), round(left * DPI), bottom))

    def text(self, at: Point, words: str, points: float, **options: Any) -> None:
        """Put text on the page, `points` large; `options` are those of matplotlib."""
        self.figure.text(*at, legible(words), fontsize=points, transform=self._inches, **options)

    def line(self, start: Point, end: Point, **options: Any) -> None:
        """Put a straight line on the page; `options` are those of matplotlib."""
        across, down = zip(start, end, strict=True)
        self.figure.add_artist(Line2D(across, down, transform=self._inches, **options))

    def polygon(self, corners: Sequence[Point], color: Any) -> None:
        """Put a filled polygon on the page."""
        self.figure.add_artist(Polygon(corners, color=color, linewidth=0, transform=self._inches))

    def plot(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes with only the line at their bottom."""
        up = self.height - top - height
        place = left / self.width, up / self.height, width / self.width, height / self.height
        axes = self.figure.add_axes(place)
        axes.tick_params(axis="y", length=0)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        return axes

    def image(self) -> Image.Image:
        """The page as an RGB image."""
        self._canvas.draw()
        return Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert("RGB")


class _Pixels(Artist):
    """An image that is drawn pixel for pixel, many times faster than matplotlib's own artist."""

    def __init__(self, rgba: Array, left: int, bottom: int) -> None:
        super().__init__()
        self._rgba, self._left, self._bottom = rgba, left, bottom

    def draw(self, renderer: RendererBase) -> None:
        graphics = renderer.new_gc()
        renderer.draw_image(graphics, self._left, self._bottom, self._rgba[::-1])
        graphics.restore()


_SEAM = re.compile(r"(?<=[-._/])(?=[^\W\d])")  # where a module's name may be broken, say


_RULER = RendererAgg(1, 1, DPI)  # measures text as it will be drawn


def pixels(inches: float) -> int:
    """How many pixels of a page a length has; at least one."""
    return max(1, round(inches * DPI))


@lru_cache(2**15)
def width_of(words: str, points: float) -> float:
    """Width of a line of text, in inches."""
    font = FontProperties(family=list(families()), size=points)
    width, _, _ = _RULER.get_text_width_height_descent(legible(words), font, False)
    return float(width) / DPI


def widest(lines: Iterable[str], points: float) -> float:
    """Width of the widest line of text, in inches; 0 without lines."""
    return max((width_of(line, points) for line in lines), default=0.0)


def wrap(words: str, inches: float, points: float, most: int = 6) -> list[str]:
    """Text in lines of at most `inches`. A word is broken only if it is longer than a line.

    What does not fit into `most` lines is left out, and an ellipsis stands for it.
    """
    lines = _wrapped(legible(words), inches, points, most)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and width_of(f"{last}\N{HORIZONTAL ELLIPSIS}", points) > inches:
        last = last[:-1]
    return [*lines[: most - 1], f"{last.rstrip()}\N{HORIZONTAL ELLIPSIS}"]


def _wrapped(words: str, inches: float, points: float, most: int) -> list[str]:
    """The first lines, a little more than `most`."""

    def fits(text: str) -> bool:
        return width_of(text, points) <= inches

    lines = [""]
    for word in words.split():
        if len(lines) > most:
            break
        pieces = [word]
        if not fits(word):
            parts = _SEAM.split(word)
            pieces = [piece for part in parts for piece in ([part] if fits(part) else part)]
        space = " " if lines[-1] else ""
        for piece in pieces:
            if len(lines) > most:
                break
            longer = lines[-1] + space + piece
            if lines[-1] and not fits(longer):
                lines.append(piece)
            else:
                lines[-1] = longer
            space = ""
    return lines if lines[0] else []


def ticks(
    low: float, high: float, limit: int, whole: bool = False
) -> tuple[list[float], list[str], str]:
    """Round values from `low` to `high`, how to write them, and the factor left out.

    Where values are `whole` numbers, layers or counts say, there are none between these.
    """
    steps = [1, 2, 5, 10] if whole else [1, 2, 2.5, 5, 10]
    found = MaxNLocator(limit, steps=steps, integer=whole).tick_values(low, high)
    slack = 1e-6 * (high - low)
    values = [float(v) for v in found if low - slack <= v <= high + slack]
    largest = max(map(abs, values), default=0.0)
    power = math.floor(math.log10(largest) + 1e-9) if largest else 0
    power = 0 if -2 <= power <= 4 else power
    scaled = [v / 10.0**power for v in values]
    slack /= 10.0**power
    digits = next(d for d in range(20) if all(abs(v - round(v, d)) <= slack for v in scaled))
    labels = [f"{v:.{digits}f}".replace("-", "\N{MINUS SIGN}") for v in scaled]
    raised = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return values, labels, f" (\N{MULTIPLICATION SIGN}10{raised})" if power else ""
