"""What channels do over many images: their extremes, and how their values are distributed.

Parts of a collection can be worked on anywhere and in any order, and their results joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from convscope.types import Array

# A bin holds the half-precision numbers with the same sign, exponent and first bit of the fraction.
# That makes two bins per octave, the same for all networks, so that counts can be added up.
BINS = 128


def bin_edges() -> Array:
    """The edges of a histogram's bins, ascending: (BINS + 1,)."""
    indices = np.arange(BINS // 2, dtype=np.uint16) << 9
    positive = indices.view(np.float16).astype(np.float64)
    positive[-2:] = 2.0**16, np.inf  # infinity and NaN in half precision
    edges = np.append(positive, np.inf)
    return np.concatenate([-edges[:0:-1], edges])


@dataclass(frozen=True)
class Top:
    """The K images to which each of C channels answers most, best first: arrays (C, K).

    Only the strongest position of an image counts; `positions` is row * width + column in the map.
    Images are ordered by (-value, row, position). Only the first of images with the same content
    counts (the same first 64 bits of their SHA-256). So joining, and then taking the best, is
    associative, commutative and idempotent.
    """

    values: Array
    rows: Array
    positions: Array
    contents: Array

    @classmethod
    def of(cls, values: Array, positions: Array, rows: Array, contents: Array, count: int) -> Top:
        """The top of N images, from values and positions (N, C), rows and contents (N,)."""
        surplus = len(contents) - len(np.unique(contents))
        limit = min(count + surplus, len(rows))
        # Each image gets a unique number that follows the order, so the selection may be unsorted.
        by_row = np.argsort(rows, kind="stable")
        keys = (_descending(values[by_row].T) << np.uint64(32)) | np.arange(
            len(rows), dtype=np.uint64
        )
        chosen = by_row[np.argpartition(keys, limit - 1, axis=1)[:, :limit]]
        across = np.arange(values.shape[1])[:, None]
        found = cls(
            values[chosen, across],
            rows[chosen].astype(np.int64),
            positions[chosen, across].astype(np.int32),
            contents[chosen],
        )
        return found.best(count)

    def best(self, count: int) -> Top:
        """The first `count`, in order, each content once."""
        # Adding 0.0 makes -0.0 and 0.0 the same.
        order = np.lexsort((self.positions, self.rows, -(self.values + 0.0)), axis=1)
        top = self._taken(order)
        if not top.contents.size:
            return top
        by_content = np.argsort(top.contents, axis=1, kind="stable")
        sorted_ = np.take_along_axis(top.contents, by_content, 1)
        again = np.zeros(sorted_.shape, bool)
        again[:, 1:] = sorted_[:, 1:] == sorted_[:, :-1]
        repeated = np.empty_like(again)
        np.put_along_axis(repeated, by_content, again, 1)
        first = np.argsort(repeated, axis=1, kind="stable")
        # All channels have the same contents, so all rows are equally long or long enough.
        distinct = int((~repeated).sum(1).min())
        return top._taken(first[:, : min(count, distinct)])

    def joined(self, other: Top) -> Top:
        """The images of both, not in order."""
        return Top(
            *(
                np.concatenate([getattr(self, f.name), getattr(other, f.name)], 1)
                for f in fields(self)
            )
        )

    def _taken(self, order: Array) -> Top:
        return Top(*(np.take_along_axis(getattr(self, f.name), order, 1) for f in fields(self)))


def _descending(values: Array) -> Array:
    """Numbers (uint64, below 2^32) that ascend where float32 values descend."""
    bits = (np.ascontiguousarray(values, np.float32) + np.float32(0)).view(np.uint32)
    ascending = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (~ascending).astype(np.uint64)


@dataclass(frozen=True)
class Channels:
    """What the C channels of one layer did over some images.

    Args:
        images: number of images.
        places: number of values that a channel has for one image.
        counted: how many of these count in `positive` and `histogram`, evenly spread over the map.
        total: (C,) float64, sum of all values.
        positive: (C,) int64, number of values above zero.
        low: (C,) float32, lowest value.
        high: (C,) float32, highest value.
        histogram: (C, BINS) int64, number of values, rounded to half precision, in each bin of
            `bin_edges`.
        top: the images with the highest values.
        bottom: the images with the lowest values, which are negated.
    """

    images: int
    places: int
    counted: int
    total: Array
    positive: Array
    low: Array
    high: Array
    histogram: Array
    top: Top
    bottom: Top

    @property
    def mean(self) -> Array:
        """(C,) mean over images and positions."""
        return self.total / max(1, self.images * self.places)

    @property
    def sparsity(self) -> Array:
        """(C,) fraction of values that are not above zero."""
        return 1 - self.positive / max(1, self.images * self.counted)

    @property
    def constant(self) -> Array:
        """(C,) whether all values of a channel are the same."""
        return np.asarray(self.low == self.high)

    @property
    def silent(self) -> Array:
        """(C,) whether no value of a channel is above zero."""
        return np.asarray(self.high <= 0)

    def moved(self, rows: int) -> Channels:
        """The same, with the images numbered from `rows` on."""
        top, bottom = (replace(t, rows=t.rows + rows) for t in (self.top, self.bottom))
        return replace(self, top=top, bottom=bottom)

    def joined(self, other: Channels, count: int) -> Channels:
        """Both parts together, with the `count` strongest and weakest images."""
        return Channels(
            self.images + other.images,
            self.places,
            self.counted,
            self.total + other.total,
            self.positive + other.positive,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.histogram + other.histogram,
            self.top.joined(other.top).best(count),
            self.bottom.joined(other.bottom).best(count),
        )


def merged(parts: Iterable[Mapping[str, Channels]], count: int) -> dict[str, Channels]:
    """All layers of several parts; a part without images has no layers."""
    found: dict[str, Channels] = {}
    for part in parts:
        found |= {n: found[n].joined(one, count) if n in found else one for n, one in part.items()}
    return found
