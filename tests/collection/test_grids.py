"""From a map to the tiles of its pictures."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import convscope as cs
from convscope.collection.layout import grids
from convscope.collection.layout.grids import (
    EMPTY,
    nearest_grid,
    scattered,
    tiled,
    unique_grid,
)
from convscope.types import Array


def random_places(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((count, 2)).astype(np.float32)


def in_unit_square(places: Array) -> Array:
    low, high = places.min(0).astype(float), places.max(0).astype(float)
    return np.stack([(p.astype(float) - low) / (high - low) for p in places])


# -------------------------------------------------------------------------------- nearest


def test_nearest_by_hand() -> None:
    # An image in each of three corners, and one nearer to the middle than to the fourth. The
    # middles of four cells are (1, 1), (3, 1), (1, 3) and (3, 3).
    places = np.array([[0, 0], [4, 0], [0, 4], [2.5, 2.5]])
    assert nearest_grid(places, 2).tolist() == [[0, 1], [2, 3]]
    assert nearest_grid(places, 1).tolist() == [[3]]


@pytest.mark.parametrize(("count", "side"), [(1, 3), (7, 5), (200, 12)])
def test_nearest_is_the_nearest_of_all(count: int, side: int) -> None:
    places = random_places(count)
    grid = nearest_grid(places, side)
    assert grid.shape == (side, side)
    unit = in_unit_square(places) if count > 1 else np.full((1, 2), 0.5)
    for row, column in itertools.product(range(side), repeat=2):
        middle = np.array([(column + 0.5) / side, (row + 0.5) / side])
        far = np.linalg.norm(unit - middle, axis=1)
        assert far[grid[row, column]] == pytest.approx(far.min())


def test_of_copies_the_first_is_shown() -> None:
    places = np.array([[1.0, 1], [0, 0], [1, 1], [0, 0]])
    assert set(nearest_grid(places, 4).ravel().tolist()) == {0, 1}


# --------------------------------------------------------------------------------- unique


@pytest.mark.parametrize("count", [1, 2, 3, 4, 10, 90])
def test_each_image_has_a_cell(count: int) -> None:
    grid = unique_grid(random_places(count))
    rows, columns = grid.shape
    assert columns == math.ceil(math.sqrt(count))
    assert 0 <= rows * columns - count < columns
    assert sorted(grid[grid != EMPTY].tolist()) == list(range(count))
    assert (grid == EMPTY).sum() == rows * columns - count


@pytest.mark.parametrize(("count", "columns", "seed"), [(4, 2, 0), (6, 3, 1), (6, 2, 2), (7, 7, 3)])
def test_no_other_order_is_nearer_to_the_map(count: int, columns: int, seed: int) -> None:
    """All orders, by brute force."""
    places = random_places(count, seed)
    unit, rows = in_unit_square(places), math.ceil(count / columns)
    cells = [((c + 0.5) / columns, (r + 0.5) / rows) for r in range(rows) for c in range(columns)]

    def cost(order: tuple[int, ...]) -> float:
        return sum(float(((unit[i] - cells[cell]) ** 2).sum()) for i, cell in enumerate(order))

    best = min(itertools.permutations(range(len(cells)), count), key=cost)
    found = unique_grid(places, columns).ravel().tolist()
    assert cost(tuple(found.index(i) for i in range(count))) == pytest.approx(cost(best))


def test_a_map_that_is_a_grid_already_stays() -> None:
    order = np.random.default_rng(0).permutation(12)
    row, column = np.divmod(np.arange(12), 4)
    places = np.empty((12, 2))
    places[order] = np.stack([column, row], 1)
    assert unique_grid(places, 4).ravel().tolist() == order.tolist()


def test_of_very_many_some_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "LIMIT", 30)
    places = random_places(100)
    found, again, other = (unique_grid(places, seed=seed) for seed in (0, 0, 1))
    shown = found[found != EMPTY].tolist()
    assert len(set(shown)) == 30
    assert max(shown) > 50
    np.testing.assert_array_equal(found, again)
    assert set(other.ravel().tolist()) != set(found.ravel().tolist())


def test_images_at_one_place() -> None:
    grid = unique_grid(np.zeros((5, 2)))
    assert sorted(grid.ravel().tolist()) == [EMPTY, 0, 1, 2, 3, 4]
    assert nearest_grid(np.zeros((5, 2)), 2).tolist() == [[0, 0], [0, 0]]


# -------------------------------------------------------------------------- arrangements


def test_tiles_of_a_grid() -> None:
    tiles = tiled(np.array([[4, EMPTY, 0], [2, 1, 3]]))
    assert tiles.rows.tolist() == [4, 0, 2, 1, 3]
    assert tiles.places.tolist() == [[0.5, 0.5], [2.5, 0.5], [0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]
    assert (tiles.width, tiles.height) == (3, 2)


@pytest.mark.parametrize("count", [1, 2, 40, 3000])
def test_a_scattered_map_keeps_its_shape_and_lies_within(count: int) -> None:
    places = random_places(count) * [3, 1]
    tiles = scattered(places)
    assert tiles.rows.tolist() == list(range(count))
    assert (tiles.places >= 1 - 1e-9).all()
    assert (tiles.places <= np.array([tiles.width, tiles.height]) - 1 + 1e-9).all()
    if count > 1:
        inner = np.argsort(np.linalg.norm(places, axis=1))[: max(2, count // 2)]
        before, after = (p[inner] - p[inner[0]] for p in (places, tiles.places))
        scale = np.linalg.norm(after) / np.linalg.norm(before)
        np.testing.assert_allclose(after, scale * before, atol=1e-6 * tiles.width)


def test_a_far_image_does_not_make_all_others_small() -> None:
    places = np.concatenate([random_places(999), [[1e6, 0.0]]])
    tiles = scattered(places, 30)
    most = np.ptp(tiles.places[:-1], axis=0)
    assert most.min() > 12
    assert tiles.places[-1, 0] == tiles.places[:, 0].max()
    assert max(tiles.width, tiles.height) == pytest.approx(30)


def test_what_is_no_map() -> None:
    for wrong in (np.zeros((0, 2)), np.zeros((3, 3)), np.zeros(4)):
        for function in (lambda p: nearest_grid(p, 2), scattered):
            with pytest.raises(cs.ConvscopeError, match="places must be"):
                function(wrong)
    with pytest.raises(cs.ConvscopeError, match="places must be finite"):
        scattered(np.array([[0.0, np.nan]]))
    with pytest.raises(cs.ConvscopeError, match="at least 1 cell a side, not 0"):
        nearest_grid(np.zeros((1, 2)), 0)
    with pytest.raises(cs.ConvscopeError, match="at least 1 column, not 0"):
        unique_grid(np.zeros((1, 2)), 0)
