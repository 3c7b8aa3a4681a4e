"""The prepared copy computes what the user's module computes, and leaves it alone."""

from __future__ import annotations

import copy
import dataclasses
from collections import namedtuple
from collections.abc import Callable
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
from convscope.vocabulary import objectives, starts
from tests.helpers import toys
from tests.helpers.networks import own_network, own_photograph

TOYS: dict[str, Callable[[], nn.Module]] = {
    "residual": toys.Residual,
    "dense": toys.Dense,
    "reused": toys.Reused,
}


# ------------------------------------------------------------------- the user's own module


@pytest.mark.parametrize("make", TOYS.values(), ids=TOYS)
def test_untouched(make: Callable[[], nn.Module]) -> None:
    module = toys.randomized(make()).train()
    module.register_forward_hook(lambda *_: None)
    next(module.parameters()).requires_grad_(False)
    for parameter in list(module.parameters())[1:]:
        parameter.grad = torch.rand_like(parameter)
    before = toys.fingerprint(module)

    net = toys.network(module)
    image = toys.images(1)
    names = [layer.name for layer in net.layers]
    net.read(image, names)
    net.read(image, {f"{names[-2]}", names[0]})
    net.predict(image)
    for rule in ("plain", "guided", "deconv", "redirected"):
        recipe = Recipe(start=starts.photo(image), objective=objectives.logit(1), rule=rule)
        next(climb(net, recipe))
    cs.saliency(net, image).result()
    assert toys.fingerprint(module) == before

    bad = image.clone()
    bad[0, 0, 3, 3] = float("nan")
    for fails in (
        lambda: net.read(bad, {names[-1]}),
        lambda: net.read(image, {"nonsense"}),
        lambda: net.activations(image[:, :2], {""}),
        lambda: cs.Network(module, mean=(0.0,), std=(1.0,), input_size=16),
        lambda: cs.Network(module, mean=(0.0,) * 3, std=(1.0,) * 3, input_size=16, labels=["a"]),
    ):
        with pytest.raises(ConvscopeError):
            fails()
    assert toys.fingerprint(module) == before


def test_the_network_does_not_follow_later_changes() -> None:
    module = toys.randomized(toys.Residual())
    net = toys.network(module)
    before = net.logits(toys.images())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert torch.equal(net.logits(toys.images()), before)


# ------------------------------------------------------------------------------- folding


