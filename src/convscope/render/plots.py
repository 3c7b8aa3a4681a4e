"""Panels with axes: bars, histograms, curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from convscope.render.arrangement import DrawnPanel
from convscope.render.page import ACCENT, ALARM, FAINT, LINE, Page, ticks, widest, wrap
from convscope.types import Bars, Curves, Histogram

HEIGHT = 3.0  # of a plot in inches, with the text below it


ACROSS, LEADER = 3.6, 0.25  # width of a plot, and the distance of curves to their names, in inches


STRETCH = 0.04  # cost of a plot that is e times as wide or high as usual


WORDS, SMALL = 9.0, 8.0  # points: labels of axes, and names


# Color-blind people can distinguish these (after Okabe and Ito 2008), and text in them is legible.
HUES = (ACCENT, "#d55e00", "#009e73", "#b4559a", "#3fa2d9", "#c98a00")


PALE = "#e6e6e6"


HEIGHTS, WIDTHS = (HEIGHT, 2.2, 4.0), (ACROSS, 2.8, 5.0)  # of plots, in inches, the usual first


PITCHES = (0.42, 0.6, 0.8, 0.28, 0.2)  # distances of bars, in inches, the usual first


BAR, NAMED, BESIDE = 3.2, 2.4, 0.3  # widths of bars, of their names, and between columns, in inches


def bars(panel: Bars) -> Sequence[BarsPanel]:
    """The shapes of a panel of bars; in one they are as high as an image, if that can be."""
    count = len(panel.names)
    shapes = []
    for columns in range(1, max(1, min(4, count // 3)) + 1):
        as_images = (HEIGHT - _below([panel.label])) / max(1, math.ceil(count / columns))
        pitches = [PITCHES[0], min(max(PITCHES), max(min(PITCHES), as_images)), *PITCHES[1:]]
        shapes += [BarsPanel(panel, BAR * x, y, columns) for y in pitches for x in (1, 0.7, 1.5)]
    return sorted(shapes, key=lambda one: one.cost)


def histograms(panel: Histogram) -> Sequence[HistogramPanel]:
    """The shapes of a histogram."""
    return [HistogramPanel(panel, across, down) for down in HEIGHTS for across in WIDTHS]


def curves(panel: Curves) -> Sequence[CurvesPanel]:
    """The shapes of a panel of curves."""
    return [CurvesPanel(panel, across, down) for down in HEIGHTS for across in WIDTHS]


def _unusual(*ratios: float) -> float:
    """The cost of a shape whose sizes are these multiples of the usual ones."""
    return sum(STRETCH * abs(math.log(ratio)) for ratio in ratios)


class BarsPanel(DrawnPanel):
    """Horizontal bars, each with its name on the left and its value at its end.

    Several columns of bars have one scale.
    """

    def __init__(self, panel: Bars, across: float, pitch: float, columns: int = 1) -> None:
        self._panel, self._across = panel, across
        self._texts = [f" {value:{panel.form}} " for value in panel.values]
        lines = max(1, int(pitch / (SMALL * LINE)))
        self._names = ["\n".join(wrap(name, NAMED, SMALL, lines)) for name in panel.names]
        self._left = 0.1 + max((widest(n.split("\n"), SMALL) for n in self._names), default=0.0)
        self._label = wrap(panel.label, across, WORDS)
        self._rows = max(1, math.ceil(len(panel.names) / columns))
        self._down, self._stride = pitch * self._rows, self._left + across + BESIDE
        self.width = columns * self._stride - BESIDE
        self.height = self._down + _below(self._label)
        self.filled = len(panel.names) / (self._rows * columns)
        self.cost = _unusual(across / BAR, pitch / PITCHES[0], columns)

    def put(self, page: Page, left: float, top: float) -> None:
        for column, first in enumerate(range(0, len(self._names), self._rows)):
            at = left + self._left + column * self._stride
            self.on(page.plot(at, top, self._across, self._down), first)

    def on(self, axes: Axes, first: int = 0) -> None:
        """Draw a column of bars on axes, from the bar of this number on."""
        part = slice(first, first + self._rows)
        values, texts = self._panel.values[part], self._texts[part]
        positions = range(self._rows - 1, self._rows - 1 - len(values), -1)
        axes.barh(positions, values, color=ACCENT, height=0.62)
        axes.set_yticks(positions, self._names[part])
        axes.set_ylim(-0.55, self._rows - 0.45)
        low, high = self._ends(widest(self._texts, SMALL))
        axes.set_xlim(low, high)
        whole = _whole(self._panel.values)
        _number(axes, self._label, ticks(low, high, round(1.6 * self._across), whole))
        for position, value, text in zip(positions, values, texts, strict=True):
            side = "right" if value < 0 else "left"
            axes.text(value, position, text, ha=side, va="center", fontsize=SMALL)

    def _ends(self, room: float) -> tuple[float, float]:
        """The values at both ends, so that a text as wide as `room` fits beside each bar."""
        values = [value for value in self._panel.values if math.isfinite(value)]
        low, high = min([0.0, *values]), max([0.0, *values])
        below, above = low < 0, high > 0 or low == 0
        per_inch = ((high - low) or 1.0) / max(0.3, self._across - (below + above) * room)
        return low - below * room * per_inch, high + above * room * per_inch


class HistogramPanel(DrawnPanel):
    """A histogram with dashed lines at the marks."""

    def __init__(self, panel: Histogram, across: float, down: float) -> None:
        self._panel, self._across = panel, across
        self._label = wrap(panel.label, across - 0.2, WORDS)
        self._down = down - _below(self._label)
        self.width, self.height = across, down
        self.cost = _unusual(across / ACROSS, down / HEIGHT)

    def put(self, page: Page, left: float, top: float) -> None:
        self.on(page.plot(left + 0.1, top, self._across - 0.2, self._down))

    def on(self, axes: Axes) -> None:
        """Draw the histogram on axes."""
        values = self._panel.values.detach().cpu().float().flatten().numpy()
        axes.hist(values, bins=80, color=ACCENT)
        for mark in self._panel.marks:
            axes.axvline(mark, color=ALARM, linewidth=0.8, linestyle="--")
        _number(axes, self._label, ticks(*axes.get_xlim(), round(1.6 * self._across)))
        axes.set_yticks([])


class CurvesPanel(DrawnPanel):
    """Curves, each with its name beside its end. Names do not overlap."""

    def __init__(self, panel: Curves, across: float, down: float) -> None:
        self._panel, self._across = panel, across
        self._x_range = _range(panel.x)
        values = [value for line in panel.lines.values() for value in line if math.isfinite(value)]
        low, high = _range(values)
        room = 0.04 * (high - low)
        if min(values, default=0.0) >= 0:
            self._y_range = 0.0, 1.04 * max(values, default=0.0) or 1.0
        else:
            self._y_range = low - room, high + room
        self._x_ticks = ticks(*self._x_range, round(1.6 * across), _whole(panel.x))
        self._y_ticks = ticks(*self._y_range, 6)
        self._x_label = wrap(panel.x_label + self._x_ticks[2], across, WORDS)
        self._down = down - _below(self._x_label)
        self._y_label = wrap(panel.y_label + self._y_ticks[2], self._down, WORDS)
        self._left = 0.12 + WORDS * LINE * len(self._y_label) + widest(self._y_ticks[1], SMALL)
        self._names = {name: wrap(name, 1.5, SMALL, 4) for name in panel.lines}
        named = max((widest(lines, SMALL) for lines in self._names.values()), default=0.0)
        self.width, self.height = self._left + across + LEADER + named, down
        self.cost = _unusual(across / ACROSS, down / HEIGHT)

    def put(self, page: Page, left: float, top: float) -> None:
        middle = top + self._down / 2
        page.text((left, middle), "\n".join(self._y_label), WORDS, rotation=90, va="center")
        left += self._left
        self.on(page.plot(left, top, self._across, self._down))
        self._put_names(page, left, top)

    def on(self, axes: Axes) -> None:
        """Draw the curves on axes, without their names."""
        panel = self._panel
        axes.set_xlim(self._x_range)
        axes.set_ylim(self._y_range)
        axes.set_xticks(*self._x_ticks[:2])
        axes.set_yticks(*self._y_ticks[:2])
        axes.set_xlabel("\n".join(self._x_label))
        axes.grid(axis="y", color=PALE, linewidth=0.6)
        axes.set_axisbelow(True)
        if self._y_range[0] < 0:
            axes.axhline(0, color=FAINT, linewidth=0.6)
        styles = _styles(panel)
        for name, line in panel.lines.items():
            faint = name in panel.faint
            there = np.isfinite(line)
            # A value between two gaps makes no line, so it gets a dot.
            alone = there & ~np.append(False, there[:-1]) & ~np.append(there[1:], False)
            axes.plot(
                panel.x,
                line,
                label=name,
                **styles[name],
                linewidth=1.0 if faint else 1.6,
                zorder=2.0 if faint else 2.5,
                marker="o",
                markersize=3,
                markevery=np.flatnonzero(alone).tolist(),
                clip_on=False,
            )
        strong = panel.lines.keys() - panel.faint
        if len(strong) == 1 and self._y_range[0] == 0:
            (name,) = strong
            color = styles[name]["color"]
            axes.fill_between(panel.x, panel.lines[name], color=color, alpha=0.12, linewidth=0)

    def _put_names(self, page: Page, left: float, top: float) -> None:
        """Put each name to the right of the plot, near the end of its line, with a line to it."""
        styles = _styles(self._panel)
        ends = {}
        for name, line in self._panel.lines.items():
            for x, y in zip(self._panel.x, line, strict=True):
                if math.isfinite(y):
                    across = self._across * _fraction(x, self._x_range)
                    ends[name] = left + across, top + self._down * (1 - _fraction(y, self._y_range))
        order = sorted(ends, key=lambda name: ends[name][1])
        heights = [SMALL * LINE * len(self._names[name]) for name in order]
        # A name is never above the plot, where the caption is, except for half a line.
        highest = [top + (height - SMALL * LINE) / 2 for height in heights]
        centers = [max(ends[name][1], least) for name, least in zip(order, highest, strict=True)]
        places = _apart(centers, heights, top + self._down)
        right = left + self._across
        for name, down in zip(order, places, strict=True):
            color = styles[name]["color"]
            out = right + 0.04, ends[name][1]
            page.line(ends[name], out, color=color, linewidth=0.6, linestyle=":")
            page.line(out, (right + LEADER - 0.05, down), color=color, linewidth=0.6)
            words = "\n".join(self._names[name])
            page.text((right + LEADER, down), words, SMALL, color=color, va="center")


def _styles(panel: Curves) -> dict[str, dict[str, Any]]:
    """Color and dashes of each line, all different as long as there are enough."""
    styles = {}
    strong, faint = 0, 0
    for name in panel.lines:
        if name in panel.faint:
            styles[name] = {"color": FAINT, "linestyle": ("--", ":", "-.")[faint % 3]}
            faint += 1
        else:
            again, hue = divmod(strong, len(HUES))
            styles[name] = {"color": HUES[hue], "linestyle": ("-", "--", ":", "-.")[again % 4]}
            strong += 1
    return styles


def _apart(centers: Sequence[float], heights: Sequence[float], bottom: float) -> list[float]:
    """Ascending centers, moved down, and up again from `bottom`, until nothing overlaps."""
    places = list(centers)
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + (heights[i - 1] + heights[i]) / 2)
    for i in reversed(range(len(places))):
        places[i] = min(places[i], bottom - heights[i] / 2)
        bottom = places[i] - heights[i] / 2
    return places


def _below(label: Sequence[str]) -> float:
    """Height of the numbers and the label below a plot, in inches."""
    return 0.29 + WORDS * LINE * len(label)


def _number(axes: Axes, label: Sequence[str], found: tuple[list[float], list[str], str]) -> None:
    """Put numbers and a label below a plot."""
    values, numbers, power = found
    axes.set_xticks(values, numbers)
    axes.set_xlabel("\n".join(label) + power)


def _whole(values: Sequence[float]) -> bool:
    return all(float(value).is_integer() for value in values)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=0.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _fraction(value: float, ends: tuple[float, float]) -> float:
    return (value - ends[0]) / (ends[1] - ends[0])
