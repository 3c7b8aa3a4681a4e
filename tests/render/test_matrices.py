"""Matrices of counts: what the colors mean, and which numbers are written."""

from __future__ import annotations

from unittest import mock

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from convscope.render import draw
from convscope.render.page import ACCENT, ALARM
from convscope.types import Array
from convscope.types.panels import Matrix

COUNTS = torch.tensor([[1, 0, 1], [1, 9, 0]])


def drawn(whole: int | None) -> tuple[Array, list[str]]:
    """The colors of the cells, (rows, columns, 3), and the numbers in them."""
    rows, columns = ("a", "b"), ("x", "y", "z")
    right = frozenset({(0, 0), (1, 0)})
    panel = Matrix(COUNTS, rows, columns, "row", "column", right, whole=whole)
    with (
        mock.patch.object(Axes, "imshow", autospec=True) as shown,
        mock.patch.object(Axes, "text", autospec=True, side_effect=Axes.text) as written,
    ):
        draw((panel,))
    (call,) = shown.call_args_list
    return call.args[1], [one.args[3] for one in written.call_args_list]


def test_of_a_whole_equal_counts_have_equal_colors_and_zeros_are_written() -> None:
    colors, numbers = drawn(10)
    assert numbers == ["1", "0", "1", "1", "9", "0"]
    np.testing.assert_array_equal(colors[0, 0], colors[1, 0])
    strength = (1 / 10) ** 0.6
    np.testing.assert_allclose(colors[0, 0], 1 - strength * (1 - np.array(to_rgb(ACCENT))))
    np.testing.assert_allclose(colors[0, 2], 1 - strength * (1 - np.array(to_rgb(ALARM))))


def test_without_one_colors_are_fractions_of_the_row() -> None:
    colors, numbers = drawn(None)
    assert numbers == ["1", "1", "1", "9"]
    strength = (1 / 2) ** 0.6
    np.testing.assert_allclose(colors[0, 0], 1 - strength * (1 - np.array(to_rgb(ACCENT))))
    assert colors[0, 0].sum() < colors[1, 0].sum(), "darker: half of its row, not a tenth"
