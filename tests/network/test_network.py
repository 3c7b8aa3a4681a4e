"""Reading, naming and fitting, against the user's own module, autograd and plain geometry."""

from __future__ import annotations

import importlib
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from convscope.ascent.loop import climb
from convscope.ascent.recipe import Recipe
from convscope.errors import ConvscopeError
from convscope.network import zoo
from convscope.network._torchvision import torchvision
from convscope.types.targets import Target
from convscope.vocabulary import objectives, starts
from tests.helpers import toys

# ------------------------------------------------------------------------ reading


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

    zoo._timm()
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
        self.two = Wrapped(lambda x: F.relu_(x - 0.5))
        self.three = Wrapped(lambda x: x.clamp_(0, 0.4))
        self.four = Wrapped(lambda x: F.leaky_relu(x - 0.2, 0.1))
        self.five = nn.SiLU(inplace=True)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu_(self.conv(x))
        x = self.four(self.three(self.two(self.one(x)) + 0.1) - 0.1)
        out: Tensor = self.fc(self.five(x + 0.1).mean((2, 3)))
        return out


class Wrapped(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.function(x)
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
            self.log = Wrapped(lambda x: torch.log(x - 0.8))
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
    with pytest.raises(ConvscopeError, match="'small' is not reached by an image of 32x32 pixels"):
        net.activations(toys.images(1, 32), {"small"})


def test_reading_nothing_and_one_name() -> None:
    net = toys.network(toys.Residual())
    assert net.read(toys.images(), set()) == {}
    assert list(net.read(toys.images(), "layer1")) == ["layer1"]


# ------------------------------------------------------------------- fitting an image


def ramp(height: int, width: int) -> Tensor:
    """Rows in the first channel, columns in the second, of pixel centers, over the size."""
    rows = ((torch.arange(height) + 0.5) / height).view(-1, 1).expand(height, width)
    columns = ((torch.arange(width) + 0.5) / width).view(1, -1).expand(height, width)
    return torch.stack([rows, columns, torch.zeros_like(rows)])[None]


def fitting(
    input_size: int | tuple[int, int], crop: float, interpolation: str = "bilinear"
) -> cs.Network:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3))

    return cs.Network(
        Mean(),
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        input_size=input_size,
        crop=crop,
        interpolation=interpolation,
    )


