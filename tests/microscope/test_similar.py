"""Units that rise and fall together, and photographs across a unit's range."""

from __future__ import annotations

import numpy as np
import pytest

from convscope.collection import Peaks
from convscope.microscope.similar import Similar, across
from convscope.types import Array


def peaks_of(values: Array, first: int = 2) -> Peaks:
    """Peaks of a layer `a` of that many channels, and of a layer `b` of the others."""
    sizes = {"a": first, "b": len(values) - first}
    return Peaks(values.astype(np.float16), np.zeros(values.shape, np.int32), sizes)


@pytest.mark.parametrize("images", [2, 3, 700])
def test_correlations_are_those_of_numpy(images: int) -> None:
    values = np.random.default_rng(images).normal(50, 1, (41, images)).astype(np.float16)
    expected: Array = np.asarray(np.corrcoef(values.astype(np.float64)))
    similar = Similar(peaks_of(values))
    for own in (0, 1, 2, 40):
        layer, channel = ("a", own) if own < 2 else ("b", own - 2)
        found = similar.to(layer, channel, 7)
        order = [row for row in np.argsort(-expected[own], kind="stable") if row != own][:7]
        rows = [one.channel + 2 * (one.layer == "b") for one in found]
        np.testing.assert_allclose([one.value for one in found], expected[own, order], atol=1e-9)
        np.testing.assert_allclose(expected[own, rows], expected[own, order], atol=1e-9)


def test_a_constant_unit_is_similar_to_none() -> None:
    values = np.array([[1.0, 2, 3], [3, 3, 3], [2, 4, 6], [3, 2, 1]])
    similar = Similar(peaks_of(values))
    assert similar.to("a", 1, 3) == ()
    assert [(one.layer, one.channel) for one in similar.to("a", 0, 3)] == [("b", 0), ("b", 1)]
    assert [one.value for one in similar.to("a", 0, 3)] == pytest.approx([1, -1])


def test_across_takes_those_nearest_to_equal_steps() -> None:
    values = np.array([0, 9, 10, 1, 4.9, 5.2], np.float16)
    assert across(values, 3).tolist() == [0, 4, 2]
    assert across(values, 2).tolist() == [0, 2]
    assert across(values, 11).tolist() == [0, 3, 4, 5, 1, 2]


def test_across_has_each_photograph_once() -> None:
    assert across(np.array([3.0], np.float16), 8).tolist() == [0]
    assert len(across(np.zeros(5, np.float16), 8)) == 1
    found = across(np.random.default_rng(0).normal(size=900).astype(np.float16), 8).tolist()
    assert len(set(found)) == len(found) == 8
