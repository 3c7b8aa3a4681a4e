"""Networks with random weights: which layers lose theirs, and what they get."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from tests.helpers import toys


def changed(net: cs.Network, other: cs.Network) -> set[str]:
    """The modules with another parameter or statistic than they had."""
    before, after = net._prepared.plain.state_dict(), other._prepared.plain.state_dict()
    assert list(before) == list(after)
    return {n.rpartition(".")[0] for n, v in before.items() if not torch.equal(v, after[n])}


class HeadFirst(nn.Module):
    """Its layers are defined in another order than they run in, and one never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.unused = nn.Linear(6, 3), nn.Linear(2, 2)
        self.last, self.norm, self.first = nn.Conv2d(5, 6, 3), nn.BatchNorm2d(5), nn.Conv2d(3, 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.last(self.norm(self.first(x)).relu()).mean((2, 3)))
        return out


def test_a_network_forgets_from_the_output_down() -> None:
    net = toys.network(toys.randomized(HeadFirst(), seed=3))
    order = ["head", "last", "norm", "first"]
    assert changed(net, net.randomized(0)) == {"head"}
    for part, count in ((0.2, 1), (0.4, 2), (0.6, 3)):
        assert changed(net, net.randomized(part)) == set(order[:count])
    assert changed(net, net.randomized(1)) == {*order, "unused"}


def test_what_is_forgotten_is_as_before_training() -> None:
    """Deviations of sqrt(2 / fan-in), no biases, normalizations that do nothing."""
    module = toys.randomized(
        nn.Sequential(nn.Conv2d(3, 64, 5), nn.BatchNorm2d(64), nn.Conv2d(64, 64, 3))
    )
    before = {name: value.clone() for name, value in module.state_dict().items()}
    net = toys.network(module)
    other = net.randomized(1)
    values = other._prepared.plain.state_dict()
    for name, fan in (("0", 75), ("2", 576)):
        assert float(values[f"{name}.weight"].std()) == pytest.approx((2 / fan) ** 0.5, rel=0.03)
        assert not values[f"{name}.bias"].any()
    for name, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
        assert (values[f"1.{name}"] == value).all()
    assert not torch.equal(
        net.read(toys.images(), {"2"})["2"], other.read(toys.images(), {"2"})["2"]
    )
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
    assert changed(net, toys.network(module)) == set()
    assert changed(other, net.randomized(1)) == set()
    assert changed(other, net.randomized(1, seed=1)) == {"0", "2"}


def test_a_random_network_is_otherwise_the_same() -> None:
    labels = [f"name {i}, other {i}" for i in range(5)]
    module = toys.randomized(toys.Residual())
    net = cs.Network(
        module, mean=toys.MEAN, std=toys.STD, input_size=(16, 20), labels=labels, crop=0.9,
        interpolation="bilinear", name="mine",
    )  # fmt: skip
    other = net.randomized(0.5)
    for field in (
        "mean",
        "std",
        "input_size",
        "labels",
        "crop",
        "interpolation",
        "device",
        "dtype",
    ):
        assert getattr(other, field) == getattr(net, field)
    assert other.target("other 3") == net.target("other 3")
    assert other.layers == net.layers
    assert other.name == "mine with random weights"
    assert net.name == "mine"


class Mixing(nn.Module):
    """Attention of torch's own, which gives a tuple, so that none of its calls is traced; and a
    class token, which is the network's own parameter but the first thing that it uses."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.rand(1, 1, 8))
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.block = nn.ModuleList([nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 8)])
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        x = self.block[1](self.block[0](x, x, x)[0])
        out: Tensor = self.head(x[:, 0])
        return out


def test_a_transformer_forgets_its_attention_and_its_token_last() -> None:
    net = toys.network(toys.randomized(Mixing(), seed=3))
    assert changed(net, net.randomized(0)) == {"head"}
    half = changed(net, net.randomized(0.5))
    assert half > {"head"}
    assert not half & {"", "patches"}
    whole = net.randomized(1)
    attention = {"block.0", "block.0.out_proj"}
    assert changed(net, whole) == {"", "patches", "block.1", "head", *attention}
    values = whole._prepared.plain.state_dict()
    assert not values["block.0.in_proj_bias"].any()
    assert values["block.0.in_proj_weight"].any()
