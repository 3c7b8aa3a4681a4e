"""Which layer feeds which, on modules small enough to draw on paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import convscope as cs


class Branches(nn.Module):
    """An addition, a concatenation, and a module that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.left = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Identity(), nn.ReLU())
        self.right = nn.Conv2d(4, 4, 1)
        self.twice = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        joined = self.left(x) + self.right(x) + x
        repeated = self.twice(self.twice(joined))
        pooled: Tensor = self.head(torch.cat((joined, repeated), 1).mean((2, 3)))
        return pooled


class NormAct(nn.BatchNorm2d):
    """A normalization that holds its activation, as timm's."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        activated: Tensor = self.act(super().forward(x))
        return activated


def network(module: nn.Module) -> cs.Network:
    half = (0.5, 0.5, 0.5)
    return cs.Network(module, mean=half, std=half, input_size=16, output="classes")


def test_branches_are_followed() -> None:
    flow = network(Branches()).flow
    assert {(joint.name, joint.type, joint.shape) for joint in flow.joints} == {
        ("addition", "Addition", (4, 16, 16)),
        ("addition 2", "Addition", (4, 16, 16)),
        ("concatenation", "Concatenation", (8, 16, 16)),
    }
    assert set(flow.edges) == {
        ("stem", "left.0"),
        ("stem", "right"),
        ("left.0", "left.2"),  # an identity is no layer
        ("left.2", "addition"),
        ("right", "addition"),
        ("addition", "addition 2"),
        ("stem", "addition 2"),
        ("addition 2", "twice"),
        ("addition 2", "concatenation"),
        ("twice", "concatenation"),
        ("concatenation", "head"),
    }


class Residual(nn.Module):
    """A block whose output is a sum, made in place, of what a gate lets through and its input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.gate = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        y = y * self.gate(y).sigmoid()
        y += x
        return y


def test_a_chain_of_sums_stays_a_chain() -> None:
    """Each layer reads the sum before it, not all that was ever added; blocks are their sums."""
    module = nn.Sequential(nn.Conv2d(3, 4, 1), Residual(), Residual(), nn.Conv2d(4, 2, 1))
    flow = network(module).flow
    names = [(joint.name, joint.type, joint.layer) for joint in flow.joints]
    block = [("1 multiplication", "Multiplication", False), ("1", "Addition", True)]
    assert names == block + [(name.replace("1", "2", 1), *rest) for name, *rest in block]
    assert {edge for edge in flow.edges if "2" in edge[0] + edge[1]} == {
        ("1", "2.conv"),
        ("2.conv", "2.gate"),
        ("2.conv", "2 multiplication"),
        ("2.gate", "2 multiplication"),
        ("1", "2"),
        ("2 multiplication", "2"),
        ("2", "3"),
    }


def test_a_layer_with_its_activation_inside_is_one_layer() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), NormAct(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    assert network(module).flow.edges == (("0", "1"), ("1", "2"), ("2", "3"), ("3", "4"))
