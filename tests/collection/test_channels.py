"""Extremes and distributions of channels, against plain Python and float64 NumPy."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.collection import channel_table, channels
from convscope.collection.accumulator import Accumulator
from convscope.collection.channels import BINS, Channels, Top, bin_edges

Array = np.ndarray[Any, np.dtype[Any]]


class Entry(NamedTuple):
    """One image's strongest place."""

    value: float
    row: int
    position: int
    content: int


def plain_best(entries: Sequence[Entry], count: int) -> list[Entry]:
    """The definition, in plain Python."""
    kept: dict[int, Entry] = {}
    for entry in sorted(set(entries), key=lambda e: (-e.value, e.row, e.position)):
        kept.setdefault(entry.content, entry)
    return list(kept.values())[:count]


def top(entries: Sequence[Entry]) -> Top:
    """One channel's."""
    values, rows, positions, contents = zip(*entries, strict=True)
    return Top(
        np.array([values], np.float32),
        np.array([rows]),
        np.array([positions], np.int32),
        np.array([contents], np.uint64),
    )


def entries(found: Top) -> list[Entry]:
    columns = (found.values, found.rows, found.positions, found.contents)
    return [Entry(*row) for row in zip(*(c[0].tolist() for c in columns), strict=True)]


# Few values and contents, so that ties and copies are common; a row has one content and place.
VALUES = st.sampled_from([-2.0, -0.0, 0.0, 0.5, 1.0, 1.5, 6.0])


@st.composite
def collections(draw: st.DrawFn) -> list[Entry]:
    drawn = draw(st.lists(st.tuples(VALUES, st.integers(0, 3), st.integers(0, 9)), min_size=1))
    return [Entry(value + 0.0, row, p, c) for row, (value, p, c) in enumerate(drawn)]


@settings(deadline=None)
@given(collections(), st.integers(1, 5), st.randoms())
def test_however_it_is_split_the_best_are_the_same(
    images: list[Entry], count: int, chance: random.Random
) -> None:
    expected = plain_best(images, count)
    shuffled = images + [image for image in images if chance.random() < 0.3]
    chance.shuffle(shuffled)
    assert entries(top(shuffled).best(count)) == expected
    parts = [top([image]) for image in shuffled]
    while len(parts) > 1:  # in a random tree
        one = parts.pop(chance.randrange(len(parts)))
        i = chance.randrange(len(parts))
        parts[i] = parts[i].joined(one).best(count)
    assert entries(parts[0].best(count)) == expected


@settings(deadline=None)
@given(collections(), collections(), collections(), st.integers(1, 4))
def test_joining_is_associative_commutative_and_idempotent(
    a: list[Entry], b: list[Entry], c: list[Entry], count: int
) -> None:
    # Rows of their own, contents shared.
    b = [e._replace(row=e.row + 100) for e in b]
    c = [e._replace(row=e.row + 200) for e in c]
    x, y, z = (top(part).best(count) for part in (a, b, c))

    def join(one: Top, other: Top) -> Top:
        return one.joined(other).best(count)

    assert entries(join(join(x, y), z)) == entries(join(x, join(y, z)))
    assert entries(join(x, y)) == entries(join(y, x))
    assert entries(join(x, x)) == entries(x)
    assert entries(join(join(x, y), y)) == entries(join(x, y))


@settings(deadline=None)
@given(collections(), st.integers(1, 5), st.randoms())
def test_of_a_matrix(images: list[Entry], count: int, chance: random.Random) -> None:
    chance.shuffle(images)
    values = np.array([[e.value, -e.value] for e in images], np.float32)
    positions = np.array([[e.position, e.position] for e in images])
    rows, contents = (np.array([getattr(e, n) for e in images]) for n in ("row", "content"))
    found = Top.of(values, positions, rows, contents.astype(np.uint64), count)
    assert entries(found) == plain_best(images, count)
    second = Top(*(getattr(found, n)[1:] for n in ("values", "rows", "positions", "contents")))
    assert entries(second) == plain_best([e._replace(value=0.0 - e.value) for e in images], count)


def test_order_of_extreme_values() -> None:
    values = np.array([[3.4e38], [-3.4e38], [1e-40], [-1e-40], [0.0], [-0.0]], np.float32)
    found = Top.of(values, np.zeros((6, 1)), np.arange(6), np.arange(6, dtype=np.uint64), 6)
    assert found.rows.tolist() == [[0, 2, 4, 5, 3, 1]]


def watched(values: Array, sizes: Sequence[int], contents: Array | None = None) -> Channels:
    """Of maps (N, C, H, W), in batches of these sizes."""
    accumulator = Accumulator()
    for part in torch.from_numpy(values).split(list(sizes)):
        places = part.permute(0, 2, 3, 1).flatten(1, 2)
        accumulator.add(places, accumulator.each(places), part.shape[-1])
    contents = np.arange(len(values), dtype=np.uint64) if contents is None else contents
    return accumulator.channels(contents, 3)


@pytest.fixture
def maps() -> Array:
    return np.random.default_rng(0).normal(0, 2, (7, 4, 3, 5)).astype(np.float32)


