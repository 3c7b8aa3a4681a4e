"""Convolutions that apply their activations themselves, compared with the user's own module."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from convscope.network import fused, judged, passes, programs, reading_by
from tests.helpers.toys import Lambda, Residual, images, network, normalized, randomized, relative

pytestmark = pytest.mark.skipif(not fused.is_there(), reason="this torch has no fused convolutions")


class Chain(nn.Module):
    """Convolutions, each with the function of its maps that comes next."""

    def __init__(self, *functions: Callable[[Tensor], Tensor], groups: int = 1) -> None:
        super().__init__()
        channels = [3, *[8] * len(functions)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, groups=1 if a == 3 else groups)
            for a, b in pairwise(channels)
        )
        self.functions = nn.ModuleList(map(Lambda, functions))
        self.head = nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        for convolution, function in zip(self.convolutions, self.functions, strict=True):
            x = function(convolution(x))
        scores: Tensor = self.head(x).mean((2, 3))
        return scores


def names(net: cs.Network) -> list[str]:
    """The activations of the fused convolutions, in the order in which they run."""
    program = judged(net, images(4), {""}, "fused").program
    assert isinstance(program, fused.Fused)
    nodes = program._pass.graph.nodes
    return [str(node.args[7]) for node in nodes if "pointwise" in str(node.target)]


ACTIVATIONS: list[tuple[str, Callable[[Tensor], Tensor]]] = [
    ("relu", F.relu),
    ("relu", torch.relu_),
    ("relu", nn.ReLU(inplace=True)),
    ("relu", lambda x: x.clamp(min=0)),
    ("hardtanh", nn.ReLU6(inplace=True)),
    ("hardtanh", F.relu6),
    ("hardtanh", lambda x: F.hardtanh(x, -0.2, 0.3)),
    ("hardtanh", lambda x: x.clamp_(-0.1, 0.1)),
    ("leaky_relu", lambda x: F.leaky_relu(x, 0.3)),
    ("swish", nn.SiLU(inplace=True)),
    ("swish", F.silu),
    ("hardswish", nn.Hardswish()),
]


@pytest.mark.parametrize(("name", "function"), ACTIVATIONS)
@pytest.mark.parametrize("groups", [1, 8])
def test_activations(name: str, function: Callable[[Tensor], Tensor], groups: int) -> None:
    module = randomized(Chain(function, function, groups=groups)).eval()
    net, batch = network(module), images(7)
    assert names(net) == [name, name, "none"]
    with torch.no_grad():
        wanted = module.double()(normalized(batch).double())
        found = reading_by(net, "fused").activations(batch, {""})[""]
    assert relative(found, wanted) < 1e-6


def twice(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The function of maps, added to the same function of the same maps."""
    return lambda x: function(x) + function(x)


NOT_ALONE: list[Callable[[Tensor], Tensor]] = [
    lambda x: F.relu(x) + x,
    lambda x: x.mean(1, keepdim=True) + F.relu(x),
    lambda x: F.threshold(x, 0.0, 0.1),
    lambda x: x.clamp(min=0.1),
    lambda x: x.clamp(max=0.1),
    torch.sigmoid,
    twice(F.silu),
    nn.Softplus(),
]


@pytest.mark.parametrize("function", NOT_ALONE)
def test_what_is_read_by_more_than_an_activation_is_not_fused(
    function: Callable[[Tensor], Tensor],
) -> None:
    module = randomized(Chain(function, F.relu)).eval()
    net, batch = network(module), images(7)
    assert names(net) == ["none", "relu", "none"]
    with torch.no_grad():
        wanted = module.double()(normalized(batch).double())
        found = reading_by(net, "fused").activations(batch, {""})[""]
    assert relative(found, wanted) < 1e-6


