"""What every export has in common: the columns of a collection, and text in UTF-8."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from convscope.errors import ConvscopeError
from convscope.types import Array

BATCH = 4_096  # rows at a time


@dataclass(frozen=True)
class Columns:
    """What is known of N images; all columns are in the same order, and are read in batches.

    Args:
        paths: their paths.
        places: (N, 2) coordinates on a map.
        thumbnails: image files, such as JPEG.
        labels: their labels; None if a label is unknown.
        predictions: names of their likeliest classes; None if there is none.
        probabilities: (N,) probabilities of the predictions; NaN if there is none.
        embeddings: (N, D).

    Raises:
        ConvscopeError: there are no images, or the columns differ in length.
    """

    paths: Sequence[str]
    places: Array
    thumbnails: Sequence[bytes]
    labels: Sequence[str | None] | None = None
    predictions: Sequence[str | None] | None = None
    probabilities: Array | None = None
    embeddings: Array | None = None

    def __post_init__(self) -> None:
        for name, column in vars(self).items():
            if column is not None and len(column) != len(self.paths):
                raise ConvscopeError(
                    f"{name} must have {len(self.paths)} entries, one for each path, not"
                    f" {len(column)}"
                )
        if not len(self.paths):
            raise ConvscopeError("there are no images to export")

    def probability(self, row: int) -> float | None:
        """The probability of an image's prediction, if there is one."""
        found = np.nan if self.probabilities is None else float(self.probabilities[row])
        return found if np.isfinite(found) else None

    def batches(self) -> Iterator[slice]:
        """The rows, a batch at a time."""
        for first in range(0, len(self.paths), BATCH):
            yield slice(first, first + BATCH)


def as_utf8(text: str) -> str:
    """The text without what UTF-8 cannot express: bytes of a file name that are not text."""
    return text.encode("utf-8", "replace").decode("utf-8")


def utf8_or_none(text: str | None) -> str | None:
    return None if text is None else as_utf8(text)
