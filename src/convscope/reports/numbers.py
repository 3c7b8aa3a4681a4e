"""The numbers on top of a report: the accuracy of each class, and what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convscope.collection import Classification, ClassNumbers, class_numbers, confusion_matrix

LARGEST = 24  # classes in the matrix

OTHERS = "(others)"  # predictions that are none of these classes


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix: a count, its fraction of the row, and the two names."""

    count: int
    fraction: float
    label: str
    prediction: str


@dataclass(frozen=True)
class Matrix:
    """Rows of labels and columns of predictions. The last column is that of all other classes.

    `others` tells how many labels are left out.
    """

    names: list[str]
    rows: list[list[Cell]]
    others: int


def worst_first(results: Sequence[Classification]) -> list[ClassNumbers]:
    """The numbers of each class, the lowest recall first."""
    return sorted(class_numbers(results), key=lambda one: (one.recall, one.label))


def matrix(results: Sequence[Classification]) -> Matrix:
    """The matrix of the labels with the most mistakes, in alphabetical order."""
    classes = class_numbers(results)

    def mistakes(one: ClassNumbers) -> int:
        return one.images - one.right + one.predicted - one.right

    chosen = sorted(classes, key=lambda one: (-mistakes(one), one.label))[:LARGEST]
    names = sorted(one.label for one in chosen)
    counts = confusion_matrix(results, names).tolist()
    other = any(row[-1] for row in counts)
    columns = [*names, *([OTHERS] if other else [])]
    return Matrix(
        columns,
        [
            [
                Cell(count, count / max(1, sum(row)), label, column)
                for count, column in zip(row, columns, strict=False)
            ]
            for label, row in zip(names, counts, strict=True)
        ],
        len(classes) - len(names),
    )