def test_what_channels_do_against_numpy(maps: Array) -> None:
    found = watched(maps, (3, 3, 1))
    flat = maps.astype(np.float64).transpose(1, 0, 2, 3).reshape(4, 7, 15)
    assert (found.images, found.places) == (7, 15)
    np.testing.assert_allclose(found.mean, flat.mean((1, 2)), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.sparsity, (flat <= 0).mean((1, 2)))
    np.testing.assert_array_equal(found.low, flat.min((1, 2)).astype(np.float32))
    np.testing.assert_array_equal(found.high, flat.max((1, 2)).astype(np.float32))
    order = np.argsort(-flat.max(2), axis=1)[:, :3]
    np.testing.assert_array_equal(found.top.rows, order)
    np.testing.assert_array_equal(found.top.positions, np.take_along_axis(flat.argmax(2), order, 1))
    weakest = np.argsort(flat.min(2), axis=1)[:, :3]
    np.testing.assert_array_equal(found.bottom.rows, weakest)
    np.testing.assert_array_equal(
        -found.bottom.values, np.take_along_axis(flat.min(2), weakest, 1).astype(np.float32)
    )


def test_histogram_is_numpys(maps: Array) -> None:
    # Half precision has round numbers of its own, which fall into the same bin however rounded.
    values = (maps * np.float32(37)).astype(np.float16).astype(np.float32)
    found = watched(values, (4, 3))
    edges = bin_edges()
    assert len(edges) == BINS + 1
    assert (np.diff(edges[1:-1]) > 0).all()
    for channel in range(4):
        own = values[:, channel]
        # A negative bin holds its edge of larger size, NumPy's its lower one.
        above = np.histogram(own[own >= 0], edges[BINS // 2 : -1])[0]
        below = np.histogram(-own[own < 0], edges[BINS // 2 : -1])[0]
        np.testing.assert_array_equal(found.histogram[channel, BINS // 2 : -1], above)
        np.testing.assert_array_equal(found.histogram[channel, : BINS // 2][::-1][:-1], below)
    assert (found.histogram.sum(1) == 7 * 15).all()


def test_two_bins_an_octave_and_what_is_beyond_half_precision() -> None:
    edges = bin_edges()
    assert {0.0, 1.0, 1.5, 2.0, 3.0, -1.0, -1.5, 65536.0} <= set(edges.tolist())
    huge = np.array([1e5, -1e5, 1.4, 1.5], np.float32).reshape(4, 1, 1, 1)
    counts = watched(huge, (4,)).histogram[0]
    found = {(edges[i], edges[i + 1]) for i in np.flatnonzero(counts)}
    assert found == {(65536.0, np.inf), (-np.inf, -65536.0), (1.0, 1.5), (1.5, 2.0)}


def test_of_large_maps_every_other_row_and_column_is_counted() -> None:
    maps = np.random.default_rng(1).normal(0, 2, (3, 2, 40, 36)).astype(np.float32)
    found = watched(maps, (2, 1))
    seen = maps[:, :, ::2, ::2].astype(np.float64).transpose(1, 0, 2, 3).reshape(2, -1)
    assert (found.places, found.counted) == (1440, 360)
    np.testing.assert_allclose(found.sparsity, (seen <= 0).mean(1))
    assert found.histogram.sum(1).tolist() == [3 * 360] * 2
    whole = maps.astype(np.float64).transpose(1, 0, 2, 3).reshape(2, -1)
    np.testing.assert_allclose(found.mean, whole.mean(1), rtol=1e-5)
    np.testing.assert_array_equal(found.high, whole.max(1).astype(np.float32))


def test_of_ties_the_first_place_and_the_first_image_count() -> None:
    found = watched(np.zeros((5, 2, 3, 3), np.float32), (2, 3))
    assert found.top.rows.tolist() == found.bottom.rows.tolist() == [[0, 1, 2]] * 2
    assert found.top.positions.tolist() == [[0, 0, 0]] * 2
    assert found.constant.all()
    assert found.silent.all()


def test_copies_count_once_among_the_extremes_and_each_in_the_means(maps: Array) -> None:
    twice = np.concatenate([maps, maps])
    contents = np.tile(np.arange(7, dtype=np.uint64), 2)
    found, once = watched(twice, (14,), contents), watched(maps, (7,))
    np.testing.assert_array_equal(found.top.rows, once.top.rows)
    np.testing.assert_array_equal(found.histogram, 2 * once.histogram)
    np.testing.assert_allclose(found.mean, once.mean, rtol=1e-12)


@pytest.mark.parametrize("sizes", [(7,), (1, 6), (2, 2, 3)])
def test_parts_together_are_the_whole(maps: Array, sizes: tuple[int, ...]) -> None:
    whole = watched(maps, (7,))
    ends = np.cumsum(sizes)
    parts = [
        {"a": watched(maps[end - size : end], (size,), np.arange(end - size, end).astype(np.uint64))
         .moved(int(end - size))}
        for size, end in zip(sizes, ends, strict=True)
    ]  # fmt: skip
    found = channels.merged([{}, *parts, {}], 3)["a"]
    assert found.images == 7
    for name in ("values", "rows", "positions", "contents"):
        for end in ("top", "bottom"):
            np.testing.assert_array_equal(
                getattr(getattr(found, end), name), getattr(getattr(whole, end), name)
            )
    np.testing.assert_allclose(found.total, whole.total, rtol=1e-12)
    for name in ("positive", "low", "high", "histogram"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))


def test_a_table_and_back(maps: Array) -> None:
    layers = {"b": watched(maps, (7,)), "a": watched(maps[:, :2, :1, :1] - 9, (7,))}
    table = channel_table.to_table(layers)
    assert len(table) == 6
    back = channel_table.from_table(table)
    assert list(back) == ["b", "a"]
    for layer, found in layers.items():
        np.testing.assert_equal(asdict(back[layer]), asdict(found))
    assert channel_table.from_table(channel_table.to_table({})) == {}
