"""Reading layers and their inputs, against the user's own module and autograd."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from convscope.ascent.loop import climb
from convscope.ascent.recipe import Recipe
from convscope.errors import ConvscopeError
from convscope.network import zoo
from convscope.network.sources import timm_networks
from convscope.vocabulary import objectives, starts
from tests.helpers import toys


def resnet() -> nn.Module:
    return toys.randomized(zoo.build("torchvision/resnet18", pretrained=False)[0])


def timm_resnet() -> nn.Module:
    """Before the activation and with it: its normalizations hold theirs inside (BatchNormAct2d)."""
    return toys.randomized(zoo.build("timm/resnetv2_18", pretrained=False)[0])


def lite() -> nn.Module:
    return zoo.build("efficientnet_lite0")[0]


@pytest.mark.parametrize(
    ("make", "size"),
    [(resnet, 48), (timm_resnet, 48), (lite, 64)]
    + [(make, 16) for make in (toys.Residual, toys.Dense, toys.Reused)],
)
def test_every_layer_is_what_the_users_module_gives(make: Any, size: int) -> None:
    module = make().eval().double()  # in float64 a mistake stands out from rounding
    if size == 16:
        toys.randomized(module)
    net = toys.network(module, size)
    images = toys.images(2, size).double()
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(images))
    names = [name for name in own if name]
    assert {layer.name for layer in net.layers} <= set(names)
    together = net.read(images, names)
    for name in names:
        alone = net.read(images, {name})
        assert list(alone) == [name]
        assert toys.relative(alone[name], own[name]) < 1e-11, name
        assert toys.relative(together[name], own[name]) < 1e-11, name


def test_activations_inside_normalizations() -> None:
    class Inside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            norms: Any = importlib.import_module("timm.layers")
            self.conv1, self.bn1 = nn.Conv2d(3, 6, 3), norms.BatchNormAct2d(6)
            self.conv2 = nn.Conv2d(6, 6, 3)
            self.bn2 = norms.BatchNormAct2d(6, act_layer=nn.SiLU)
            self.bn3 = norms.BatchNormAct2d(6, apply_act=False)

        def forward(self, x: Tensor) -> Tensor:
            x = self.bn2(self.conv2(self.bn1(self.conv1(x))))
            out: Tensor = self.bn3(x).mean((2, 3))
            return out

    timm_networks.timm_package()
    module = toys.randomized(Inside()).eval()
    net = toys.network(module)
    assert {p.conv for p in net._prepared.pairs} == {"conv1", "conv2"}
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(toys.images()))
    for name in (n for n in own if n):
        assert toys.relative(net.read(toys.images(), {name})[name], own[name]) < 1e-6, name
    pre = net.read(toys.images(), {"bn1.pre", "bn2.pre"})
    for number in (1, 2):
        norm: Any = module.get_submodule(f"bn{number}")
        raw = own[f"conv{number}"]
        with torch.no_grad():
            expected = F.batch_norm(
                raw, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
            )
        assert toys.relative(pre[f"bn{number}.pre"], expected) < 1e-6


class Pres(nn.Module):
    """Activations in every form, and what went into each, kept for the test."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.one = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.two = toys.Lambda(lambda x: F.relu_(x - 0.5))
        self.three = toys.Lambda(lambda x: x.clamp_(0, 0.4))
        self.four = toys.Lambda(lambda x: F.leaky_relu(x - 0.2, 0.1))
        self.five = nn.SiLU(inplace=True)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu_(self.conv(x))
        x = self.four(self.three(self.two(self.one(x)) + 0.1) - 0.1)
        out: Tensor = self.fc(self.five(x + 0.1).mean((2, 3)))
        return out


def test_before_the_activation() -> None:
    module = toys.randomized(Pres()).eval().double()
    net = toys.network(module)
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(toys.images().double()))
    expected = {
        "one.pre": own["one.1"],
        "one.2.pre": own["one.1"],
        "two.pre": own["one"] - 0.5,
        "three.pre": own["two"] + 0.1,
        "four.pre": own["three"] - 0.1 - 0.2,
        "five.pre": own["four"] + 0.1,
    }
    assert own["one.1"].min() < 0
    together = net.read(toys.images(), {*expected, "one.0", "two", "conv"})
    for name, value in expected.items():
        assert toys.relative(together[name], value) < 1e-13, name
        assert toys.relative(net.read(toys.images(), {name})[name], value) < 1e-13, name
        assert net.shape(name) == tuple(value.shape[1:])
    assert toys.relative(together["conv"], own["conv"]) < 1e-6
    assert toys.relative(together["two"], own["two"]) < 1e-6
    for name in ("conv.pre", "fc.pre", "one.0.pre"):
        with pytest.raises(ConvscopeError, match="does not end in an activation"):
            net.read(toys.images(), {name})
    with pytest.raises(ConvscopeError, match="unknown layer 'nope'"):
        net.read(toys.images(), {"nope.pre"})


