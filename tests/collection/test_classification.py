"""Counting what was classified as what, by hand."""

from __future__ import annotations

from convscope.collection import Classification, class_numbers, confusion_matrix

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
