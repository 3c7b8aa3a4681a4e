"""Backward rules against tables worked out by hand, a backward pass in NumPy, and captum."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import Deconvolution, GuidedBackprop, Saliency
from torch import Tensor, nn

import convscope as cs
from convscope.ascent.loop import climb
from convscope.ascent.recipe import Recipe
from convscope.errors import ConvscopeError
from convscope.vocabulary import objectives, rules, starts
from convscope.vocabulary.words import as_rule
from tests.helpers import toys


def gradient(
    net: cs.Network, image: Tensor, objective: objectives.Objective, rule: str | rules.Rule
) -> Tensor:
    recipe = Recipe(start=starts.photo(image), objective=objective, rule=rule)
    return next(climb(net, recipe)).gradient


TABLES = {"plain": toys.PLAIN, "guided": toys.GUIDED, "deconv": toys.DECONV}


@pytest.mark.parametrize("rule", TABLES)
@pytest.mark.parametrize("make", toys.TOYS.values(), ids=toys.TOYS)
def test_toy_by_hand(make: Callable[[], toys.Toy], rule: str) -> None:
    net = toys.plain_network(make(), 4, channels=1)
    frame = next(
        climb(
            net,
            Recipe(start=starts.photo(toys.TOY_IMAGE), objective=objectives.logit(0), rule=rule),
        )
    )
    assert frame.score.tolist() == [54.0]
    assert torch.equal(frame.gradient[0, 0], TABLES[rule])


@pytest.mark.parametrize("make", toys.TOYS.values(), ids=toys.TOYS)
def test_toy_through_the_techniques(make: Callable[[], toys.Toy]) -> None:
    # Pixels in [0, 1]: the network scales them by 15, and so the gradient.
    net = cs.Network(make(), mean=(0.0,), std=(1 / 15,), input_size=4)
    image = toys.TOY_IMAGE / 15
    result = cs.saliency(net, image, target=0).result()
    assert result.score == pytest.approx(54, rel=1e-6)
    np.testing.assert_allclose(result.heatmap, 15 * toys.PLAIN, rtol=1e-6)
    for technique, table in ((cs.guided_backprop, toys.GUIDED), (cs.deconvnet, toys.DECONV)):
        bent = technique(net, image, target=0).result()
        np.testing.assert_allclose(bent.gradient[0], 15 * table, rtol=1e-6)


# Each: how to write it, and its value and slope in NumPy.
PIECEWISE: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "ReLU": (nn.ReLU, lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0)),
    "ReLU6": (nn.ReLU6, lambda z: np.clip(z, 0, 6), lambda z: 1.0 * ((z > 0) & (z < 6))),
    "ReLU6 in place": (
        lambda: nn.ReLU6(inplace=True),
        lambda z: np.clip(z, 0, 6),
        lambda z: 1.0 * ((z > 0) & (z < 6)),
    ),
    "LeakyReLU": (
        lambda: nn.LeakyReLU(0.2),
        lambda z: np.where(z > 0, z, 0.2 * z),
        lambda z: np.where(z > 0, 1, 0.2),
    ),
    "leaky_relu_": (
        lambda: lambda x: F.leaky_relu_(x, 0.3),
        lambda z: np.where(z > 0, z, 0.3 * z),
        lambda z: np.where(z > 0, 1, 0.3),
    ),
    "Hardtanh": (
        lambda: nn.Hardtanh(-2, 3),
        lambda z: np.clip(z, -2, 3),
        lambda z: 1.0 * ((z > -2) & (z < 3)),
    ),
    "clamp": (
        lambda: lambda x: torch.clamp(x, 0, 4),
        lambda z: np.clip(z, 0, 4),
        lambda z: 1.0 * ((z > 0) & (z < 4)),
    ),
    "clamp_min": (
        lambda: lambda x: x.clamp_min(0),
        lambda z: np.maximum(z, 0),
        lambda z: 1.0 * (z > 0),
    ),
}


class Chain(nn.Module):
    """Three dense layers with two activations between, in float64."""

    def __init__(self, make: Callable[[], Any], seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.acts = make(), make()
        self.a, self.b, self.c = nn.Linear(16, 12), nn.Linear(12, 9), nn.Linear(9, 3)
        for layer in (self.a, self.b, self.c):
            with torch.no_grad():
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.acts
        out: Tensor = self.c(second(self.b(first(self.a(x.flatten(1))))))
        return out


def by_hand(
    chain: Chain, value: Callable[[Any], Any], slope: Callable[[Any], Any], x: Any, bend: Any
) -> Any:
    """The gradient of score 0 by the input; `bend(gradient, slope)` passes each activation."""
    (wa, ba), (wb, bb), (wc, _) = (
        (layer.weight.detach().numpy(), layer.bias.detach().numpy())
        for layer in (chain.a, chain.b, chain.c)
    )
    za = wa @ x + ba
    zb = wb @ value(za) + bb
    return wa.T @ bend(wb.T @ bend(wc[0], slope(zb)), slope(za))


BENDS: dict[str, Callable[[Any, Any], Any]] = {
    "plain": lambda g, s: g * s,
    "guided": lambda g, s: np.maximum(g * s, 0),
    "deconv": lambda g, s: np.maximum(g, 0),
    "redirected": lambda g, s: np.where(s == 0, 0.1 * g, s * g),
}


@pytest.mark.parametrize("rule", BENDS)
@pytest.mark.parametrize("kind", PIECEWISE)
def test_rules_in_numpy(kind: str, rule: str) -> None:
    make, value, slope = PIECEWISE[kind]
    chain = Chain(make)
    net = toys.plain_network(chain, 4, channels=1)
    assert net.dtype == torch.float64
    generator = torch.Generator().manual_seed(3)
    x = 4 * torch.randn(1, 1, 4, 4, generator=generator, dtype=torch.float64)
    expected, true = (
        by_hand(chain, value, slope, x.flatten().numpy(), BENDS[name]) for name in (rule, "plain")
    )
    ours = gradient(net, x, objectives.logit(0), rule)
    np.testing.assert_allclose(ours.flatten(), expected, rtol=1e-12, atol=1e-12)
    if rule != "plain" and not (rule == "redirected" and "eaky" in kind):
        assert not np.allclose(expected, true)


def test_redirected_passes_its_leak_where_flat() -> None:
    x = torch.tensor([-3.0, -1.0, 2.0, 7.0], requires_grad=True)
    with rules.redirected(leak=0.25).mode():
        F.relu6(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.25, 0.25, 1.0, 0.25]


def test_rules_act_on_a_single_number() -> None:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    for rule, expected in ((rules.guided(), [0.0, 0.0]), (rules.redirected(), [-0.5, -0.5])):
        with rule.mode():
            (got,) = torch.autograd.grad(-torch.relu(x.mean()), x)
        assert got.tolist() == expected


@pytest.mark.parametrize("rule", ["guided", "deconv"])
def test_rules_are_not_odd(rule: str) -> None:
    net = toys.network(toys.randomized(toys.Residual()))
    up = gradient(net, toys.images(), objectives.logit(1), rule)
    down = gradient(net, toys.images(), -objectives.logit(1), rule)
    assert not torch.allclose(up, -down, atol=1e-4 * float(up.abs().max()))


class Fused(nn.Module):
    """SiLU throughout; its one ReLU acts on a weight, not on what comes from the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
        self.mix = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(F.silu(self.conv(x)).mean((2, 3)) * F.relu(self.mix))
        return out