SIZES = [(300, 451), (451, 300), (64, 64), (65, 47), (33, 200), (200, 33), (20, 31), (5, 7), (1, 1)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("input_size", [32, (24, 40), (31, 17)])
@pytest.mark.parametrize("crop", [1.0, 0.875, 0.7])
def test_box_is_what_fit_shows(
    size: tuple[int, int], input_size: int | tuple[int, int], crop: float
) -> None:
    net = fitting(input_size, crop)
    image = ramp(*size)
    fitted = net.preprocess(image)
    assert fitted.shape == (1, 3, *net.input_size)
    assert torch.equal(net.preprocess(fitted), fitted)
    box = net.box(image)
    assert -1e-6 <= box.top < box.top + box.height <= size[0] + 1e-6
    assert -1e-6 <= box.left < box.left + box.width <= size[1] + 1e-6
    if min(size) < 5:
        return
    # Away from the border a ramp stays a ramp: pixel centers lie evenly within the box.
    for axis, (start, length) in enumerate([(box.top, box.height), (box.left, box.width)]):
        pixels = net.input_size[axis]
        line = fitted[0, axis].mean(1 - axis) * size[axis]
        centers = start + length * (torch.arange(pixels) + 0.5) / pixels
        margin = max(1.0, length / pixels)
        inside = (centers > margin) & (centers < size[axis] - margin)
        assert torch.allclose(line[inside], centers[inside], atol=0.1 * margin)
        assert inside.any()


@pytest.mark.parametrize("size", [(300, 451), (451, 300), (97, 131), (64, 67), (69, 64)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_fit_is_torchvisions_preset(size: tuple[int, int], interpolation: str) -> None:
    torchvision()
    transforms = importlib.import_module("torchvision.transforms.v2.functional")
    net = fitting(56, 0.875, interpolation)
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    resized = transforms.resize(image, [64], transforms.InterpolationMode(interpolation))
    expected = transforms.center_crop(resized.clamp(0, 1), [56, 56])
    assert torch.allclose(net.preprocess(image), expected, atol=1e-6)


def test_a_crop_given_as_a_quotient_is_exact() -> None:
    for size, resize in [(224, 232), (224, 256), (240, 255), (288, 320), (380, 384), (32, 93)]:
        image = torch.zeros(1, 3, resize, resize)
        assert fitting(size, size / resize).preprocessing.resized(image)[0] == (resize, resize)


def test_fit_is_differentiable() -> None:
    net = fitting(32, 0.875)
    image = torch.rand(1, 3, 50, 70).requires_grad_()
    (gradient,) = torch.autograd.grad(net.preprocess(image).sum(), image)
    box = net.box(image.detach())
    assert gradient[0, :, 0].eq(0).all()
    assert gradient[0, :, :, : int(box.left) - 2].eq(0).all()
    assert float(gradient.sum()) == pytest.approx(3 * 32 * 32)  # each pixel is a weighted mean


def test_channels() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.keep = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.keep(x * 1).mean((2, 3))
            return out

    gray = cs.Network(Sum(), mean=(0.25,), std=(0.5,), input_size=4)
    color = torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    luminance = 0.299 * 1 + 0.587 * 0.5 + 0.114 * 0.25
    assert gray.read(color, {""})[""].item() == pytest.approx((luminance - 0.25) / 0.5, rel=1e-6)
    one = torch.full((1, 1, 4, 4), 0.75)
    assert gray.read(one, {""})[""].item() == pytest.approx(1.0)
    assert toys.plain_network(Sum(), 4).read(one, {""})[""].tolist() == [[0.75] * 3]
    five = cs.Network(Sum(), mean=(0.0,) * 5, std=(1.0,) * 5, input_size=4)
    assert five.read(torch.ones(2, 5, 4, 4), {""})[""].tolist() == [[1.0] * 5] * 2
    for wrong in (torch.rand(1, 2, 4, 4), torch.rand(1, 4, 4, 4)):
        with pytest.raises(ConvscopeError, match="takes 5 channels, not"):
            five.preprocess(wrong)
    strange: list[Any] = [
        torch.rand(3, 4, 4),
        torch.ones(1, 3, 4, 4, dtype=torch.uint8),
        np.ones((1, 3, 4, 4)),
    ]
    for image in strange:
        with pytest.raises(ConvscopeError, match="images are float tensors"):
            five.preprocess(image)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mean": (0.5,) * 2}, "one number a channel"),
        ({"mean": (), "std": ()}, "one number a channel"),
        ({"std": (1.0, 0.0, 1.0)}, "std above zero"),
        ({"std": (1.0, float("nan"), 1.0)}, "std above zero"),
        ({"input_size": 0}, "input_size is"),
        ({"input_size": (8, 8, 8)}, "input_size is"),
        ({"crop": 0.0}, "crop lies in"),
        ({"crop": 1.2}, "crop lies in"),
        ({"interpolation": "cubic"}, "'bicubic' or 'bilinear', not 'cubic'"),
        ({"labels": ["a", "b"]}, "2 labels for 5 classes"),
        ({"device": "tpu9"}, "cannot be used here"),
        ({"module": lambda x: x}, "wraps a torch.nn.Module, not function"),
    ],
)
def test_what_a_network_refuses(changed: dict[str, Any], message: str) -> None:
    settings: dict[str, Any] = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "input_size": 16}
    with pytest.raises(ConvscopeError, match=message):
        cs.Network(**{"module": toys.Residual(), **settings, **changed})


# ------------------------------------------------------------------------ predicting


