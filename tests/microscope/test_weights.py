"""Weights between units: by hand where all is linear, by whole Jacobians in float64 elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.functional import jacobian

import convscope as cs
from convscope.collection import Index
from convscope.microscope.facts import UnitValue
from convscope.microscope.head import head_of
from convscope.microscope.weights import around, connections_of
from convscope.types import Array

SIDE = 12


def attention(maps: Tensor) -> Tensor:
    """Every position looks at all others."""
    tokens = maps.flatten(2).transpose(1, 2)
    found = F.scaled_dot_product_attention(tokens, tokens, tokens)
    return found.transpose(1, 2).reshape(maps.shape)


class Two(nn.Module):
    """Two convolutions, `between` after each, and a dense layer of the means."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3)
        self.two = nn.Conv2d(4, 5, 3)
        self.fc = nn.Linear(5, 3)
        self.between = between
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)

    def forward(self, x: Tensor) -> Tensor:
        two = self.two(self.between(self.one(x)))
        found: Tensor = self.fc(self.between(two).mean((2, 3)))
        return found


def network(between: Callable[[Tensor], Tensor]) -> cs.Network:
    return cs.Network(Two(between).double(), mean=[0.5] * 3, std=[0.25] * 3, input_size=SIDE)


def spread(values: tuple[UnitValue, ...], count: int) -> Array:
    """The values in the order of the channels."""
    found = np.zeros(count)
    for one in values:
        found[one.channel] = one.value
    return found


def check_hand_worked(net: cs.Network, index: Index) -> None:
    one, two = net.parameter("one"), net.parameter("two")
    head = net.parameter("fc")
    assert one.shape == (4, 3, 3, 3)
    for channel in range(5):
        found = connections_of(net, index, "two", channel)
        expected = two[channel].sum((1, 2))
        np.testing.assert_allclose(spread(found.fed_by, 4), expected, atol=1e-12)
        assert found.feeds == ()
        classes = {c.number: c.value for c in (*found.up, *found.down)}
        assert classes == pytest.approx(dict(enumerate(head[:, channel].tolist())), abs=1e-12)
        assert all(c.value > 0 for c in found.up)
        assert all(c.value < 0 for c in found.down)
        assert [c.value for c in found.up] == sorted((c.value for c in found.up), reverse=True)
    for channel in range(4):
        found = connections_of(net, index, "one", channel)
        np.testing.assert_allclose(spread(found.feeds, 5), two[:, channel].sum((1, 2)), atol=1e-12)
        assert found.fed_by == ()


def test_where_all_is_linear_they_are_the_kernels_sums(index_of: Callable[..., Index]) -> None:
    net = network(nn.Identity())
    check_hand_worked(net, index_of(net, "one", "two"))


@pytest.mark.parametrize("between", [F.relu6, F.silu, attention])
def test_elsewhere_they_are_the_mean_jacobian(
    between: Callable[[Tensor], Tensor], index_of: Callable[..., Index]
) -> None:
    net = network(between)
    index = index_of(net, "one", "two")
    own = Two(between).double()

    def behind(values: Tensor) -> Any:
        return own.two(between(values))

    def scores(values: Tensor) -> Any:
        return own.fc(between(own.two(between(values))).mean((2, 3)))

    for channel in range(4):
        top = index.channels["one"].top
        feeds, classes = [], []
        for row in top.rows[channel]:
            values = net.read(index.photo(int(row)), {"one"})["one"]
            whole = jacobian(behind, values)[0, :, :, :, 0, channel]
            feeds.append(whole.sum((3, 4)).mean((1, 2)))
            classes.append(jacobian(scores, values)[0, :, 0, channel].sum((1, 2)))
        found = connections_of(net, index, "one", channel)
        np.testing.assert_allclose(spread(found.feeds, 5), torch.stack(feeds).mean(0), atol=1e-10)
        expected = dict(enumerate(torch.stack(classes).mean(0).tolist()))
        got = {c.number: c.value for c in (*found.up, *found.down)}
        assert got == pytest.approx({n: v for n, v in expected.items() if v}, abs=1e-10)
    for channel in range(5):
        top = index.channels["two"].top
        fed = []
        for row, place in zip(top.rows[channel], top.positions[channel], strict=True):
            values = net.read(index.photo(int(row)), {"one"})["one"]
            i, j = divmod(int(place), SIDE - 4)
            fed.append(jacobian(behind, values)[0, channel, i, j, 0].sum((1, 2)))
        found = connections_of(net, index, "two", channel)
        np.testing.assert_allclose(spread(found.fed_by, 4), torch.stack(fed).mean(0), atol=1e-10)
        assert found.photographs == 3


def test_which_layers_are_next() -> None:
    net = network(F.relu)
    assert around(net, ["two", "one"], "one").behind == "two"
    assert around(net, ["two", "one"], "one").before is None
    assert around(net, ["one", "two"], "two").before == "one"


def test_the_default_network_s_embedding_pushes_as_its_head_does(net: cs.Network) -> None:
    found = head_of(net, "global_pool")
    assert found is not None
    np.testing.assert_allclose(found.weights, net.parameter("classifier"), atol=1e-5)
    np.testing.assert_allclose(found.bias, net.parameter("classifier", "bias"), atol=1e-3)
    assert head_of(net, "bn2.pre") is None


def test_a_head_of_maps() -> None:
    linear, bent = network(nn.Identity()), network(F.relu)
    found = head_of(linear, "two")
    assert found is not None
    np.testing.assert_allclose(found.weights, linear.parameter("fc"), atol=1e-12)
    np.testing.assert_allclose(found.bias, linear.parameter("fc", "bias"), atol=1e-12)
    assert head_of(bent, "two") is None