def without_a_rectifier() -> list[cs.Network]:
    silu = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    return [toys.network(module, 8) for module in (silu, Fused())]


@pytest.mark.parametrize("rule", ["guided", "deconv"])
def test_a_rule_without_an_activation_is_refused(rule: str) -> None:
    for net in without_a_rectifier():
        with pytest.raises(ConvscopeError, match=r"would change nothing.*use the plain gradient"):
            gradient(net, toys.images(1, 8), objectives.logit(0), rule)
        assert gradient(net, toys.images(1, 8), objectives.logit(0), "plain").any()


def test_redirected_without_an_activation_is_the_true_gradient() -> None:
    # Nothing is ever flat there, so that there is nothing to redirect, and nothing to refuse.
    for net in without_a_rectifier():
        for rule in ("redirected", rules.redirected(1.0)):
            true = gradient(net, toys.images(1, 8), objectives.logit(0), "plain")
            assert true.any()
            assert torch.equal(gradient(net, toys.images(1, 8), objectives.logit(0), rule), true)


def test_a_rule_with_no_activation_before_the_target_is_refused() -> None:
    net = toys.network(toys.Residual())
    with pytest.raises(ConvscopeError, match="would change nothing"):
        gradient(net, toys.images(), objectives.activation("stem.0:1"), "guided")