def test_predict_is_the_softmax() -> None:
    module = toys.randomized(toys.Residual()).eval()
    labels = ["a, first", "b", "c", "d", "e"]
    net = cs.Network(module, mean=toys.MEAN, std=toys.STD, input_size=16, labels=labels)
    with torch.no_grad():
        logits = module(toys.normalized(toys.images(1)))[0].double().numpy()
    probabilities = np.exp(logits) / np.exp(logits).sum()
    rows = net.predict(toys.images(1), top=9)
    assert [row.index for row in rows] == list(np.argsort(-probabilities))
    assert [row.label for row in rows] == ["abcde"[row.index] for row in rows]
    np.testing.assert_allclose(
        [row.probability for row in rows], np.sort(probabilities)[::-1], rtol=1e-5
    )
    assert len(net.predict(toys.images(1), top=2)) == 2
    with pytest.raises(ConvscopeError, match="takes one image, not 2"):
        net.predict(toys.images(2))
    assert toys.network(module).predict(toys.images(1), 1)[0].label.startswith("class ")


def accuracy(net: cs.Network, files: list[Path]) -> float:
    right = 0
    for start in range(0, len(files), 10):
        some = files[start : start + 10]
        batch = torch.cat([net.preprocess(cs.open_image(file)) for file in some])
        truth = [int(file.name.split("_")[0]) for file in some]
        right += sum(int(a == b) for a, b in zip(net.logits(batch).argmax(1), truth, strict=True))
    return right / len(files)


