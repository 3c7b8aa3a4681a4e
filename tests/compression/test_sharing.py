"""k-means in one dimension against scikit-learn, and weights that share its levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from convscope.compression import Start, first_levels, k_means, shared


@pytest.mark.parametrize("start", ["linear", "density", "random"])
def test_k_means_is_that_of_scikit_learn(start: Start) -> None:
    values = np.random.default_rng(0).laplace(size=400)
    begin = first_levels(values, 7, start)
    other = KMeans(7, init=begin[:, None], n_init=1, tol=0, max_iter=300).fit(values[:, None])
    wanted = np.sort(other.cluster_centers_[:, 0])
    assert k_means(values, begin, 300) == pytest.approx(wanted)


def test_starts_worked_by_hand() -> None:
    values = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 40])
    assert first_levels(values, 5, "linear").tolist() == [0, 10, 20, 30, 40]
    assert first_levels(values, 2, "density").tolist() == [2.25, 6.75]
    chosen = first_levels(values, 4, "random", 1)
    assert set(chosen.tolist()) <= set(values.tolist())
    assert len(set(chosen.tolist())) == 4


def test_a_level_without_weights_stays() -> None:
    assert k_means(np.array([0.0, 1.0, 10.0]), np.array([0.5, 5.0, 9.0])).tolist() == [0.5, 5, 10]


def test_zeros_stay_zeros_and_other_weights_do_not_become_zeros() -> None:
    weights = torch.tensor([[0.0, 0.01], [-0.02, 0.5]])
    found = shared(weights, np.array([-0.02, 0.0, 0.5]))
    least = 2.0**-14  # the smallest normal number of float16
    assert found.decoded.tolist() == [[0, least], [float(np.float16(-0.02)), 0.5]]
    assert len(found.levels) == 4


def test_levels_are_those_that_float16_holds() -> None:
    weights = torch.randn(50, generator=torch.Generator().manual_seed(0))
    found = shared(weights, k_means(weights.numpy(), first_levels(weights.numpy(), 9, "linear")))
    assert torch.equal(found.levels, found.levels.half().float())
    distance = (weights[:, None] - found.levels).abs()
    assert ((weights - found.decoded).abs() <= distance.min(1).values + 1e-3).all()
