"""Panels with axes: bars, histograms, curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convscope.render.page import ACCENT, ALARM, FAINT, LINE, Page, ticks, widest, wrap
from convscope.types import Bars, Curves, Histogram

HEIGHT = 3.0  # of a plot in inches, with the text below it


ACROSS, LEADER = 3.6, 0.25  # width of a plot of curves, and its distance to the names, in inches


WORDS, SMALL = 9.0, 8.0  # points: labels of axes, and names


# Color-blind people can distinguish these (after Okabe and Ito 2008), and text in them is legible.
HUES = (ACCENT, "#d55e00", "#009e73", "#b4559a", "#3fa2d9", "#c98a00")


PALE = "#e6e6e6"


class BarsPanel:
    """Horizontal bars, each with its name on the left and its value at its end."""

    def __init__(self, panel: Bars) -> None:
        self._panel = panel
        self._left = 0.1 + widest(panel.names, SMALL)
        self._label = wrap(panel.label, 3.2, WORDS)
        self.width, self.height = self._left + 3.2, HEIGHT

    def put(self, page: Page, left: float, top: float) -> None:
        panel = self._panel
        axes = page.plot(left + self._left, top, 3.2, HEIGHT - _below(self._label))
        positions = np.arange(len(panel.names))[::-1]
        axes.barh(positions, panel.values, color=ACCENT, height=0.62)
        axes.set_yticks(positions, panel.names)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("\n".join(self._label))
        low, high = min(0.0, *panel.values), max(0.0, *panel.values)
        room = 0.18 * (high - low) or 1.0
        axes.set_xlim(low - room if low < 0 else 0.0, high + room)
        for position, value in zip(positions, panel.values, strict=True):
            side = "right" if value < 0 else "left"
            axes.text(value, position, f" {value:{panel.form}} ", ha=side, va="center", fontsize=8)


class HistogramPanel:
    """A histogram with dashed lines at the marks."""

    def __init__(self, panel: Histogram) -> None:
        self._panel = panel
        self._label = wrap(panel.label, 3.4, WORDS)
        self.width, self.height = 3.6, HEIGHT

    def put(self, page: Page, left: float, top: float) -> None:
        axes = page.plot(left + 0.1, top, 3.4, HEIGHT - _below(self._label))
        values = self._panel.values.detach().cpu().float().flatten().numpy()
        axes.hist(values, bins=80, color=ACCENT)
        for mark in self._panel.marks:
            axes.axvline(mark, color=ALARM, linewidth=0.8, linestyle="--")
        axes.set_xlabel("\n".join(self._label))
        axes.set_yticks([])


class CurvesPanel:
    """Curves, each with its name beside its end. Names do not overlap."""

    def __init__(self, panel: Curves) -> None:
        self._panel = panel
        self._x_range = _range(panel.x)
        values = [value for line in panel.lines.values() for value in line if math.isfinite(value)]
        low, high = _range(values)
        room = 0.04 * (high - low)
        if min(values, default=0.0) >= 0:
            self._y_range = 0.0, 1.04 * max(values, default=0.0) or 1.0
        else:
            self._y_range = low - room, high + room
        self._x_ticks, self._y_ticks = ticks(*self._x_range, 6), ticks(*self._y_range, 6)
        self._x_label = wrap(panel.x_label + self._x_ticks[2], ACROSS, WORDS)
        self._down = HEIGHT - _below(self._x_label)
        self._y_label = wrap(panel.y_label + self._y_ticks[2], self._down, WORDS)
        self._left = 0.12 + WORDS * LINE * len(self._y_label) + widest(self._y_ticks[1], SMALL)
        self._names = {name: wrap(name, 1.5, SMALL) for name in panel.lines}
        named = max((widest(lines, SMALL) for lines in self._names.values()), default=0.0)
        self.width, self.height = self._left + ACROSS + LEADER + named, HEIGHT

    def put(self, page: Page, left: float, top: float) -> None:
        panel = self._panel
        middle = top + self._down / 2
        page.text((left, middle), "\n".join(self._y_label), WORDS, rotation=90, va="center")
        left += self._left
        axes = page.plot(left, top, ACROSS, self._down)
        axes.set_xlim(self._x_range)
        axes.set_ylim(self._y_range)
        axes.set_xticks(*self._x_ticks[:2])
        axes.set_yticks(*self._y_ticks[:2])
        axes.tick_params(axis="y", length=0)
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
        self._put_names(page, left, top, styles)

    def _put_names(
        self, page: Page, left: float, top: float, styles: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Put each name to the right of the plot, near the end of its line, with a line to it."""
        ends = {}
        for name, line in self._panel.lines.items():
            for x, y in zip(self._panel.x, line, strict=True):
                if math.isfinite(y):
                    across = ACROSS * _fraction(x, self._x_range)
                    ends[name] = left + across, top + self._down * (1 - _fraction(y, self._y_range))
        order = sorted(ends, key=lambda name: ends[name][1])
        heights = [SMALL * LINE * len(self._names[name]) for name in order]
        places = _apart([ends[name][1] for name in order], heights, top + self._down)
        right = left + ACROSS
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


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=0.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _fraction(value: float, ends: tuple[float, float]) -> float:
    return (value - ends[0]) / (ends[1] - ends[0])