def test_top_1(net: cs.Network, sample_folder: Path) -> None:
    files = sorted(sample_folder.glob("*.jpg"))
    assert accuracy(net, files[:: max(1, len(files) // 100)][:100]) >= 0.85


@pytest.mark.slow
def test_top_1_of_all(net: cs.Network, sample_folder: Path) -> None:
    assert accuracy(net, sorted(sample_folder.glob("*.jpg"))) >= 0.86


# --------------------------------------------------------------------------- names


def test_targets(net: cs.Network) -> None:
    tabby = Target("", 281, label="tabby")
    for words in ("tabby", "TABBY", " tabby ", "tabby cat", "tabby_cat", "281", " 281 ", 281):
        assert net.target(words) == tabby
    for number in (np.int64(281), torch.tensor(281), np.array(281)):
        assert net.target(number) == tabby
    assert net.target("blocks.4") == Target("blocks.4")
    assert net.target("blocks.4:12") == Target("blocks.4", 12)
    assert net.target("blocks.4:12@7,3") == Target("blocks.4", 12, (7, 3))
    assert net.target("bn1.pre:3@0,111") == Target("bn1.pre", 3, (0, 111))
    assert net.target("classifier:5") == Target("classifier", 5)
    for target in ("blocks.4:12@7,3", "blocks.4:12", "blocks.4", "bn1.pre:3", "tabby"):
        assert str(net.target(target)) == target
        assert net.target(net.target(target)) == net.target(target)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("taby", "unknown class or layer 'taby'; did you mean 'tabby'"),
        ("tabbi cat", "did you mean 'tabby cat'"),
        ("block.4", "did you mean 'blocks.4'"),
        ("blocks.44", "did you mean 'blocks.4"),
        ("block.4:12", "unknown class or layer 'block.4'"),
        ("zzzz qqqq", "unknown class or layer 'zzzz qqqq'"),
        ("", "unknown class or layer ''"),
        ("blocks.4:x", "unknown class or layer 'blocks.4:x'"),
        ("crane", "several classes are called 'crane': give one of the numbers 134, 517"),
        (1000, "no class 1000: efficientnet_lite0 has 0 to 999"),
        ("1000", "no class 1000"),
        (-1, "no class -1"),
        ("-1", "unknown class or layer '-1'"),
        ("²", "unknown class or layer '²'"),
        ("blocks.4:112", "no channel 112: 'blocks.4' has 0 to 111"),
        ("blocks.4:1@14,0", "no position 14,0: the maps of 'blocks.4' are 14 x 14"),
        ("blocks.4:1@0,14", "no position 0,14"),
        ("blocks.4@3,3", "'blocks.4@3,3': a position needs a channel of a layer with feature maps"),
        ("classifier:3@0,0", "a position needs a channel of a layer with feature maps"),
        ("classifier:1000", "no channel 1000: 'classifier' has 0 to 999"),
        ("blocks.4.0.conv_pw.pre", "does not end in an activation"),
        ("blocks.4.pre.pre", "unknown layer 'blocks.4.pre'"),
        (Target("nope", 3), "unknown layer 'nope'"),
        (Target("blocks.4", 500), "no channel 500"),
        (Target("blocks.4", -1), "no channel -1"),
        (Target("blocks.4", 1, (3, -2)), "no position 3,-2"),
        (Target("", 1000), "no channel 1000"),
        (3.5, "a target is a class, a layer or a channel, not float"),
        (None, "a target is a class, a layer or a channel, not NoneType"),
    ],
)
def test_near_misses(net: cs.Network, words: Any, message: str) -> None:
    with pytest.raises(ConvscopeError, match=re.escape(message)):
        net.target(words)


def test_a_targets_word_names_it_again(net: cs.Network) -> None:
    """Of a class its number: two classes are called crane, and two maillot."""
    for words in ("tabby", 134, 517, "blocks.4", "blocks.4:12", "blocks.4:12@7,7", "bn1.pre:3"):
        target = net.target(words)
        assert net.target(target.spec) == target
    assert net.target(134).label == net.target(517).label == "crane"


def test_a_class_goes_before_its_synonyms_and_a_layer_after_both() -> None:
    labels = ["stem", "b, a", "a, b", "c, x", "d, x"]
    net = cs.Network(
        toys.Residual(), mean=toys.MEAN, std=toys.STD, input_size=16, labels=labels, name="own"
    )
    assert net.target("a").channel == 2
    assert net.target("b").channel == 1
    assert net.target("stem") == Target("", 0, label="stem")
    assert net.target("stem.0") == Target("stem.0")
    with pytest.raises(ConvscopeError, match=r"several classes are called 'x': .* 3, 4"):
        net.target("x")
    unnamed = toys.network(toys.Residual())
    assert unnamed.target(2) == Target("", 2, label="class 2")
    assert unnamed.target("stem") == Target("stem")


def test_layers() -> None:
    net = toys.network(toys.Residual())
    layers = {layer.name: layer for layer in net.layers}
    assert layers["layer1.conv1"].shape == (8, 8, 8)
    assert layers["layer1.conv1"].num_parameters == 8 * 6 * 9
    assert layers["layer1.conv1"].leaf
    assert not layers["layer1"].leaf
    assert layers["layer1"].activation == "ReLU"
    assert layers["fc"].shape == (5,)
    assert not layers["fc"].spatial
    assert net.shape("") == (5,)
    assert net.shape("layer2.pre") == (10, 4, 4)
    assert net.num_classes == 5
    assert net.activation_names == ("ReLU",)
    assert [layer.name for layer in net.stages] == ["stem", "layer1", "layer2"]
    assert net.num_parameters == sum(p.numel() for p in toys.Residual().parameters())
    with pytest.raises(ConvscopeError, match="unknown layer 'layer3'; did you mean"):
        net.layer("layer3")


def test_parameters_are_the_users() -> None:
    module = toys.randomized(toys.Residual())
    net = toys.network(module)
    for name in ("layer1.conv1", "stem.0"):
        ours, theirs = net.parameter(name), module.get_submodule(name).weight
        assert isinstance(theirs, Tensor)
        assert torch.equal(ours, theirs)
    assert torch.equal(net.parameter("layer1.bn1", "bias"), module.layer1.bn1.bias)  # type: ignore
    with pytest.raises(ConvscopeError, match=r"layer 'pool' \(MaxPool2d\) has no weight"):
        net.parameter("pool")


def test_a_strip_too_narrow_to_enlarge_is_refused(net: cs.Network) -> None:
    with pytest.raises(ConvscopeError, match="2 x 6000 is too narrow"):
        net.preprocess(torch.zeros(1, 3, 2, 6000))


def test_a_size_that_the_module_refuses() -> None:
    class Strict(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[-1] == 8
            return super().forward(x)

    net = toys.network(nn.Sequential(Strict(3, 2, 3)), 8)
    with pytest.raises(cs.ConvscopeError, match=r"8x8 pixels and not of 6x7$"):
        net.activations(torch.rand(1, 3, 6, 7), {"0"})