def test_before_the_activation_of_a_reused_module() -> None:
    module = toys.randomized(toys.Residual()).eval()
    net = toys.network(module)
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(toys.images()))
    summed = own["layer1.bn2"] + own["layer1.down"]
    for name in ("layer1.pre", "layer1.relu.pre"):
        value = net.read(toys.images(), {name})[name]
        assert toys.relative(value, summed) < 1e-6
        assert toys.relative(value.relu(), own["layer1"]) < 1e-6


def test_before_an_activation_whose_input_is_changed_later() -> None:
    class Later(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act = nn.Conv2d(3, 4, 3), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            y = self.act(x)
            x += y
            return x.mean((2, 3))

    module = Later().eval()
    net = toys.network(module)
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(toys.images()))
    values = net.read(toys.images(), {"act.pre", "conv", ""})
    assert toys.relative(values["act.pre"], own["conv"]) < 1e-6
    assert toys.relative(values["conv"], own["conv"]) < 1e-6
    assert toys.relative(values[""], own[""]) < 1e-6


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * 1


def test_reading_stops_at_the_deepest() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), Counting(), nn.ReLU(), Counting(), nn.Flatten(), nn.Linear(784, 2)
    )
    net = toys.network(module)
    first, second = net._prepared.plain[1], net._prepared.plain[3]  # type: ignore[index]

    def calls(names: set[str]) -> tuple[int, int]:
        first.calls = second.calls = 0
        net.read(toys.images(), names)
        return first.calls, second.calls

    assert calls({"0"}) == (0, 0)
    assert calls({"0", "1"}) == (1, 0)
    assert calls({"2.pre"}) == (1, 0)
    assert calls({"2"}) == (1, 0)
    assert calls({"0", "4"}) == (1, 1)
    assert calls({""}) == (1, 1)
    assert calls({"0", ""}) == (1, 1)


@pytest.mark.parametrize("name", ["stem.0", "pool", "layer1.bn2", "layer1.pre", "layer2", "fc"])
def test_truncated_gradient_is_the_full_gradient(name: str) -> None:
    module = toys.randomized(toys.Residual()).eval().double()
    net = toys.network(module)
    image = toys.images().double()
    frame = next(climb(net, Recipe(start=starts.photo(image), objective=objectives.energy(name))))
    leaf = image.clone().requires_grad_()
    kept: list[Tensor] = []
    layer = "layer1.bn2" if name == "layer1.pre" else name
    handle = module.get_submodule(layer).register_forward_hook(
        lambda _m, _a, out: kept.append(out.clone())
    )
    module(toys.normalized(leaf))
    handle.remove()
    value = kept[0]
    if name == "layer1.pre":
        block: Any = module.layer1
        value = value + block.down(module.pool(module.stem(toys.normalized(leaf))))  # type: ignore
    score = 0.5 * value.flatten(1).square().mean(1)
    (expected,) = torch.autograd.grad(score.sum(), leaf)
    assert toys.relative(frame.score, score.detach()) < 1e-12
    assert toys.relative(frame.gradient, expected) < 1e-12


def slopes_by_autograd(module: nn.Module, image: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """A layer's last value in the user's own module, and the slope of logit 1 by it."""
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: object, out: Tensor) -> Tensor:
        out.retain_grad()
        kept.append(out)
        return out.clone()  # what follows may change it in place

    handle = module.get_submodule(name).register_forward_hook(keep)
    module(toys.normalized(image.clone().requires_grad_()))[:, 1].sum().backward()
    handle.remove()
    assert kept[-1].grad is not None
    return kept[-1].detach(), kept[-1].grad


LEAVES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "residual": (toys.Residual, ("stem", "layer1.bn2", "layer1.relu", "layer1", "layer2", "fc")),
    "dense": (toys.Dense, ("conv0", "norm2", "relu", "norm3", "classifier")),
    "reused": (toys.Reused, ("stem", "conv", "bn", "act", "fc")),
    "spellings": (Pres, ("conv", "one", "two", "three", "four", "five", "fc")),
}


@pytest.mark.parametrize("kind", LEAVES)
def test_gradients_begin_at_the_layers_that_are_read(kind: str) -> None:
    """Whatever changes them in place: slopes are true, and nothing below them has any."""
    make, names = LEAVES[kind]
    module = toys.randomized(make()).eval().double()
    net, image = toys.network(module), toys.images().double()
    for name in names:
        value, slope = slopes_by_autograd(module, image, name)
        found = net.activations(image, {name, ""}, leaves=True)
        assert found[name].is_leaf
        assert toys.relative(found[name].detach(), value) < 1e-12
        (ours,) = torch.autograd.grad(found[""][:, 1].sum(), found[name])
        assert toys.relative(ours, slope) < 1e-12
    together = net.activations(image, {*names, ""}, leaves=True)
    assert together[names[0]].is_leaf
    slopes = torch.autograd.grad(together[""][:, 1].sum(), [together[name] for name in names])
    for name, slope in zip(names, slopes, strict=True):
        assert toys.relative(slope, slopes_by_autograd(module, image, name)[1]) < 1e-12, name
    assert not image.requires_grad


