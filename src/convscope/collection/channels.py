"""What a channel does over many images: its extremes, how its values are distributed.

Of parts of a collection these can be worked out anywhere and in any order, and be brought together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from convscope.types import Array

# Of a half-precision number the sign, the exponent and one bit more: two bins an octave, the same
# for every network, so that counts can be added up whatever the values turn out to be.
BINS = 128


# Of larger maps only every second, third, ... row and column are counted: neighboring places say
# much the same, and counting all would take longer than the network's own first layers.
COUNTED = 1024


def bin_edges() -> Array:
    """Where the bins of a histogram begin, ascending, and where the last one ends: (BINS + 1,)."""
    indices = np.arange(BINS // 2, dtype=np.uint16) << 9
    positive = indices.view(np.float16).astype(np.float64)
    positive[-2:] = 2.0**16, np.inf  # what half precision calls infinite, or no number
    edges = np.append(positive, np.inf)
    return np.concatenate([-edges[:0:-1], edges])


@dataclass(frozen=True)
class Top:
    """Of C channels the K images that each answers to most, best first: arrays (C, K).

    An image stands for its strongest place only: `positions` is row * width + column in the map.
    The order is total, (-value, row, position), and of images with the same content (by the first
    64 bits of their SHA-256) the first alone counts. So `best` is associative, commutative and
    idempotent.
    """

    values: Array
    rows: Array
    positions: Array
    contents: Array

    @classmethod
    def of(cls, values: Array, positions: Array, rows: Array, contents: Array, count: int) -> Top:
        """From all images' values and positions (N, C), their rows and contents (N,)."""
        surplus = len(contents) - len(np.unique(contents))
        limit = min(count + surplus, len(rows))
        # One unique number an image, in the total order: a selection may then come in any order.
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
        """In order, each content once, at most `count`."""
        # -0.0 and 0.0 are the same value.
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
        # All channels have met the same contents, so a row is as long as any other, or long enough.
        distinct = int((~repeated).sum(1).min())
        return top._taken(first[:, : min(count, distinct)])

    def joined(self, other: Top) -> Top:
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
        images: how many images were seen.
        places: values of a channel in one image.
        counted: how many of these `positive` and `histogram` count, evenly spread over the map.
        total: (C,) float64, the sum of all values.
        positive: (C,) int64, how many values were above zero.
        low, high: (C,) float32, the extremes.
        histogram: (C, BINS) int64, how many values, rounded to half precision, lie in each bin of
            `bin_edges`.
        top, bottom: the strongest images, and the weakest (by their values negated).
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
        """(C,) the mean over images and places."""
        return self.total / max(1, self.images * self.places)

    @property
    def sparsity(self) -> Array:
        """(C,) the share of values that are not above zero."""
        return 1 - self.positive / max(1, self.images * self.counted)

    @property
    def constant(self) -> Array:
        """(C,) whether a channel says the same of everything everywhere."""
        return np.asarray(self.low == self.high)

    @property
    def silent(self) -> Array:
        """(C,) whether a channel was never above zero."""
        return np.asarray(self.high <= 0)

    def moved(self, rows: int) -> Channels:
        """The same where the first image has the number `rows`."""
        top, bottom = (replace(t, rows=t.rows + rows) for t in (self.top, self.bottom))
        return replace(self, top=top, bottom=bottom)

    def joined(self, other: Channels, count: int) -> Channels:
        """Of both parts, with the `count` strongest and weakest images."""
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
    """All layers of several parts; a part without images has none."""

    found: dict[str, Channels] = {}
    for part in parts:
        found |= {n: found[n].joined(one, count) if n in found else one for n, one in part.items()}
    return found


