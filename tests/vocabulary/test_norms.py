"""Norms against float64 NumPy, and projections against the nearest point of the ball."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from convscope.vocabulary.norms import NORMS, NormName

ORDERS = {"l2": 2, "inf": np.inf}


def test_every_name_is_a_norm() -> None:
    assert get_args(NormName) == tuple(NORMS)


def changes() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 3, 4, 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", NORMS)
def test_size(name: NormName) -> None:
    sizes = NORMS[name].size(changes())
    assert sizes.shape == (3, 1, 1, 1)
    for change, size in zip(changes().numpy(), sizes.flatten().tolist(), strict=True):
        assert size == pytest.approx(np.linalg.norm(change.ravel(), ORDERS[name]))


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("fraction", [0.3, 2.0])
def test_project(name: NormName, fraction: float) -> None:
    """Within the ball a change stays; else it comes to its rim, and no point there is nearer."""
    norm, change = NORMS[name], changes()[:1]
    radius = fraction * float(norm.size(change))
    moved = norm.project(change, radius)
    if fraction >= 1:
        assert torch.equal(moved, change)
        return
    assert float(norm.size(moved)) == pytest.approx(radius)
    distance = float((change - moved).norm())
    generator = torch.Generator().manual_seed(1)
    for _ in range(50):
        near = moved + 0.05 * torch.randn(moved.shape, generator=generator, dtype=moved.dtype)
        near = near * min(1.0, radius / float(norm.size(near)))
        assert float((change - near).norm()) >= distance - 1e-9
