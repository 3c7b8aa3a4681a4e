"""Rules on activations as people write them: changed like a ReLU, told, or refused. Never silent.

The oracle is the same network with `nn.ReLU` (or `nn.LeakyReLU`), whose gradients `test_rules` and
captum have checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import convscope as cs
from convscope.ascent.loop import climb
from convscope.ascent.recipe import Recipe
from convscope.errors import ConvscopeError, RuleError
from convscope.types import Ascent
from convscope.vocabulary import objectives, starts
from tests.helpers import toys

Activation = Callable[[Tensor], Any]

SLOPE = 0.125


class Rectify(torch.autograd.Function):
    """A ReLU that saves its output, as memory-efficient activations do."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.clamp(min=0)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        passed: Tensor = gradient.masked_fill(y <= 0, 0)
        return passed


class Leak(torch.autograd.Function):
    """A LeakyReLU, with the newer signature."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, SLOPE * x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return torch.where(y > 0, gradient, SLOPE * gradient)


class Swish(torch.autograd.Function):
    """A SiLU that computes its slope on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gate = x.sigmoid()
        slope: Tensor = gate * (1 + x * (1 - gate))
        return gradient * slope


def put_zeros(x: Tensor) -> Tensor:
    x = x.clone()
    x[x < 0] = 0
    return x


def times_itself(x: Tensor) -> Tensor:
    x = x.clone()
    x *= x > 0
    return x


RELUS: dict[str, Activation] = {
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "where, zeros": lambda x: torch.where(x <= 0, torch.zeros_like(x), x),
    "where, a method": lambda x: x.where(x >= 0, torch.tensor(0.0)),
    "maximum": lambda x: torch.maximum(torch.zeros_like(x), x),
    "max": lambda x: x.max(x.new_zeros(1)),
    "fmax": lambda x: torch.fmax(x, torch.tensor(0.0)),
    "masked_fill": lambda x: x.masked_fill(x < 0, 0),
    "masked_fill_": lambda x: x.clone().masked_fill_(x <= 0, 0.0),
    "mask": lambda x: x * (x > 0),
    "float mask": lambda x: (x > 0).to(x.dtype) * x,
    "mask in place": times_itself,
    "heaviside": lambda x: x * torch.heaviside(x.detach(), torch.tensor(0.0)),
    "setitem": put_zeros,
    "Threshold": nn.Threshold(0, 0),
    "threshold": lambda x: F.threshold(x.clone(), 0.0, 0.0, inplace=True),
    "clamp by a tensor": lambda x: x.clamp(min=torch.tensor(0.0)),
    "clip_": lambda x: x.clone().clip_(0),
    "aten": torch.ops.aten.relu,
    "autograd function": Rectify.apply,
    "checkpoint": lambda x: checkpoint(F.relu, x, use_reentrant=False),
}


LEAKY: dict[str, Activation] = {
    "maximum": lambda x: torch.maximum(x, SLOPE * x),
    "where": lambda x: torch.where(x > 0, x, SLOPE * x),
    "RReLU": nn.RReLU(0.0625, 0.1875),
    "autograd function": Leak.apply,
}


def network(*activations: Activation) -> cs.Network:
    layers: list[nn.Module] = [nn.Conv2d(3, 6, 3)]
    for activation in activations:
        layers += [toys.Lambda(activation), nn.Conv2d(6, 6, 3)]
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    return toys.plain_network(toys.randomized(module), 10)


def frame(rule: str, *activations: Activation, net: cs.Network | None = None) -> Ascent:
    start = starts.photo(4 * toys.images(2, 10) - 2)
    recipe = Recipe(start=start, objective=objectives.logit(1), rule=rule)
    return next(climb(net or network(*activations), recipe))


@pytest.mark.parametrize("rule", ["guided", "deconv", "redirected"])
@pytest.mark.parametrize("name", RELUS)
def test_a_relu_is_one_however_it_is_written(name: str, rule: str) -> None:
    expected = frame(rule, F.relu, F.relu).gradient
    assert expected.any()
    for pair in ((RELUS[name], RELUS[name]), (F.relu, RELUS[name])):
        found = frame(rule, *pair)
        assert toys.relative(found.gradient, expected) < 1e-5
        assert found.changed is None


