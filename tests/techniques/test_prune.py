"""Pruning, against NumPy and plain PyTorch."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import convscope as cs
from convscope.files.images import SAMPLES
from convscope.types import Curves, Grid


def by_hand(values: Any) -> Any:
    """Each square as a fraction of the squares that are not smaller."""
    squares = values.astype(float) ** 2
    return np.array([s / squares[squares >= s].sum() for s in squares.ravel()]).reshape(
        squares.shape
    )


def test_rows_are_those_of_a_network_pruned_by_numpy(own: cs.Network, own_photo: Tensor) -> None:
    result = cs.prune(own, own_photo, sparsities=(0.9, 0.3)).result()
    rows = result.summary["rows"]
    assert [row["sparsity"] for row in rows] == [0, 0.3, 0.9]
    first = int(own.logits(own_photo).argmax())
    names = [n for n, p in own.module.named_parameters() if p.dim() > 1 and p.numel() >= 64]
    for row in rows:
        module = copy.deepcopy(own.module)
        values = [module.get_parameter(name).data.numpy() for name in names]
        scores = [by_hand(value) for value in values]
        ordered = np.sort(np.concatenate([score.ravel() for score in scores]))
        count = int(row["sparsity"] * ordered.size)
        for value, score in zip(values, scores, strict=True):
            value[score <= (ordered[count - 1] if count else -1)] = 0
        made = cs.Network(module, mean=own.mean, std=own.std, input_size=own.input_size)
        logits = made.logits(own_photo)[0]
        assert row["probability"] == pytest.approx(float(logits.softmax(0)[first]), rel=1e-3)
        assert row["prediction"] == own.label(int(logits.argmax()))
    whole = [own.module.get_parameter(name) for name in names]
    near = sum(int((w.abs() < 0.05 * w.abs().max()).sum()) for w in whole)
    assert result.summary["near_zero"] == pytest.approx(near / sum(w.numel() for w in whole))
    assert result.summary["photographs"] == 1 + len(SAMPLES)


def test_curve_and_filters_are_drawn(own: cs.Network, own_photo: Tensor) -> None:
    frame = list(cs.prune(own, own_photo, sparsities=(0.5,)))[-1]
    panels = {type(panel) for panel in frame.panels}
    assert {Curves, Grid} <= panels


def test_prune_needs_weights(own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"^prune: .* has no weights$"):
        cs.prune(cs.load("hog"), own_photo).result()


def test_the_network_is_as_before(own: cs.Network, own_photo: Tensor) -> None:
    before = {name: value.clone() for name, value in own.module.state_dict().items()}
    cs.prune(own, own_photo, sparsities=(0.5,)).result()
    assert all(torch.equal(v, before[n]) for n, v in own.module.state_dict().items())
