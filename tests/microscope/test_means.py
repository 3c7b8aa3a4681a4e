"""Mean embeddings of units, against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest

import convscope as cs
from convscope.microscope import Microscope, means
from convscope.microscope.means import weighted
from tests.helpers.aged import without_peaks


def test_by_hand() -> None:
    """Peaks 1, 2, 6 have the mean 3: only the last counts. Peaks 0, 4, 5 have it, too."""
    peaks = np.array([[1, 2, 6], [0, 4, 5], [7, 7, 7]], np.float16)
    embeddings = np.array([[3, 0], [0, 3], [9, 6]], np.float16)
    found = weighted(peaks, embeddings)
    np.testing.assert_array_equal(found, [[9, 6], [6, 5], [4, 3]])


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    peaks = random.normal(3, 1, (5, 100)).astype(np.float16)
    embeddings = random.normal(0, 1, (100, 7)).astype(np.float16)
    exact = peaks.astype(np.float64)
    above = np.maximum(exact - exact.mean(1, keepdims=True), 0)
    expected = above @ embeddings.astype(np.float64) / above.sum(1, keepdims=True)
    for block in (1, 7, 100, 4096):
        monkeypatch.setattr(means, "BLOCK", block)
        np.testing.assert_allclose(weighted(peaks, embeddings), expected, rtol=2e-3, atol=1e-4)


def test_they_are_kept(own: cs.Network, scope: Microscope, monkeypatch: pytest.MonkeyPatch) -> None:
    made = scope.mean_embeddings("norm")
    index = scope.index
    assert made.shape == (8, index.embeddings.shape[1])
    again = Microscope(own, index.path)
    monkeypatch.setattr(means, "weighted", None)
    np.testing.assert_array_equal(again.mean_embeddings("norm"), made)


def test_an_older_index_says_what_it_lacks(own: cs.Network, scope: Microscope) -> None:
    old = Microscope(own, without_peaks(scope.index.path))
    with pytest.raises(cs.ConvscopeError, match="--update adds them"):
        old.mean_embeddings("norm")
