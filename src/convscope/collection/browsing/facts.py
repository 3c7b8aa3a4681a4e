"""What is known of each image of an index, as columns that a page colors, filters and sorts by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa

from convscope.collection.browsing.odd import compared, oddness
from convscope.collection.classification import by_network, network_classes
from convscope.collection.reading import Index
from convscope.errors import ConvscopeError, unknown
from convscope.types import Array

# All columns, and what a page calls them.
TITLES = {
    "label": "Label",
    "prediction": "Prediction",
    "outcome": "Right or wrong",
    "probability": "Probability",
    "oddness": "Oddness: how far the nearest are",
    "width": "Width in pixels",
    "height": "Height in pixels",
    "size": "Size in bytes",
    "path": "Path",
}

NUMBERS = frozenset({"probability", "oddness", "width", "height", "size"})


@dataclass(frozen=True)
class Column:
    """One fact about each of N images.

    Args:
        values: (N,) float32, NaN where it is unknown; or uint32, each the number of a word.
        words: the texts that the values number, "" where it is unknown; none for numbers.
    """

    values: Array
    words: tuple[str, ...] = ()

    def packed(self) -> bytes:
        """The values in little-endian order, and then the words in UTF-8, NUL between them."""
        values = self.values.astype(self.values.dtype.newbyteorder("<"))
        return values.tobytes() + "\0".join(self.words).encode("utf-8", "replace")


class Facts:
    """The columns of an index. Each is made when it is asked for first."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._made: dict[str, Column] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that say something about this collection."""
        left_out = set() if self._labels else {"label"}
        left_out |= set() if self._judged else {"outcome"}
        left_out |= set() if self.index.output else {"prediction", "probability"}
        return tuple(name for name in TITLES if name not in left_out)

    @staticmethod
    def kind(name: str) -> Literal["numbers", "words"]:
        """What the values of a column are."""
        return "numbers" if name in NUMBERS else "words"

    def title(self, name: str) -> str:
        """What a page calls a column."""
        among = compared(len(self.index))
        sampled = name == "oddness" and among < len(self.index)
        return TITLES[name] + (f" of {among:,} at random" if sampled else "")

    def __getitem__(self, name: str) -> Column:
        """A column by its name.

        Raises:
            ConvscopeError: there is none of that name.
        """
        if name not in TITLES:
            raise unknown("column", name, TITLES)
        if name not in self._made:
            self._made[name] = self._column(name)
        return self._made[name]

    def _column(self, name: str) -> Column:
        if name == "outcome":
            return self._outcome()
        if name == "oddness":
            return Column(oddness(self.index))
        values = self._records[name]
        if name in NUMBERS:
            known = values.cast(pa.float32()).fill_null(float("nan"))
            return Column(known.to_numpy().astype(np.float32))
        found = values.fill_null("").combine_chunks().dictionary_encode()
        numbers = found.indices.to_numpy(zero_copy_only=False).astype(np.uint32)
        return Column(numbers, tuple(found.dictionary.to_pylist()))

    @cached_property
    def _records(self) -> pa.Table:
        return pa.Table.from_batches(self.index.records())

    @property
    def _labels(self) -> set[str]:
        return {label for label in self.index.folders if label is not None}

    @property
    def _judged(self) -> bool:
        """Whether some labels are classes of the network."""
        return bool(network_classes(self.index.output, self._labels))

    def _outcome(self) -> Column:
        numbers = np.zeros(len(self.index), np.uint32)
        if self.index.output is not None:
            for one in by_network(self.index.output, self.index, self.index.folders):
                numbers[one.row] = 1 if one.right else 2
        return Column(numbers, ("", "right", "wrong"))


def check_rows(index: Index, rows: Sequence[int], limit: int) -> None:
    """Fail if rows are none of an index, or too many at once.

    Raises:
        ConvscopeError: they are.
    """
    if len(rows) > limit:
        raise ConvscopeError(f"ask for at most {limit:,} photographs at once, not {len(rows):,}")
    if wrong := [row for row in rows if not 0 <= row < len(index)]:
        raise ConvscopeError(f"there is no photograph {wrong[0]:,} among {len(index):,}")