class Watch:
    """Follows one layer through batches, to tell at the end what its channels did."""

    def __init__(self) -> None:
        self._highs: list[tuple[Array, Array]] = []
        self._lows: list[tuple[Array, Array]] = []
        self._total: Tensor | float = 0.0
        self._positive: Tensor | int = 0
        self._histogram: Tensor | int = 0
        self._places = self._counted = 1

    def extremes(self, values: Tensor) -> tuple[Tensor, ...]:
        """Of (N, P, C) the highest values, their places, the lowest, theirs: each (N, C)."""
        high, low = values.max(1), values.min(1)
        return high.values, high.indices, low.values, low.indices

    def add(self, values: Tensor, extremes: Sequence[Tensor], width: int = 1) -> None:
        """Take in values (N, P, C) of maps so many places wide, and their extremes."""
        high, high_at, low, low_at = (e.cpu().numpy() for e in extremes)
        self._highs.append((high.astype(np.float32), high_at.astype(np.int32)))
        self._lows.append((low.astype(np.float32), low_at.astype(np.int32)))
        self._places = values.shape[1]
        # An image's own values are few enough for single precision; images are added in double.
        self._total = self._total + values.sum(1).cpu().double().sum(0)
        flat = _lattice(values, width).flatten(0, 1)
        self._counted = len(flat) // len(values)
        # The shift keeps the sign: -64 to -1 for negative numbers, 0 to 63 for the others.
        bins = flat.half().view(torch.int16).bitwise_right_shift_(9)
        channels = torch.arange(flat.shape[1], dtype=torch.int32, device=flat.device)
        indices = (bins + (BINS // 2 + BINS * channels)).flatten()
        counts = torch.bincount(indices, minlength=BINS * flat.shape[1]).view(-1, BINS)
        self._histogram = self._histogram + counts
        # As sums of ones, less than half the time of counting; they are exact up to 2^24 values.
        self._positive = self._positive + flat.sign().clamp_(min=0).sum(0).long()

    def channels(self, contents: Array, count: int) -> Channels:
        """What they did, over images numbered from 0 whose contents these are."""
        assert isinstance(self._total, Tensor)
        assert isinstance(self._positive, Tensor)
        assert isinstance(self._histogram, Tensor)
        rows = np.arange(len(contents))
        high, high_at = (np.concatenate(part) for part in zip(*self._highs, strict=True))
        low, low_at = (np.concatenate(part) for part in zip(*self._lows, strict=True))
        counts = self._histogram.cpu().numpy()
        half = BINS // 2  # of negative numbers, those nearest to zero come first
        return Channels(
            len(contents),
            self._places,
            self._counted,
            self._total.cpu().numpy(),
            self._positive.cpu().numpy(),
            low.min(0),
            high.max(0),
            np.concatenate([counts[:, half - 1 :: -1], counts[:, half:]], 1),
            Top.of(high, high_at, rows, contents, count),
            Top.of(-low, low_at, rows, contents, count),
        )


def _lattice(values: Tensor, width: int) -> Tensor:
    """Of maps (N, P, C) every so many rows and columns, so that few enough places are left."""
    step = math.ceil(math.sqrt(values.shape[1] / COUNTED))
    if step < 2:
        return values
    count, _, channels = values.shape
    maps = values.view(count, -1, width, channels)
    return maps[:, ::step, ::step].flatten(1, 2)


def to_table(layers: Mapping[str, Channels]) -> pa.Table:
    """A row for each channel of each layer."""
    tables = [_rows(layer, found) for layer, found in layers.items()]
    return pa.concat_tables(tables) if tables else pa.table({})


def _rows(layer: str, found: Channels) -> pa.Table:
    count = len(found.total)
    columns: dict[str, Any] = {
        "layer": pa.array([layer] * count).dictionary_encode(),
        "channel": pa.array(np.arange(count, dtype=np.int32)),
        "images": pa.array(np.full(count, found.images)),
        "places": pa.array(np.full(count, found.places)),
        "counted": pa.array(np.full(count, found.counted)),
        "total": found.total,
        "positive": found.positive,
        "low": found.low,
        "high": found.high,
        "histogram": _lists(found.histogram),
    }
    for name, top in (("top", found.top), ("bottom", found.bottom)):
        columns |= {
            f"{name}_value": _lists(top.values if name == "top" else -top.values),
            f"{name}_row": _lists(top.rows),
            f"{name}_position": _lists(top.positions),
            f"{name}_content": _lists(top.contents),
        }
    return pa.table(columns)


def from_table(table: pa.Table) -> dict[str, Channels]:
    """The layers of a table, in its order."""
    if not len(table):
        return {}
    names = table["layer"].to_pylist()
    begins = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    found = {}
    for begin, end in zip(begins, [*begins[1:], len(names)], strict=True):
        part = table.slice(begin, end - begin).combine_chunks()

        columns = {name: _array(part[name].combine_chunks()) for name in table.column_names[2:]}
        top, bottom = (
            Top(*(columns[f"{end}_{word}"] for word in ("value", "row", "position", "content")))
            for end in ("top", "bottom")
        )
        found[names[begin]] = Channels(
            images=int(columns["images"][0]),
            places=int(columns["places"][0]),
            counted=int(columns["counted"][0]),
            top=top,
            bottom=replace(bottom, values=-bottom.values),
            **{name: columns[name] for name in ("total", "positive", "low", "high", "histogram")},
        )
    return found


def _array(column: pa.Array) -> Array:
    """Numbers (C,), or lists as (C, K)."""
    lists = pa.types.is_list(column.type)
    values: Array = (column.flatten() if lists else column).to_numpy()
    return values.reshape(len(column), -1) if lists else values


def _lists(values: Array) -> pa.Array:
    """(C, K) as lists, of which the files say nothing but their numbers."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(values).reshape(-1)))
