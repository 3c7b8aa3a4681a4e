"""Counting what was classified as what, by hand."""

from __future__ import annotations

import pytest

from convscope.collection import Classification, class_numbers, confusion_matrix, wilson

# Label and prediction of nine images; nothing is predicted to be an eel, and a fox is no label.
PAIRS = ("aa", "aa", "ab", "ba", "bb", "bf", "ea", "ef", "ef")


def results() -> list[Classification]:
    return [Classification(row, pair[0], pair[1], 1.0, False) for row, pair in enumerate(PAIRS)]


def test_recall_and_precision() -> None:
    a, b, e = class_numbers(results())
    assert (a.label, a.images, a.right, a.predicted) == ("a", 3, 2, 4)
    assert (a.recall, a.precision) == (2 / 3, 2 / 4)
    assert (b.recall, b.precision) == (1 / 3, 1 / 2)
    assert (e.recall, e.precision) == (0, None)


def test_confusion_matrix() -> None:
    assert confusion_matrix(results(), "abe").tolist() == [[2, 1, 0, 0], [1, 1, 0, 1], [1, 0, 0, 2]]
    # Rows and columns that are not asked for are left out, their predictions counted together.
    assert confusion_matrix(results(), "eb").tolist() == [[0, 0, 3], [0, 1, 2]]


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_of_a_published_table(right: int, total: int, low: float, high: float) -> None:
    """Newcombe 1998, table I, method 3."""
    assert wilson(right, total) == pytest.approx((low, high), abs=5e-5)
    assert wilson(total - right, total) == pytest.approx((1 - high, 1 - low), abs=5e-5)