def test_gradients_begin_before_an_activation() -> None:
    """Behind a ReLU the slope is that of what comes out, where anything does."""
    for make, names in ((toys.Residual, ("layer1", "layer2")), (Pres, ("one",))):
        module = toys.randomized(make()).eval().double()
        net, image = toys.network(module), toys.images().double()
        for name in names:
            found = net.activations(image, {f"{name}.pre", ""}, leaves=True)
            before = found[f"{name}.pre"]
            assert before.is_leaf
            (slope,) = torch.autograd.grad(found[""][:, 1].sum(), before)
            after, above = slopes_by_autograd(module, image, name)
            assert toys.relative(slope, above * (before > 0)) < 1e-12
            assert toys.relative(before.relu().detach(), after) < 1e-12


def test_nothing_below_the_layers_is_kept() -> None:
    net, image = toys.network(toys.randomized(toys.Residual())), toys.images()
    saved: list[int] = []

    def count(tensor: Tensor) -> Tensor:
        saved.append(tensor.numel())
        return tensor

    def kept(name: str, **options: Any) -> int:
        saved.clear()
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            net.activations(image, {name, ""}, **options)
        return sum(saved)

    assert kept("layer2") == 0, "no gradients were asked for"
    assert kept("fc", leaves=True) == 0
    sizes = [kept(name, leaves=True) for name in ("layer2", "layer1", "stem")]
    assert 0 < sizes[0] < sizes[1] < sizes[2]


def test_saliency_of_the_default_network_is_autograd_on_timms(
    net: cs.Network, seen: Tensor
) -> None:
    module, _ = zoo.build(zoo.DEFAULT)
    leaf = seen.clone().requires_grad_()
    logits = module.eval()((leaf - 0.5) / 0.5)
    (expected,) = torch.autograd.grad(logits[0, 281], leaf)
    result = cs.saliency(net, seen, target="tabby").result()
    assert toys.relative(torch.from_numpy(result.gradient)[None], expected) < 1e-5
    assert toys.relative(torch.from_numpy(result.heatmap), expected[0].abs().amax(0)) < 1e-5
    assert result.score == pytest.approx(float(logits[0, 281].detach()), rel=1e-5)


def test_threads_read_what_one_thread_reads() -> None:
    net = toys.network(toys.randomized(toys.Residual()))
    names = ["stem.0", "layer1.conv1", "layer1.pre", "layer2", "fc", ""]
    expected = {name: net.read(toys.images(), {name})[name] for name in names}
    wrong: list[str] = []

    def work(name: str) -> None:
        for _ in range(20):
            if not torch.equal(net.read(toys.images(), {name})[name], expected[name]):
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_not_finite_names_the_first_layer() -> None:
    class Explodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act = nn.Conv2d(3, 4, 3), nn.ReLU()
            self.log = toys.Lambda(lambda x: torch.log(x - 0.8))
            self.fc = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.act(self.conv(x))
            x = self.act(self.log(x.mean((2, 3)) * 0 + x.amax((2, 3))))
            out: Tensor = self.fc(x)
            return out

    module = Explodes()
    with torch.no_grad():
        module.conv.weight.fill_(1 / 27)
        module.conv.bias.zero_()  # type: ignore[union-attr]
    net = toys.plain_network(module, 16)
    bright, dark = torch.full((1, 3, 16, 16), 0.99), torch.full((1, 3, 16, 16), 0.3)
    assert net.read(bright, {""})[""].isfinite().all()
    with pytest.raises(ConvscopeError, match=r"the output is not finite.*first.*is 'log'"):
        net.read(dark, {""})
    assert net.read(dark, {"conv"})["conv"].isfinite().all()
    dark[0, 0, 0, 0] = float("nan")
    with pytest.raises(ConvscopeError, match="the image itself holds NaN"):
        net.read(dark, {"fc"})


def test_an_image_that_takes_another_path() -> None:
    class Forks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small, self.large = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = (self.large if x.shape[-1] > 20 else self.small)(x)
            return out.mean((2, 3))

    net = toys.network(Forks())
    assert [layer.name for layer in net.layers] == ["small"]
    with pytest.raises(ConvscopeError, match="did not run 'small' on this image of 32x32 pixels"):
        net.activations(toys.images(1, 32), {"small"})


def test_reading_nothing_and_one_name() -> None:
    net = toys.network(toys.Residual())
    assert net.read(toys.images(), set()) == {}
    assert list(net.read(toys.images(), "layer1")) == ["layer1"]


def test_a_size_that_the_module_refuses() -> None:
    class Strict(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[-1] == 8
            return super().forward(x)

    net = toys.network(nn.Sequential(Strict(3, 2, 3)), 8)
    with pytest.raises(
        cs.ConvscopeError,
        match=r"takes images of 6x8 pixels, but not of 6x7$",
    ):
        net.activations(torch.rand(1, 3, 6, 7), {"0"})
