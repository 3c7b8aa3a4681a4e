"""TODO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from convscope.errors import ConvscopeError
from convscope.types import Array

BATCH = 4_096  # rows at a time


@dataclass(frozen=True)
class Columns:
    """What is known of N images, each column in the same order.

    Columns are read a batch at a time, so they may be lazy. `places` (N, 2) are those of a map,
    `thumbnails` files (JPEG, say), `predictions` what the network says and `probabilities` how
    sure it is (NaN where it says nothing), `embeddings` (N, D). A label of None is unknown.
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
                    f"{name} must be as many as the {len(self.paths)} paths, not {len(column)}"
                )
        if not len(self.paths):
            raise ConvscopeError("there are no images to export")

    def sure(self, i: int) -> float | None:
        """The probability of image i, if there is one."""
        found = np.nan if self.probabilities is None else float(self.probabilities[i])
        return found if np.isfinite(found) else None

    def batches(self) -> Iterator[slice]:
        for first in range(0, len(self.paths), BATCH):
            yield slice(first, first + BATCH)


def not_as_text(block: Array) -> None:
    """TensorBoard takes a file of numbers for text unless some byte cannot be in UTF-8, and then
    fails: so the last eight bits of the first number become ones, a change of 3e-5 at most."""
    block.reshape(-1)[:1].view("<u4")[:] |= 0xFF


def as_utf8(words: str) -> str:
    """Without what UTF-8 cannot write: bytes of a file's name that are no letters."""
    return words.encode("utf-8", "replace").decode("utf-8")


def utf8_or_none(words: str | None) -> str | None:
    return None if words is None else as_utf8(words)
