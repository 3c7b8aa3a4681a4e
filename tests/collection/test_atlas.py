"""The cells of an atlas: which samples lie in one, their mean direction, and what they push."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from convscope.collection import Samples, atlas_of
from convscope.collection.atlas import clear, whitened
from convscope.collection.layout.grids import cells
from convscope.errors import ConvscopeError
from convscope.types import Array


def toy(count: int = 120, kinds: int = 4, width: int = 12) -> tuple[Samples, Array]:
    """Activations around a few far means, and their kinds."""
    chance = np.random.default_rng(0)
    kind = np.arange(count) % kinds
    means = 8 * chance.standard_normal((kinds, width))
    activations = (means[kind] + chance.standard_normal((count, width))).astype(np.float16)
    pushed = chance.standard_normal((count, 5)).astype(np.float16)
    positions = np.zeros(count, np.int64)
    return Samples(activations, pushed, np.arange(count), positions), kind


def test_cells_of_hand_made_places() -> None:
    """A grid of 2 x 2 over [0, 1]: two places above, on the left; one below, on the right."""
    places = np.array([[0.0, 0.0], [0.2, 0.3], [1.0, 1.0]])
    found = cells(places, 2)
    assert [(cell.row, cell.column, cell.items.tolist()) for cell in found] == [
        (0, 0, [0, 1]),
        (1, 1, [2]),
    ]
    assert [cell.items.tolist() for cell in cells(places, 2, least=2)] == [[0, 1]]


def test_an_outlier_leaves_the_other_cells_apart() -> None:
    grid = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), -1).reshape(-1, 2)
    places = np.concatenate([grid, [[1e6, 1e6]]])
    assert len(cells(places, 4)) == 16
    assert sum(len(cell.items) for cell in cells(places, 4)) == 401


def test_whitening_is_that_of_linear_algebra() -> None:
    chance = np.random.default_rng(1)
    values = chance.standard_normal((500, 6)) @ chance.standard_normal((6, 6))
    centered = values - values.mean(0)
    means = chance.standard_normal((3, 6))
    covariance = np.cov(values.T, bias=True)
    for fraction in (0.0, 0.5, 1.0):
        mixed = fraction * covariance + (1 - fraction) * np.trace(covariance) / 6 * np.eye(6)
        expected = means @ np.linalg.inv(mixed)
        found = whitened(means, centered, fraction)
        lengths = np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
        np.testing.assert_allclose(found, expected * lengths[:, None], rtol=1e-4)


def test_directions_of_large_variance_count_less() -> None:
    """Uncorrelated by hand, with variances in the proportion 10,000 : 100 : 1."""
    values = np.concatenate([np.diag([10.0, 1.0, 0.1]), -np.diag([10.0, 1.0, 0.1])])
    found = whitened(np.ones((1, 3)), values, 1.0)[0]
    np.testing.assert_allclose(found / found[2], [1e-4, 1e-2, 1], rtol=1e-5)


def test_means_and_pushes_are_those_of_the_samples() -> None:
    samples, kind = toy()
    made = atlas_of(samples, 3, least=4, method="pca", by="mean", seed=0)
    values = samples.activations.astype(np.float64)
    pushed = samples.pushes.astype(np.float64)
    assert made.places.shape == (120, 2)
    assert len(made.cells) == len(made.directions) == len(made.pushes)
    for cell, direction, push in zip(made.cells, made.directions, made.pushes, strict=True):
        assert len(cell.items) >= 4
        mean = values[cell.items].mean(0) - values.mean(0)
        cosine = mean @ direction / np.linalg.norm(mean) / np.linalg.norm(direction)
        assert cosine > 1 - 1e-5
        np.testing.assert_allclose(
            push, pushed[cell.items].mean(0) - pushed.mean(0), rtol=1e-3, atol=1e-3
        )
        assert len(set(kind[cell.items])) == 1  # means far apart share no cell


def test_directions_by_scores_are_the_changes_of_the_clearest_classes() -> None:
    samples, _ = toy()
    weights = np.random.default_rng(2).standard_normal((5, 12)).astype(np.float32)

    def changes(groups: Sequence[Array], of: Array) -> Array:
        assert len(groups) == len(of)
        found: Array = of @ weights
        return found

    options = {"least": 4, "method": "pca", "by": "scores", "seed": 0}
    made = atlas_of(samples, 3, changes=changes, **options)  # type: ignore[arg-type]
    values = samples.activations.astype(np.float64)
    for push, direction in zip(made.pushes.astype(np.float64), made.directions, strict=True):
        above = (push - push.mean()).clip(0) ** 16
        change = (above - above.mean()) @ weights
        np.testing.assert_allclose(direction, change / (values @ change).std(), rtol=1e-3)


def test_classes_that_are_pushed_little_have_no_weight() -> None:
    """By hand: only the last is above the mean, and from its weight of 1 comes the mean of 1/5."""
    found = clear(np.array([[0.5, 0.5, 0.5, 0.5, 3.0], [2.0] * 5], np.float32))
    np.testing.assert_allclose(found, [[-0.2, -0.2, -0.2, -0.2, 0.8], [0.0] * 5], rtol=1e-5)


def test_without_classes_directions_by_scores_are_whitened() -> None:
    samples, _ = toy()
    without = replace(samples, pushes=samples.pushes[:, :0])
    options = {"least": 4, "method": "pca", "seed": 0}
    one = atlas_of(without, 3, by="scores", **options)  # type: ignore[arg-type]
    other = atlas_of(without, 3, by="covariance", **options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(one.directions, other.directions)


def test_the_same_seed_gives_the_same_atlas() -> None:
    samples, _ = toy()
    options = {"least": 2, "method": "tsne", "by": "covariance", "seed": 3}
    one, other = (atlas_of(samples, 4, **options) for _ in range(2))  # type: ignore[arg-type]
    np.testing.assert_array_equal(one.places, other.places)
    np.testing.assert_array_equal(one.directions, other.directions)


def test_a_grid_that_is_too_fine_is_refused() -> None:
    samples, _ = toy(8)
    with pytest.raises(ConvscopeError, match="no cell holds 5 of the 8 activations"):
        atlas_of(samples, 50, least=5, method="pca", by="mean", seed=0)
