"""Every way to write an activation is recognized, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.network.activation_calls import ActivationCall, ActivationMode
from convscope.network.traces import only_pixels
from tests.helpers import toys

X = torch.tensor([-9.0, -3.5, -1.5, -0.5, 0.25, 0.75, 1.5, 2.5, 3.5, 5.5, 6.5, 9.0]).double()


class Watching(ActivationMode):
    """Notes every activation, and lets it run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[ActivationCall] = []

    def activation(self, call: ActivationCall) -> Tensor:
        self.found.append(call)
        return call.run()


def found(function: Callable[[Tensor], Tensor], x: Tensor) -> list[ActivationCall]:
    with Watching() as mode:
        function(x)
    met: list[ActivationCall] = mode.found
    return met


# Each: how it is written, its name, whether it overwrites its input.
PIECEWISE: list[tuple[Callable[[Tensor], Tensor], str, bool]] = [
    (F.relu, "ReLU", False),
    (torch.relu, "ReLU", False),
    (torch.relu_, "ReLU", True),
    (lambda x: x.relu(), "ReLU", False),
    (lambda x: x.relu_(), "ReLU", True),
    (lambda x: F.relu(x, True), "ReLU", True),
    (lambda x: F.relu(input=x, inplace=True), "ReLU", True),
    (nn.ReLU(), "ReLU", False),
    (nn.ReLU(inplace=True), "ReLU", True),
    (nn.ReLU6(), "ReLU6", False),
    (nn.ReLU6(inplace=True), "ReLU6", True),
    (F.relu6, "ReLU6", False),
    (nn.Hardtanh(0, 6), "ReLU6", False),
    (nn.Hardtanh(), "Hardtanh", False),
    (nn.Hardtanh(-2, 3, inplace=True), "Hardtanh", True),
    (lambda x: F.hardtanh(x, -2.0, 3.0), "Hardtanh", False),
    (lambda x: F.hardtanh_(x, -2.0, 3.0), "Hardtanh", True),
    (nn.LeakyReLU(), "LeakyReLU", False),
    (nn.LeakyReLU(0.3, inplace=True), "LeakyReLU", True),
    (lambda x: F.leaky_relu(x, 0.3), "LeakyReLU", False),
    (lambda x: F.leaky_relu(x, negative_slope=0.3, inplace=True), "LeakyReLU", True),
    (lambda x: F.leaky_relu_(x, 0.3), "LeakyReLU", True),
    (nn.RReLU(0.1, 0.3).eval(), "RReLU", False),
    (nn.RReLU(0.1, 0.3, inplace=True).eval(), "RReLU", True),
    (lambda x: F.rrelu(x, 0.1, 0.3), "RReLU", False),
    (nn.Threshold(0, 0), "Threshold", False),
    (nn.Threshold(1, 0.5, inplace=True), "Threshold", True),
    (lambda x: F.threshold(x, -2, 0), "Threshold", False),
    (lambda x: x.clamp(min=torch.tensor(0.0)), "clamp", False),
    (lambda x: x.clamp(min=0), "clamp", False),
    (lambda x: x.clamp(0), "clamp", False),
    (lambda x: x.clamp(0, 3), "clamp", False),
    (lambda x: x.clamp_(-1, 3), "clamp", True),
    (lambda x: torch.clamp(x, min=0, max=3), "clamp", False),
    (lambda x: torch.clip(x, 0, 3), "clamp", False),
    (lambda x: x.clip_(0, 3), "clamp", True),
    (lambda x: torch.clamp_min(x, 0), "clamp", False),
    (lambda x: x.clamp_min_(0), "clamp", True),
]


@pytest.mark.parametrize(("function", "name", "inplace"), PIECEWISE)
def test_piecewise_linear(function: Callable[[Tensor], Tensor], name: str, inplace: bool) -> None:
    x = X.clone()
    (met,) = found(function, x)
    assert (met.name, met.inplace, met.piecewise) == (name, inplace, True)
    assert met.input is x
    assert torch.equal(x, X) != inplace

    # `apply` computes the same and leaves its argument alone.
    again = X.clone()
    assert torch.equal(met.apply(again), function(X.clone()))
    assert torch.equal(again, X)

    # The bounds say what the slope is: measured by differences, which are exact between kinks.
    measured = (function(X + 0.01) - function(X - 0.01)) / 0.02
    low = -float("inf") if met.low is None else met.low
    high = float("inf") if met.high is None else met.high
    inside = (low < X) & (high > X)
    assert torch.allclose(measured, torch.where(inside, 1.0, met.slope).double(), atol=1e-9)


