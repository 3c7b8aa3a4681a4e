"""Attacks on a linear network, where the least change is known."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.vocabulary.norms import NormName

LABELS = ["a", "b", "c"]


@pytest.fixture
def linear() -> tuple[cs.Network, Tensor, Tensor]:
    """A linear network in float64, images far from 0 and 1, and its weights by pixel."""
    torch.manual_seed(0)
    dense = nn.Linear(192, 3).double()
    module = nn.Sequential(nn.Flatten(), dense)
    net = cs.Network(module, mean=[0.5] * 3, std=[0.25] * 3, input_size=8, labels=LABELS)
    images = 0.3 + 0.4 * torch.rand(2, 3, 8, 8, dtype=torch.float64)
    weight = dense.weight.detach() / 0.25
    return net, images, weight


@pytest.mark.parametrize("name", ["deepfool", "carlini_wagner", "lbfgs_attack"])
def test_the_least_change(linear: tuple[cs.Network, Tensor, Tensor], name: str) -> None:
    net, images, weight = linear
    logits = net.logits(images)
    summary = getattr(cs, name)(net, images).result().summary
    for scores, l2, fooled in zip(logits, summary["l2"], summary["success"], strict=True):
        top = int(scores.argmax())
        least = min(
            float((scores[top] - scores[c]) / (weight[top] - weight[c]).norm())
            for c in range(3)
            if c != top
        )
        assert fooled
        assert least <= l2 <= 1.01 * least


def test_fgsm_changes_the_score_by_the_l1_norm(
    linear: tuple[cs.Network, Tensor, Tensor],
) -> None:
    net, images, weight = linear
    result = cs.fgsm(net, images[:1], epsilon=0.01).result()
    logits = net.logits(images[:1])[0]
    rival, top = (int(i) for i in logits.topk(2).indices.flip(0))
    expected = logits[rival] - logits[top] + 0.01 * (weight[rival] - weight[top]).abs().sum()
    raw = torch.from_numpy(result.arrays["raw"])
    after = net.logits(raw)[0]
    assert float(after[rival] - after[top]) == pytest.approx(float(expected))


@pytest.mark.parametrize(("norm", "epsilon"), [("inf", 0.004), ("l2", 0.05)])
def test_pgd_stays_in_its_ball_and_tells_failure(
    linear: tuple[cs.Network, Tensor, Tensor], norm: NormName, epsilon: float
) -> None:
    net, images, _ = linear
    found = cs.pgd(net, images, norm=norm, epsilon=epsilon, restarts=2)
    summary: Any = found.result().summary  # lists, for several images
    assert max(summary["linf" if norm == "inf" else "l2"]) <= epsilon * (1 + 1e-9)
    assert summary["success"] == [False, False]
    assert min(summary["l2"]) > 0  # the best attempt, not the photograph itself


class Rounded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(192, 3)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.dense((x * 8).round().flatten(1))
        return scores


def test_a_masked_gradient_is_told() -> None:
    net = cs.Network(Rounded(), mean=[0.5] * 3, std=[0.25] * 3, input_size=8, labels=LABELS)
    summary = cs.pgd(net, torch.rand(1, 3, 8, 8), steps=2).result().summary
    assert not summary["success"]
    assert "zero everywhere" in summary["notes"][0]


def test_what_no_attack_can_do(linear: tuple[cs.Network, Tensor, Tensor]) -> None:
    net, images, _ = linear
    top = LABELS[int(net.logits(images[:1]).argmax())]
    with pytest.raises(cs.ConvscopeError, match="already says"):
        cs.pgd(net, images[:1], target=top).result()
    with pytest.raises(cs.ConvscopeError, match="is the label of the image"):
        cs.pgd(net, images[:1], target="a", label="a").result()
    for epsilon in (0.0, -1.0):
        with pytest.raises(cs.ConvscopeError, match="greater than 0"):
            cs.fgsm(net, images[:1], epsilon=epsilon)