@pytest.mark.parametrize("rule", ["guided", "deconv", "redirected"])
@pytest.mark.parametrize("name", LEAKY)
def test_a_leaky_relu_is_one_however_it_is_written(name: str, rule: str) -> None:
    leaky = nn.LeakyReLU(SLOPE)
    expected = frame(rule, leaky, F.relu).gradient
    found = frame(rule, LEAKY[name], F.relu)
    assert toys.relative(found.gradient, expected) < 1e-5
    assert found.changed is None


# Each: how it is written, the fraction beside one ReLU, and what a message calls it.
KEPT: dict[str, tuple[Activation, float, str]] = {
    "SiLU": (F.silu, 1 / 2, "SiLU"),
    "SiLU by hand": (lambda x: x * x.sigmoid(), 1 / 2, "a product with a gate of its own"),
    "GELU by hand": (
        lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)),
        1 / 2,
        "a product with a gate of its own",
    ),
    "SiLU as an autograd function": (Swish.apply, 1 / 2, "Swish"),
    "PReLU": (nn.PReLU(), 1 / 2, "PReLU"),
    "maxout": (lambda x: torch.stack([x, torch.zeros_like(x)]).amax(0), 1 / 2, "Amax"),
    "minimum": (lambda x: -torch.minimum(-x, torch.tensor(0.0)), 1 / 2, "Minimum"),
    "sign": (lambda x: x * (torch.sign(x) + 1) / 2, 1 / 2, "a mask"),
    "two slopes": (lambda x: x * torch.where(x > 0, 1.0, 0.1), 1 / 2, "a mask"),
    "lerp": (lambda x: torch.lerp(torch.zeros_like(x), x, (x > 0).float()), 1 / 2, "clamp"),
    "index_put": (lambda x: x.index_put((x < 0,), torch.tensor(0.0)), 1 / 2, "a mask"),
    "absolute value": (lambda x: (x + x.abs()) / 2, 2 / 3, "Abs"),
    "square root": (lambda x: (x + (x * x).sqrt()) / 2, 2 / 3, "a square root"),
}


@pytest.mark.parametrize("rule", ["guided", "deconv"])
@pytest.mark.parametrize("name", KEPT)
def test_what_a_rule_leaves_is_told_or_refused(name: str, rule: str) -> None:
    activation, fraction, called = KEPT[name]
    changed = frame(rule, F.relu, activation).changed
    assert changed is not None
    assert changed.tolist() == pytest.approx([fraction] * 2, rel=1e-4)
    with pytest.raises(RuleError, match=rf"change nothing.*{called}; use the plain gradient"):
        frame(rule, activation, activation)
    plain = frame("plain", activation, activation).gradient
    assert torch.equal(frame("redirected", activation, activation).gradient, plain)


def test_a_mask_that_is_not_of_signs_is_no_rectifier() -> None:
    stripes = (torch.arange(8) % 2).bool().expand(8, 8)
    filled = frame("guided", lambda x: F.relu(x.masked_fill(stripes, 0)))
    subtracted = frame("guided", lambda x: F.relu(x - x * stripes))
    assert toys.relative(filled.gradient, subtracted.gradient) < 1e-5
    assert filled.changed is None


class Gated(nn.Module):
    """Squeeze-and-excite with a ReLU, on a main way with another activation."""

    def __init__(self, activation: Activation, gate: Activation = torch.sigmoid) -> None:
        super().__init__()
        self.activation, self.gate = activation, gate
        self.first, self.second = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 8, 3)
        self.squeeze, self.excite = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.first(x))
        inside = F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        x = x * self.gate(self.excite(inside))
        out: Tensor = self.fc(self.activation(self.second(x)).mean((2, 3)))
        return out


def gated(*made: Any) -> cs.Network:
    torch.manual_seed(0)
    return toys.plain_network(Gated(*made), 24)


@pytest.mark.parametrize("rule", ["guided", "deconv"])
@pytest.mark.parametrize("activation", [F.silu, F.gelu, lambda x: x, lambda x: x * x.sigmoid()])
def test_rectifiers_in_side_branches_only_are_refused(activation: Activation, rule: str) -> None:
    net = gated(activation)
    recipe = Recipe(start=starts.photo(toys.images(1, 24)), objective=objectives.logit(0))
    assert next(climb(net, recipe)).gradient.any()
    with pytest.raises(RuleError, match=r"change nearly nothing: on the main way.*plain gradient"):
        next(climb(net, Recipe(start=recipe.start, objective=recipe.objective, rule=rule)))