class Shared(nn.Module):
    """One convolution that is called twice, with one activation and with another."""

    def __init__(self, *functions: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.conv = nn.Conv2d(8, 8, 3)
        self.functions = functions

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        for function in self.functions:
            x = function(self.conv(x))
        return x.mean((2, 3))


def test_a_convolution_that_is_called_twice() -> None:
    for functions, wanted in (
        ((F.relu, F.relu), ["relu"] * 2),
        ((F.relu, F.silu), ["relu", "swish"]),
    ):
        module = randomized(Shared(*functions)).eval()
        net, batch = network(module), images(4)
        assert names(net) == ["relu", *wanted]
        with torch.no_grad():
            found = reading_by(net, "fused").activations(batch, {""})[""]
            assert relative(found, module(normalized(batch))) < 1e-6


class Computed(nn.Module):
    """The weights of its convolution are computed anew at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.weight = nn.Parameter(torch.randn(5, 8, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        return F.relu(F.conv2d(x, self.weight / self.weight.norm())).mean((2, 3))


def test_weights_that_are_computed_at_each_call() -> None:
    module = Computed().eval()
    net, batch = network(module), images(5)
    assert names(net) == ["relu"]  # and not the other
    with torch.no_grad():
        found = reading_by(net, "fused").activations(batch, {""})[""]
        assert relative(found, module(normalized(batch))) < 1e-6


def test_layers_have_their_values_before_and_after_activations() -> None:
    module = randomized(Residual()).eval()
    net, batch = network(module), images(6)
    layers = ["stem.0", "stem.2.pre", "layer1", "layer2.relu.pre", "layer2", ""]
    with torch.no_grad():
        ours = reading_by(net, "fused").activations(batch, layers)
        theirs = net.activations(batch, layers)
    assert list(ours) == layers
    assert all(relative(ours[name], theirs[name]) < 1e-6 for name in layers)
    assert all(ours[name].stride() == theirs[name].stride() for name in layers)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16])
def test_an_image_has_the_same_values_in_every_batch(size: int) -> None:
    net, batch = reading_by(network(randomized(Residual()).eval()), "fused"), images(16)
    layers = ["layer1", ""]
    with torch.no_grad():
        whole = net.activations(batch, layers)
        parts = [net.activations(part, layers) for part in batch.split(size)]
    assert torch.equal(torch.cat([part["layer1"] for part in parts]), whole["layer1"])
    # The product of so small a matrix depends on the row, whatever reads the network.
    assert relative(torch.cat([part[""] for part in parts]), whole[""]) < 1e-6


@pytest.mark.parametrize(
    ("technique", "options"),
    [
        ("occlusion", {"patch": 8, "stride": 4}),
        ("random_occlusion", {"count": 64}),
        ("scorecam", {"layer": "stem"}),
    ],
)
def test_maps_are_the_same_in_every_batch_and_without_programs(
    technique: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    net, photo = network(randomized(Residual()).eval()), images(1)

    def made(size: int) -> Tensor:
        run = getattr(cs, technique)(net, photo, target=1, batch_size=size, **options)
        return torch.from_numpy(run.result().heatmap)

    monkeypatch.setattr(passes, "FEWEST", {})
    by_torch = made(16)
    monkeypatch.setattr(passes, "FEWEST", {"fused": 1})
    assert programs(net, 6) == ("fused",)
    by_fused = [made(size) for size in (1, 5, 16, 64)]
    assert net.sizes.reader.compiled  # a program was used
    for one in by_fused:
        assert relative(one, by_fused[0]) < 1e-5
        assert relative(one, by_torch) < 1e-4


def test_gradients_are_those_of_torch() -> None:
    net, batch = network(randomized(Residual()).eval()), images(4).requires_grad_()
    ours, theirs = (
        torch.autograd.grad(one.activations(batch, {""})[""].sum(), batch)[0]
        for one in (reading_by(net, "fused"), net)
    )
    assert torch.equal(ours, theirs)


class Ordered(nn.Module):
    """Relies on the usual order of values in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.LazyLinear(5)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(F.relu(self.conv(x)).view(len(x), -1))
        return scores


def test_a_module_that_relies_on_the_order_of_values_is_left_to_torch() -> None:
    module = Ordered().eval()
    module(images(1))
    net = network(module)
    found = judged(net, images(4), {""}, "fused")
    assert found.program is None
    assert "order of values in memory" in found.words
    with torch.no_grad(), pytest.raises(cs.ConvscopeError, match="use the reader 'torch'"):
        reading_by(net, "fused").activations(images(4), {""})


def test_it_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "is_there", lambda: False)
    net = network(randomized(Residual()).eval())
    assert "fused" not in programs(net, 1000)
    with pytest.raises(cs.ConvscopeError, match="this torch has no fused convolutions"):
        reading_by(net, "fused")