@pytest.mark.parametrize("make", TOYS.values(), ids=TOYS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_same_output(make: Callable[[], nn.Module], dtype: torch.dtype) -> None:
    module = toys.randomized(make()).eval().to(dtype)
    net = toys.network(module)
    assert net.dtype == dtype
    images = toys.images(4)
    with torch.no_grad():
        expected = module(toys.normalized(images.to(dtype)))
    assert toys.relative(net.logits(images), expected) < (1e-6 if dtype == torch.float32 else 1e-14)


def test_default_network_folds_exactly(net: cs.Network, seen: Tensor) -> None:
    module, settings = zoo.build(zoo.DEFAULT)
    module.eval()
    with torch.no_grad():
        single = module((seen - 0.5) / 0.5)
    assert len(net._prepared.pairs) == 49  # one a normalization
    assert net.notes == ()
    assert toys.relative(net.logits(seen), single) < 1e-6

    # In float64 only the algebra is left.
    module.double()
    with torch.no_grad():
        double = module((seen.double() - 0.5) / 0.5)
    exact = cs.Network(module, **settings)
    assert toys.relative(exact.logits(seen), double) < 1e-13
    assert toys.relative(net.logits(seen).double(), double) < 1e-6


def test_folds_what_it_can() -> None:
    net = toys.network(toys.randomized(toys.Residual()))
    assert len(net._prepared.pairs) == 7
    folded = net._prepared.variant()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    asked = net._prepared.variant({"layer1.conv1"})
    left = [n for n, m in asked.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert left == ["layer1.bn1"]
    # Variants share their weights: reading layer by layer costs no memory.
    one, other = (v.get_submodule("layer2.conv2").weight for v in (folded, asked))
    assert one is other
    assert net._prepared.variant({"layer1.conv1", "fc"}) is asked


class Shared(nn.Module):
    """One weight in two convolutions, each with a normalization of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.conv2, self.bn2 = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.conv2.weight = self.conv1.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).mean((2, 3))
        return out


class AlsoElsewhere(nn.Module):
    """The convolution's output goes around its normalization too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        out: Tensor = (self.bn(x).relu() + x).mean((2, 3))
        return out


class OutputToo(AlsoElsewhere):
    """The convolution's output is also an output."""

    def forward(self, x: Tensor) -> Any:
        x = self.conv(x)
        return {"features": [x], "logits": self.bn(x).mean((2, 3))}


class OnTheFly(AlsoElsewhere):
    """The convolution's weight is standardized each time."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.conv.weight - self.conv.weight.mean((1, 2, 3), keepdim=True)
        out: Tensor = self.bn(F.conv2d(x, weight, self.conv.bias)).mean((2, 3))
        return out


class TwiceUsedWeight(AlsoElsewhere):
    """A function uses the convolution's weight again."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.conv(x))
        return F.conv_transpose2d(y, self.conv.weight).mean((2, 3))


class NormElsewhere(AlsoElsewhere):
    """The normalization is used again, behind no convolution."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.bn(self.conv(x)).relu()).mean((2, 3))
        return out


class NormRead(AlsoElsewhere):
    """The module reads its normalization's own numbers."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = (self.bn(self.conv(x)) * self.bn.weight.abs().sum()).mean((2, 3))
        return out


class ShiftedBetween(AlsoElsewhere):
    """The convolution's output is changed in place before it is normalized."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x += 1
        out: Tensor = self.bn(x).mean((2, 3))
        return out


def parametrised() -> nn.Module:
    module = AlsoElsewhere()
    conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
    return nn.Sequential(conv, module.bn, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
def old_weight_norm() -> nn.Module:
    conv = nn.utils.weight_norm(nn.Conv2d(3, 4, 3))
    return nn.Sequential(conv, nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def batch_statistics() -> nn.Module:
    norm = nn.BatchNorm2d(4, track_running_stats=False)
    return nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.filterwarnings("ignore:.*weight_norm")
@pytest.mark.parametrize(
    "make",
    [
        Shared,
        AlsoElsewhere,
        OutputToo,
        OnTheFly,
        TwiceUsedWeight,
        NormElsewhere,
        NormRead,
        ShiftedBetween,
        parametrised,
        old_weight_norm,
        batch_statistics,
    ],
)
def test_what_must_not_be_folded(make: Callable[[], nn.Module]) -> None:
    module = toys.randomized(make()).eval()
    net = toys.network(module)
    assert not net._prepared.pairs
    assert any("not folded" in note for note in net.notes)
    images = toys.images(1 if make is batch_statistics else 2)
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(images))
    values = net.read(images, {name for name in own if name})
    for name, value in values.items():
        assert toys.relative(value, own[name]) < 1e-6, name


@pytest.mark.parametrize(
    "make",
    [Shared, AlsoElsewhere, OutputToo, OnTheFly, TwiceUsedWeight, NormElsewhere, ShiftedBetween],
)
def test_one_pair_that_cannot_fold_does_not_stop_the_others(make: Callable[[], nn.Module]) -> None:
    module = toys.randomized(nn.Sequential(toys.Block(3, 3), make())).eval()
    net = toys.network(module)
    assert {pair.conv for pair in net._prepared.pairs} == {"0.conv1", "0.conv2", "0.down.0"}
    assert net.notes == ()
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(toys.images()))
    last = "1" if make is not OutputToo else "1.bn"
    assert toys.relative(net.read(toys.images(), {last})[last], own[last]) < 1e-6


class Wrapper(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x)
        return out


def test_a_wrapped_convolution_keeps_its_meaning() -> None:
    wrapped = Wrapper(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Identity()))
    module = nn.Sequential(
        wrapped, nn.Dropout(), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(784, 2)
    )
    toys.randomized(module).eval()
    net = toys.network(module)
    assert len(net._prepared.pairs) == 1
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(toys.images()))
    for name in ("0", "0.inner", "0.inner.0", "0.inner.1", "1", "2", "3"):
        assert toys.relative(net.read(toys.images(), {name})[name], own[name]) < 1e-6, name
    together = net.read(toys.images(), {"0", "2"})
    assert toys.relative(together["0"], own["0"]) < 1e-6
    assert toys.relative(together["2"], own["2"]) < 1e-6


# ----------------------------------------------------------------- modules out of the ordinary


class SideEffects(nn.Module):
    """Calls its in-place activation as a statement: the module means the change in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.relu = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        self.relu(x)
        return x.mean((2, 3))


def test_in_place_side_effects_are_kept() -> None:
    module = toys.randomized(SideEffects()).eval()
    net = toys.network(module)
    assert any("in-place" in note for note in net.notes)
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(toys.images()))
    names = {"conv", "bn", "relu"}
    for name, value in net.read(toys.images(), names).items():
        assert toys.relative(value, own[name]) < 1e-6, name
    assert own["bn"].min() < 0
    assert toys.relative(net.logits(toys.images()), own[""]) < 1e-6


class Lenet(nn.Module):
    """Flattens with `view`, which refuses tensors in channels_last order."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(196, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.bn(self.conv(x)).relu(), 2)
        out: Tensor = self.fc(x.view(x.size(0), -1))
        return out


def test_view_works() -> None:
    module = toys.randomized(Lenet()).eval()
    net = toys.network(module)
    assert any("channels_last" in note for note in net.notes)
    assert len(net._prepared.pairs) == 1
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(toys.images()))
    assert toys.relative(net.logits(toys.images()), own[""]) < 1e-6
    assert toys.relative(net.read(toys.images(), {"conv"})["conv"], own["conv"]) < 1e-6
    ours = next(
        climb(net, Recipe(start=starts.photo(toys.images()), objective=objectives.logit(0)))
    )
    leaf = toys.images().requires_grad_()
    (theirs,) = torch.autograd.grad(module(toys.normalized(leaf))[:, 0].sum(), leaf)
    assert toys.relative(ours.gradient, theirs) < 1e-5


def test_the_layout_of_the_default_network_is_the_fast_one(net: cs.Network) -> None:
    weight = net._prepared.variant().get_submodule("blocks.3.0.conv_pw").weight
    assert isinstance(weight, Tensor)
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_a_hook_of_the_users_stays_part_of_the_module() -> None:
    module = toys.randomized(toys.Residual()).eval()
    seen: list[Tensor] = []
    module.layer1.bn1.register_forward_hook(lambda _m, _a, out: 2 * out)  # type: ignore
    module.layer2.conv2.register_forward_hook(  # type: ignore
        lambda _m, _a, out: seen.append(out.detach().clone())
    )
    with torch.no_grad():
        expected = module(toys.normalized(toys.images()))
    net = toys.network(module)
    assert len(net._prepared.pairs) == 6
    assert net.notes == ("your hooks that change values run here too: on 'layer1.bn1'",)
    raw = seen.pop()
    assert toys.relative(net.logits(toys.images()), expected) < 1e-6
    assert toys.relative(net.read(toys.images(), "layer2.conv2")["layer2.conv2"], raw) < 1e-6
    assert not seen


Named = namedtuple("Named", "logits maps")


class Several(nn.Module):
    def __init__(self, pack: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.conv, self.bn, self.pack = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), pack

    def forward(self, x: Tensor) -> Any:
        maps = self.bn(self.conv(x))
        return self.pack(maps.mean((2, 3)), maps)


class Plain:
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


@dataclasses.dataclass(frozen=True)
class Data:
    logits: Tensor
    maps: Tensor
    loss: Tensor | None = None


class Answer:
    """An output that nothing can look into."""

    __slots__ = ("logits",)

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


@pytest.mark.parametrize(
    ("pack", "folds"),
    [
        (lambda a, b: (a, b), True),
        (lambda a, b: [a, [b]], True),
        (lambda a, b: {"logits": a, "maps": b, "extra": None, "n": 3}, True),
        (Named, True),
        (Data, True),
        (lambda a, b: Plain(a), True),
        (lambda a, b: Answer(a), False),
    ],
)
def test_outputs_that_are_no_tensor(pack: Callable[..., Any], folds: bool) -> None:
    module = toys.randomized(Several(pack)).eval()
    net = toys.network(module)
    assert bool(net._prepared.pairs) == folds
    assert bool(net.notes) != folds
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(toys.images()))
    assert toys.relative(net.read(toys.images(), {"bn"})["bn"], own["bn"]) < 1e-6
    if folds:
        assert toys.relative(net.logits(toys.images()), own["bn"].mean((2, 3))) < 1e-6
        return
    assert net.num_classes is None
    for fails in (lambda: net.predict(toys.images(1)), lambda: net.target(3)):
        with pytest.raises(ConvscopeError, match=r"gives no class scores; name a layer"):
            fails()
    with pytest.raises(ConvscopeError, match="is no tensor with a row for each image"):
        net.read(toys.images(), {""})


def test_a_module_that_throws_dice_runs_as_it_is() -> None:
    class Dice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(self.bn(self.conv(x)), 0.5, training=True).mean((2, 3))

    net = toys.network(Dice())
    assert [note.partition(":")[0] for note in net.notes] == ["not optimized at all"]
    assert net.logits(toys.images()).shape == (2, 4)


def test_a_module_that_kept_what_it_computed_can_be_copied() -> None:
    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.last: Tensor | None = None

        def forward(self, x: Tensor) -> Tensor:
            self.last = self.conv(x)
            return self.last.mean((2, 3))

    module = Keeps()
    module(toys.images())
    kept = module.last
    with pytest.raises(RuntimeError):
        copy.deepcopy(module)
    net = toys.network(module)
    assert module.last is kept
    assert net.logits(toys.images()).shape == (2, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_full(dtype: torch.dtype) -> None:
    module = toys.randomized(toys.Residual()).eval().to(dtype)
    net = toys.network(module)
    assert net.dtype == torch.float32
    assert next(module.parameters()).dtype == dtype
    with torch.no_grad():
        expected = copy.deepcopy(module).float()(toys.normalized(toys.images()))
    assert toys.relative(net.logits(toys.images()), expected) < 1e-6


def test_five_dimensional_parameters() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.table = nn.Conv2d(3, 4, 3), nn.Parameter(torch.rand(1, 1, 4, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = (self.conv(x) * self.table[0]).mean((2, 3))
            return out

    assert toys.network(Deep()).logits(toys.images()).shape == (2, 4)


# ------------------------------------------------------------------------------- errors


class TwoInputs(nn.Module):
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return x * mask


class Raises(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyError("pixel_values")


def with_nan() -> nn.Module:
    module = toys.Residual()
    with torch.no_grad():
        module.layer1.conv2.weight[0, 0, 0, 0] = float("nan")
    return module


def with_infinite_buffer() -> nn.Module:
    module = toys.Residual()
    assert module.layer2.bn1.running_var is not None
    module.layer2.bn1.running_var[0] = float("inf")
    return module


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (TwoInputs(), r"TwoInputs\.forward needs other inputs than one batch.*mask.*wrap it"),
        (Raises(), r"Raises does not run on images of shape \(1, 3, 16, 16\).*pixel_values"),
        (nn.Linear(5, 2), "does not run on images.*is input_size right"),
        (nn.Conv2d(1, 2, 3), "does not run on images.*expected input.*to have 1 channels"),
        (with_nan(), r"NaN or infinity, first in 'layer1\.conv2\.weight'"),
        (with_infinite_buffer(), r"NaN or infinity, first in 'layer2\.bn1\.running_var'"),
    ],
)
def test_what_cannot_be_prepared(module: nn.Module, message: str) -> None:
    with pytest.raises(ConvscopeError, match=message):
        toys.network(module)


def test_activations_work_in_place_again_where_no_gradient_is_needed() -> None:
    net, image = own_network(), own_photograph()
    prepared = net._prepared
    assert prepared.inplace == ("relu",)
    kept, overwriting = prepared.variant(), prepared.variant(overwriting=True)
    relus = [module.get_submodule("relu") for module in (kept, overwriting)]
    assert [relu.inplace for relu in relus] == [False, True]
    weights = {id(p) for p in kept.parameters()}
    assert {id(p) for p in overwriting.parameters()} == weights
    used: list[bool] = []
    for module in (kept, overwriting):
        module.register_forward_hook(lambda m, *_: used.append(m.relu.inplace))
    output = net.read(image, {""})[""]
    also = net.read(image, {"", "doubled"})[""]
    seen = net.preprocess(image).requires_grad_()
    graded = net.activations(seen, {""})[""]
    assert used == [True, True, False]
    torch.testing.assert_close(output, also, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(output, graded.detach(), rtol=1e-6, atol=1e-7)
    graded.sum().backward()
    assert seen.grad is not None
    names = {layer.name for layer in net.layers}
    layers = net.activations(seen, names)
    for name, value in net.read(image, names).items():
        torch.testing.assert_close(value, layers[name].detach(), rtol=1e-6, atol=1e-7)