SMOOTH: list[tuple[Callable[[Tensor], Tensor], str, bool]] = [
    (nn.SiLU(), "SiLU", False),
    (nn.SiLU(inplace=True), "SiLU", True),
    (nn.GELU(), "GELU", False),
    (nn.ELU(inplace=True), "ELU", True),
    (F.elu_, "ELU", True),
    (nn.SELU(), "SELU", False),
    (nn.CELU(), "CELU", False),
    (nn.Mish(), "Mish", False),
    (nn.Softplus(), "Softplus", False),
    (nn.Hardswish(inplace=True), "Hardswish", True),
    (nn.Hardsigmoid(), "Hardsigmoid", False),
    (nn.PReLU(dtype=torch.float64), "PReLU", False),
    (nn.Sigmoid(), "Sigmoid", False),
    (torch.sigmoid_, "Sigmoid", True),
    (nn.Tanh(), "Tanh", False),
    (nn.LogSigmoid(), "LogSigmoid", False),
    (nn.Softsign(), "Softsign", False),
    (nn.Tanhshrink(), "Tanhshrink", False),
    (nn.Hardshrink(), "Hardshrink", False),
    (nn.Softshrink(), "Softshrink", False),
    (lambda x: x.tanh_(), "Tanh", True),
]


@pytest.mark.parametrize(("function", "name", "inplace"), SMOOTH)
def test_smooth(function: Callable[[Tensor], Tensor], name: str, inplace: bool) -> None:
    (met,) = found(function, X.clone())
    assert (met.name, met.inplace, met.piecewise) == (name, inplace, False)
    with torch.no_grad():
        assert torch.equal(met.apply(X), function(X.clone()))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.clamp_min(1e-6),  # guards a division
        lambda x: x.clamp_min(torch.tensor(1e-6)),
        lambda x: x.clamp(min=1e-12),
        lambda x: x.clamp(max=1),
        lambda x: x.clamp(max=0),
        lambda x: torch.clamp(x, X, X + 1),
        lambda x: x.abs(),
        lambda x: x + 1,
        lambda x: F.dropout(x, training=False),
        lambda x: x.softmax(0),
    ],
)
def test_no_activation(function: Callable[[Tensor], Tensor]) -> None:
    assert found(function, X.clone()) == []


def test_a_mode_decides_what_an_activation_returns() -> None:
    class Zero(ActivationMode):
        def activation(self, call: ActivationCall) -> Tensor:
            return torch.zeros_like(call.input)

    with Zero():
        assert not F.relu(X).any()
        assert not X.clamp(0, 3).any()
        assert torch.equal(X + 1, X.add(1))
        assert torch.equal(X.clamp(max=1), torch.minimum(X, torch.ones_like(X)))
    assert F.relu(X).any()


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda x: (x.clamp(0, 1) - 0.5) / 0.25, []),
        (lambda x: F.relu(x[:, :1].expand_as(x)), []),
        (lambda x: (x - torch.zeros(1, 3, 1, 1)).clamp(0, 1).clamp(0.1, 0.9), []),
        (lambda x: torch.stack([x, x.flip(3)]).flatten(0, 1).clamp(0, 1), []),
        (lambda x: F.pad(x, (1, 1)).clamp(0, 1).relu_(), []),
        (lambda x: F.conv2d(x, torch.ones(1, 3, 1, 1)).relu(), ["ReLU"]),
        (lambda x: x.mul(nn.Parameter(torch.ones(1))).relu(), ["ReLU"]),
        (lambda x: (x + F.conv2d(x, torch.ones(3, 3, 1, 1))).clamp(0, 1), ["clamp"]),
        (lambda x: torch.cat([x, F.conv2d(x, torch.ones(3, 3, 1, 1))]).relu(), ["ReLU"]),
        (lambda x: F.batch_norm(x, torch.zeros(3), torch.ones(3)).relu(), ["ReLU"]),
        (lambda x: x.sigmoid().relu(), ["Sigmoid", "ReLU"]),
    ],
)
def test_what_acts_on_pixels_is_no_activation(
    function: Callable[[Tensor], Tensor], names: list[str]
) -> None:
    x = torch.rand(2, 3, 4, 4)
    assert found(function, x)  # without a mark, all of them are activations
    only_pixels.mark(x)
    assert [call.name for call in found(function, x)] == names


def test_the_end_of_a_photograph_can_be_told() -> None:
    x = torch.rand(1, 3, 2, 2)
    only_pixels.mark([x])
    assert found(torch.relu, x) == []
    only_pixels.end(x)
    assert [call.name for call in found(torch.relu, x)] == ["ReLU"]


def test_what_a_users_autograd_function_calls_ends_no_layer() -> None:
    parts = nn.Conv2d(3, 4, 3), toys.Lambda(toys.OwnRelu.apply), nn.Conv2d(4, 4, 3), nn.ReLU()
    net = toys.network(nn.Sequential(*parts))
    assert [layer.activation for layer in net.layers] == [None, None, None, "ReLU"]
    before, after = net.read(toys.images(), ["3.pre", "3"]).values()
    assert torch.equal(before.relu(), after)