@pytest.mark.parametrize("gate", [torch.sigmoid, F.hardsigmoid, torch.tanh])
def test_gates_of_a_relu_network_are_no_activations(gate: Activation) -> None:
    net = gated(F.relu, gate)
    recipe = Recipe(
        start=starts.photo(toys.images(1, 24)), objective=objectives.logit(0), rule="guided"
    )
    assert next(climb(net, recipe)).changed is None


def test_a_fraction_is_that_of_an_image_alone_and_measured_once() -> None:
    net = network(F.silu, F.relu)
    images = toys.images(3, 10)

    def changed(some: Tensor, steps: int = 1) -> list[float]:
        recipe = Recipe(
            start=starts.photo(some), objective=objectives.logit(0), rule="guided", steps=steps
        )
        *_, last = climb(net, recipe)
        assert last.changed is not None
        found: list[float] = last.changed.tolist()
        return found

    assert changed(images) == pytest.approx([changed(images[i : i + 1])[0] for i in range(3)])
    assert changed(images, 3) == changed(images)


class Guarded(nn.Module):
    """A module that guards and normalizes its own input."""

    def __init__(self, body: nn.Module, guard: Activation) -> None:
        super().__init__()
        self.body, self.guard = body, guard
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body((self.guard(x) - self.mean) / 0.5)
        return out


GUARDS: dict[str, Activation] = {
    "clamp": lambda x: x.clamp(0, 1),
    "clamp_": lambda x: x.clone().clamp_(0, 1),
    "relu": F.relu,
    "hardtanh": lambda x: F.hardtanh(x, 0, 1),
    "maximum": lambda x: torch.maximum(x, torch.zeros(1)),
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "mask": lambda x: x * (x > 0),
    "each color": lambda x: torch.cat([one.clamp(0, 1) for one in x.split(1, 1)], 1),
    "resized": lambda x: F.interpolate(x.flip(3), scale_factor=2.0).clamp(min=0)[..., ::2, ::2],
}


@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_of_the_pixels_is_no_activation(name: str) -> None:
    body = toys.randomized(
        nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 64, 3))
    )
    net = toys.plain_network(Guarded(body, GUARDS[name]), 10)
    assert net.activation_names == ("ReLU",)
    images = 0.8 * toys.images(2, 10) + 0.1
    flipped = images.flip(3) if name == "resized" else images
    start = starts.photo(images)
    recipe = Recipe(start=start, objective=objectives.logit(1), rule="guided")
    found = next(climb(net, recipe)).gradient
    bare = Recipe(start=starts.photo(2 * flipped - 1), objective=objectives.logit(1), rule="guided")
    expected = 2 * next(climb(toys.plain_network(body, 10), bare)).gradient
    expected = expected.flip(3) if name == "resized" else expected
    assert (expected < 0).any()  # a guard that is bent leaves no negative value
    assert toys.relative(found, expected) < 1e-5


def test_a_network_with_nothing_but_a_guard_is_refused() -> None:
    body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.SiLU(), nn.Flatten(), nn.Linear(6 * 64, 3))
    net = toys.plain_network(Guarded(body, GUARDS["clamp"]), 10)
    with pytest.raises(ConvscopeError, match=r"would change nothing.*only SiLU"):
        frame("guided", net=net)


class Quantized(torch.autograd.Function):
    """An operation without a derivative, as quantized layers are."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> None:
        return None


@pytest.mark.parametrize("rule", ["plain", "guided", "deconv", "redirected"])
@pytest.mark.parametrize(
    "pair", [(Quantized.apply, F.relu), (torch.round, F.relu), (torch.round, Rectify.apply)]
)
def test_a_cut_stays_one_behind_activations(rule: str, pair: tuple[Activation, ...]) -> None:
    cut, last = pair
    with pytest.raises(ConvscopeError, match=r"no gradient reaches the image.*use a technique"):
        frame(rule, F.relu, last, cut)
