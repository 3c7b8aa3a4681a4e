"""Matrices of counts, such as a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from convscope.render.arrangement import DrawnPanel
from convscope.render.page import ACCENT, ALARM, LINE, Page, widest, wrap
from convscope.types import Array, Matrix

# Up to so many rows a cell is so large, in inches.
CELLS = ((6, 0.5), (12, 0.38), (25, 0.27), (60, 0.16))

POINTS = 8.0  # most, of names and numbers

NAME = 1.6  # width of the longest name, in inches


def matrices(panel: Matrix) -> Sequence[MatrixPanel]:
    """The one shape of a matrix."""
    return [MatrixPanel(panel)]


class MatrixPanel(DrawnPanel):
    """A square cell for each row and column. Names stand on the left and, upright, above."""

    def __init__(self, panel: Matrix) -> None:
        self._panel = panel
        count = max(len(panel.rows), len(panel.columns))
        self._cell = next((size for most, size in CELLS if count <= most), CELLS[-1][1])
        self._points = min(POINTS, 72 * self._cell / 1.5)
        self._rows, self._columns = (self._names(names) for names in (panel.rows, panel.columns))
        line = POINTS * LINE + 0.06
        self._left = widest(self._rows, self._points) + 0.12 + line
        self._above = widest(self._columns, self._points) + 0.12 + line
        self._across, self._down = (self._cell * len(n) for n in (panel.columns, panel.rows))
        labels = (panel.column_label, panel.row_label)
        across, down = (widest([label], POINTS) for label in labels)  # they may be the longer ones
        self.width = self._left + (self._across + max(self._across, across)) / 2
        self.height = self._above + (self._down + max(self._down, down)) / 2

    def _names(self, names: Sequence[str]) -> list[str]:
        return [" ".join(wrap(name, NAME, self._points, 1)) for name in names]

    def put(self, page: Page, left: float, top: float) -> None:
        panel, line = self._panel, POINTS * LINE / 2
        across, down = left + self._left, top + self._above
        self._on(page.plot(across, down, self._across, self._down))
        middle = down + self._down / 2, across + self._across / 2
        centered = {"ha": "center", "va": "center"}
        page.text((left + line, middle[0]), panel.row_label, POINTS, rotation=90, **centered)
        page.text((middle[1], top + line), panel.column_label, POINTS, **centered)

    def _on(self, axes: Axes) -> None:
        counts, fractions = self._panel.counts.numpy(), _fractions(self._panel)
        axes.imshow(_colored(self._panel), aspect="auto", interpolation="nearest")
        axes.set_yticks(range(len(self._rows)), self._rows, fontsize=self._points)
        axes.set_xticks(range(len(self._columns)), self._columns, fontsize=self._points)
        axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
        for label in axes.get_xticklabels():
            label.set_rotation(90)
        axes.spines["bottom"].set_visible(False)
        for row, column in np.argwhere((counts > 0) | (self._panel.whole is not None)):
            number = f"{counts[row, column]:,}"
            fits = min(self._points, 72 * self._cell / (0.7 * len(number)))
            color = "white" if fractions[row, column] > 0.55 else "#222222"
            axes.text(
                column, row, number, ha="center", va="center", color=color, fontsize=fits,
            )  # fmt: skip


def _fractions(panel: Matrix) -> Array:
    counts = panel.counts.numpy()
    whole = counts.sum(1, keepdims=True) if panel.whole is None else panel.whole
    fractions: Array = counts / np.maximum(whole, 1)
    return fractions


def _colored(panel: Matrix) -> Array:
    """RGB colors (rows, columns, 3): white for none, what is right in blue, mistakes in red."""
    counts = panel.counts.numpy()
    colors = np.broadcast_to(np.array(to_rgb(ALARM)), (*counts.shape, 3)).copy()
    for row, column in panel.right:
        colors[row, column] = to_rgb(ACCENT)
    strength = _fractions(panel)[..., None] ** 0.6  # rare mistakes must be seen
    pale: Array = np.where(counts[..., None] > 0, 1 - strength * (1 - colors), 0.965)
    return pale
