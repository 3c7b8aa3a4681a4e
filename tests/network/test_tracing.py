"""Traces: calls in order, activations, outputs that are changed later, what may be folded."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.network.traces.tracing import trace
from tests.helpers import toys


def test_calls_are_in_order_of_completion() -> None:
    traced = trace(toys.Reused().eval(), torch.rand(1, 3, 8, 8))
    assert [call.name for call in traced.calls] == [
        "stem",
        *["conv", "bn", "act"] * 3,
        "fc",
        "",
    ]
    assert [call.number for call in traced.calls if call.name == "conv"] == [1, 2, 3]
    assert traced.activations == ["LeakyReLU", "ReLU", "ReLU", "ReLU", "clamp"]
    assert traced.last()["act"].activation == 3
    assert traced.last()["conv"].activation is None


def test_outputs_changed_later_are_known() -> None:
    traced = trace(toys.Residual().eval(), torch.rand(1, 3, 16, 16)).last()
    changed = {name for name, call in traced.items() if call.mutated}
    assert {"layer1.bn2", "layer2.bn2", "layer1.bn1", "layer2.bn1"} <= changed
    assert not {"layer1", "layer2", "layer1.conv1", "stem.1", "pool", "fc", ""} & changed


def test_change_through_a_view_is_known() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            x[:, :2].relu_()
            return x

    assert trace(Half(), torch.rand(1, 3, 8, 8)).last()["conv"].mutated


def test_a_layer_ends_in_the_activation_that_made_its_output() -> None:
    class Ends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Dropout())
            self.shifted = toys.Lambda(lambda x: F.relu(x).add_(1))

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.shifted(self.block(x))
            return out

    traced = trace(Ends().eval(), torch.rand(1, 3, 8, 8)).last()
    assert traced["block"].activation == 0
    assert traced["shifted"].activation is None


def test_pairs() -> None:
    def pairs(module: nn.Module) -> set[tuple[str, str]]:
        traced = trace(module.eval(), torch.rand(1, 3, 16, 16))
        return {(pair.conv, pair.norm) for pair in traced.pairs}

    assert pairs(toys.Residual()) == {
        ("stem.0", "stem.1"),
        *((f"layer{i}.conv{j}", f"layer{i}.bn{j}") for i in (1, 2) for j in (1, 2)),
        *((f"layer{i}.down.0", f"layer{i}.down.1") for i in (1, 2)),
    }
    # Of the dense toy only what a normalization alone reads: nothing, as all maps are kept.
    assert pairs(toys.Dense()) == set()
    assert pairs(toys.Reused()) == set()
