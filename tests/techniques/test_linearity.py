"""`linearity`: a linear network is linear, to the digit."""

import pytest
import torch
from torch import nn

import convscope as cs
from convscope.testing.cases import small_network, small_photograph

SIZE = 8


def linear_network() -> tuple[cs.Network, torch.Tensor]:
    """Three classes in double precision, each the sum of the pixels times a weight."""
    weights = torch.randn(
        3, 3 * SIZE * SIZE, generator=torch.Generator().manual_seed(3), dtype=torch.float64
    )
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 3, bias=False).double())
    with torch.no_grad():
        next(module.parameters()).copy_(weights)
    return cs.Network(module, mean=[0.4] * 3, std=[0.5] * 3, input_size=SIZE), weights


def test_on_a_linear_network_the_sum_is_the_change() -> None:
    net, weights = linear_network()
    photograph = small_photograph(SIZE, SIZE).double()
    result = cs.linearity(net, photograph, epsilon=0.25, points=9, side=5).result()
    scores = ((photograph - 0.4) / 0.5).flatten(1) @ weights.T
    order = scores[0].argsort(descending=True).tolist()
    label, target = order[0], order[1]
    summary = result.summary
    assert (summary["label"], summary["target"]) == (f"class {label}", f"class {target}")
    l1 = float((weights[target] - weights[label]).abs().sum()) / 0.5
    assert summary["gradient_l1"] == pytest.approx(l1, rel=1e-12)
    assert [row["epsilon"] / 255 for row in summary["changes"]] == pytest.approx(
        [0.0625, 0.125, 0.1875, 0.25]
    )
    for row in summary["changes"]:
        by_hand = row["epsilon"] / 255 * l1
        assert row["expected"] == pytest.approx(by_hand, rel=1e-9)
        assert row["measured"] == pytest.approx(by_hand, rel=1e-9)
        assert abs(row["random"]) < by_hand / 2
    # The map: a row up is a step along the random direction, a column right along the gradient.
    line, plane = result.arrays["epsilon"], result.arrays["plane"]
    assert plane.shape == (5, 5)
    assert line[0] == -line[-1] == -0.25
    assert plane[2, 2] == label
    assert plane[2, 4] == int(result.arrays["along"][-1].argmax())
    assert plane[0, 2] == int(result.arrays["across"][-1].argmax())


def test_the_target_is_the_class_that_wins() -> None:
    net, photograph = small_network(), small_photograph()
    order = net.logits(photograph)[0].argsort(descending=True).tolist()
    result = cs.linearity(net, photograph, target=order[2], points=3, side=3).result()
    assert result.summary["target"] == f"class {order[2]}"
    assert result.summary["changes"][-1]["measured"] > 0
    with pytest.raises(cs.ConvscopeError, match="already says"):
        cs.linearity(net, photograph, target=order[0]).result()


class Rounded(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = super().forward((8 * x).round())
        return scores


def test_a_network_without_a_gradient_is_told() -> None:
    module = Rounded(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 3))
    net = cs.Network(module, mean=[0.5] * 3, std=[0.25] * 3, input_size=SIZE, output="classes")
    photograph = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    found = cs.linearity(net, photograph, points=3, side=3).result()
    assert "zero everywhere" in found.summary["notes"][0]