def test_unknown_rule_names_the_nearest() -> None:
    with pytest.raises(ConvscopeError, match="did you mean 'guided'"):
        as_rule("giuded")
    assert as_rule("guided") == rules.guided()
    assert as_rule(rules.redirected(0.3)) == rules.redirected(0.3)


@pytest.mark.parametrize("rule", ["plain", "guided", "deconv", "redirected"])
def test_a_class_is_a_unit_of_the_last_layer(rule: str) -> None:
    net = toys.network(toys.randomized(toys.Residual()))
    by_class = gradient(net, toys.images(), objectives.logit(3), rule)
    by_unit = gradient(net, toys.images(), objectives.activation("fc:3"), rule)
    assert torch.equal(by_class, by_unit)


class Plain(nn.Module):
    """A ReLU network as captum supports it: each nn.ReLU its own, none in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.conv2, self.relu2 = nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()
        self.fc1, self.relu3, self.fc2 = nn.Linear(6 * 64, 10), nn.ReLU(), nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.conv1(x)))
        x = x + self.relu2(self.conv2(x))
        out: Tensor = self.fc2(self.relu3(self.fc1(x.flatten(1))))
        return out


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("rule", "method"),
    [("plain", Saliency), ("guided", GuidedBackprop), ("deconv", Deconvolution)],
)
def test_captum_agrees(rule: str, method: Any) -> None:
    module = toys.randomized(Plain())
    net = toys.plain_network(module, 16)
    images = toys.images(3)
    ours = gradient(net, images, objectives.logit(2), rule)
    theirs = method(module.eval()).attribute(images.clone().requires_grad_(), target=2)
    if rule == "plain":
        ours = ours.abs()
    assert theirs.abs().max() > 1e-3
    assert toys.relative(ours, theirs) < 1e-5


def modes() -> int:
    return torch._C._len_torch_function_stack()


def hooks_of(net: cs.Network) -> int:
    parts = [net._prepared.plain, *net._prepared._variants.values()]
    modules = itertools.chain(*(part.modules() for part in parts))
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules)


@pytest.mark.parametrize("rule", ["plain", "guided", "deconv", "redirected"])
def test_nothing_is_left_behind(rule: str) -> None:
    net = toys.network(toys.randomized(toys.Residual()))
    targets = objectives.activation("layer1.conv1:0") + objectives.activation("layer1.pre")
    before = gradient(net, toys.images(), targets, "plain")
    gradient(net, toys.images(), targets, rule)
    assert (modes(), hooks_of(net)) == (0, 0)
    with pytest.raises(ConvscopeError):
        gradient(net, toys.images()[:, :2], targets, rule)
    with pytest.raises(ConvscopeError, match="takes images of 2x2 pixels, but not of 1x1"):
        gradient(net, toys.images(1, 1), targets, rule)
    assert (modes(), hooks_of(net)) == (0, 0)
    assert torch.equal(gradient(net, toys.images(), targets, "plain"), before)


def test_a_mode_leaves_with_an_error() -> None:
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    with pytest.raises(ZeroDivisionError), rules.deconv().mode():
        raise ZeroDivisionError
    F.relu(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("rule", ["guided", "deconv"])
@pytest.mark.parametrize("make", toys.TOYS.values(), ids=toys.TOYS)
def test_a_rule_may_rest_on_the_way_back(make: Callable[[], toys.Toy], rule: str) -> None:
    """One forward pass, and a gradient of either kind through it, as often as it is asked for."""
    net = toys.plain_network(make(), 4, channels=1)
    leaf = toys.TOY_IMAGE.clone().requires_grad_()
    with as_rule(rule).mode() as mode:
        logits = net.activations(leaf, {""})[""]
    for enabled in (True, False, True):
        mode.enabled = enabled
        (found,) = torch.autograd.grad(logits[0, 0], leaf, retain_graph=True)
        assert torch.equal(found[0, 0], TABLES[rule if enabled else "plain"])


@pytest.mark.parametrize("rule", ["plain", "guided", "deconv", "redirected"])
def test_the_forward_pass_stays_exact(rule: str) -> None:
    net = toys.network(toys.randomized(toys.Reused()))
    recipe = Recipe(start=starts.photo(toys.images()), objective=objectives.logit(0), rule=rule)
    assert torch.equal(next(climb(net, recipe)).score, net.logits(toys.images())[:, 0])
