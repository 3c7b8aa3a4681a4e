"""Receptive fields against hand formulas and against what gradients really reach."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import convscope as cs
from convscope.network import zoo
from convscope.network._torchvision import torchvision
from convscope.network.traces.tracing import Call, Trace, trace
from convscope.types.targets import Axis
from tests.helpers import toys


class Ones(nn.Module):
    """A convolution whose weights are all positive: nothing cancels, every pixel it reads shows."""

    def __init__(self, *args: Any, transposed: bool = False, **kwargs: Any) -> None:
        super().__init__()
        self.conv = (nn.ConvTranspose2d if transposed else nn.Conv2d)(1, 1, *args, **kwargs)
        nn.init.constant_(self.conv.weight, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class Plus(nn.Module):
    """A residual branch, or with `cat` a concatenation folded back into one channel."""

    def __init__(self, branch: nn.Module, cat: bool = False) -> None:
        super().__init__()
        self.branch, self.cat = branch, cat

    def forward(self, x: Tensor) -> Tensor:
        if self.cat:
            return torch.cat([x, self.branch(x)], 1).mean(1, keepdim=True)
        out: Tensor = x + self.branch(x)
        return out


class LastChannels(nn.Module):
    """As in ConvNeXt: depthwise convolution, then norm and dense layers on N, H, W, C, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = Ones(3, padding=1)
        self.norm, self.fc = nn.LayerNorm(1), nn.Linear(1, 2)
        nn.init.ones_(self.fc.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x).permute(0, 2, 3, 1)
        # Of a single channel the norm is zero everywhere: add it to one.
        y = self.fc(y * (1 + self.norm(y))).relu().mean(-1, keepdim=True)
        out: Tensor = y.permute(0, 3, 1, 2)
        return out


def support(module: nn.Module, size: tuple[int, int], unit: tuple[int, int]) -> list[Any]:
    """First and last row, first and last column that a unit of the output reacts to."""
    image = (0.5 + torch.rand(1, 1, *size, dtype=torch.float64)).requires_grad_()
    out = module(image)
    (gradient,) = torch.autograd.grad(out[0, :, unit[0], unit[1]].sum(), image)
    seen = gradient[0, 0] != 0
    rows, columns = seen.any(1).nonzero().flatten(), seen.any(0).nonzero().flatten()
    if not len(rows):
        return []
    return [(int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))]


def fields(call: Call) -> tuple[Axis, Axis] | None:
    """The input pixels that a unit of a call's output sees, down and across."""
    return call.layout.fields() if call.layout else None


def check(module: nn.Module, size: tuple[int, int], exact: bool) -> None:
    module = module.double().eval()
    traced = trace(module, torch.rand(1, 1, *size, dtype=torch.float64))
    call = traced.last()[""]
    field = fields(call)
    assert field is not None
    height, width = call.shape[-2:]
    units = {(r, c) for r in (0, height // 2, height - 1) for c in (0, width // 2, width - 1)}
    for unit in units:
        found = support(module, size, unit)
        if not found:
            continue
        for axis, index, pixels, (first, last) in zip(field, unit, size, found, strict=True):
            start, stop = axis.span(index)
            assert start - 1e-6 <= first <= last <= stop + 1e-6
            if exact and start >= 0 and stop <= pixels - 1:
                assert (start, stop) == (first, last)


def conv(draw: Any, same: bool = False) -> tuple[nn.Module, bool]:
    kernel = draw(st.sampled_from([(1, 1), (3, 3), (5, 5), (1, 3), (3, 5)]))
    dilation = draw(st.integers(1, 2))
    if same:
        padding = tuple(dilation * (k - 1) // 2 for k in kernel)
        return Ones(kernel, padding=padding, dilation=dilation), True
    stride = draw(st.sampled_from([1, 2, (1, 2), 3]))
    return Ones(kernel, stride, draw(st.integers(0, 2)), dilation), True


@st.composite
def part(draw: Any) -> tuple[nn.Module, bool]:
    """A part of a network, and whether what it sees can be predicted to the pixel."""
    kind = draw(st.integers(0, 12))
    if kind <= 3:
        return conv(draw)
    if kind == 4:
        k = draw(st.integers(1, 3))
        return nn.AvgPool2d(k, draw(st.integers(1, 3)), padding=k // 2), True
    if kind == 5:
        ceil = draw(st.booleans())
        return nn.MaxPool2d(draw(st.integers(2, 3)), draw(st.integers(1, 2)), ceil_mode=ceil), False
    if kind == 6:
        return Plus(conv(draw, same=True)[0], cat=draw(st.booleans())), True
    if kind == 7:
        return nn.ZeroPad2d(tuple(draw(st.integers(-1, 3)) for _ in range(4))), True
    if kind == 8:
        size: Any = draw(st.sampled_from([{"scale_factor": s} for s in (2, 3, 1.5, 0.75)]))
        mode = draw(st.sampled_from(["nearest", "bilinear", "bicubic"]))
        if mode == "nearest":
            return toys.Lambda(lambda x: F.interpolate(x, **size)), False
        corners = draw(st.booleans())
        return toys.Lambda(
            lambda x: F.interpolate(x, **size, mode=mode, align_corners=corners)
        ), False
    if kind == 9:
        stride = draw(st.integers(1, 3))
        arguments = (draw(st.integers(stride, 4)), stride, draw(st.integers(0, 1)))
        return Ones(*arguments, transposed=True), False
    if kind == 10:
        a, b = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        step = draw(st.integers(1, 2))
        return toys.Lambda(lambda x: x[:, :, a:, b : x.shape[3] - 1 : step]), True
    if kind == 11:
        return LastChannels(), True
    return nn.Sequential(nn.BatchNorm2d(1), nn.ReLU(inplace=draw(st.booleans()))), True


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(part(), min_size=1, max_size=4), st.integers(12, 26), st.integers(12, 26))
def test_fields_hold_what_units_see(
    parts: list[tuple[nn.Module, bool]], height: int, width: int
) -> None:
    module = nn.Sequential(*(one for one, _ in parts))
    try:
        with torch.no_grad():
            out = module.double().eval()(torch.zeros(1, 1, height, width, dtype=torch.float64))
    except RuntimeError:  # shrunk to nothing
        return
    if 0 not in out.shape:
        check(module, (height, width), exact=all(exact for _, exact in parts))


@pytest.mark.parametrize("before", [4, 5, 7])
@pytest.mark.parametrize("after", [3, 5, 7, 9, 11, 14])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "corners"])
def test_resizing_to_any_size(before: int, after: int, mode: str) -> None:
    options: dict[str, Any] = {"mode": mode}
    if mode == "corners":
        options = {"mode": "bilinear", "align_corners": True}
    module = toys.Lambda(lambda x: F.interpolate(x, (after, after + 1), **options))
    module = module.double()
    field = fields(trace(module, torch.rand(1, 1, before, before).double()).last()[""])
    assert field is not None
    for unit in range(after):
        found = support(module, (before, before), (unit, unit))
        for axis, (first, last) in zip(field, found, strict=True):
            start, stop = axis.span(unit)
            assert start - 1e-6 <= first <= last <= stop + 1e-6
            assert stop - start <= 5  # nor does it claim the whole image


def field_of(traced: Trace, name: str) -> tuple[float, float] | None:
    """Size and jump of a layer that is the same down and across."""
    field = fields(traced.last()[name])
    if field is None:
        return None
    assert field[0] == field[1]
    return field[0].size, field[0].jump


def test_default_network_by_hand(net: cs.Network) -> None:
    # Kernel and stride of the depthwise convolutions; the stem is 3x3 with stride 2.
    stages = [[(3, 1)], [(3, 2), (3, 1)], [(5, 2), (5, 1)], [(3, 2)] + [(3, 1)] * 2]
    stages += [[(5, 1)] * 3, [(5, 2)] + [(5, 1)] * 3, [(3, 1)]]
    size, jump = 3, 2
    for number, stage in enumerate(stages):
        for kernel, stride in stage:
            size += (kernel - 1) * jump
            jump *= stride
        layer = net.layer(f"blocks.{number}")
        assert layer.receptive_field == (size, size)
        assert layer.stride == (jump, jump)
    assert net.layer("blocks.0").receptive_field == (7, 7)
    assert net.layer("blocks.1").receptive_field == (19, 19)
    assert net.layer("global_pool").receptive_field is None
    assert net.layer("classifier").receptive_field is None


def test_known_networks() -> None:
    models = torchvision().models
    resnet = trace(models.resnet18().eval(), torch.rand(1, 3, 64, 64))
    assert [field_of(resnet, name) for name in ("conv1", "maxpool", "layer1", "layer4")] == [
        (7, 2),
        (11, 4),
        (43, 4),
        (435, 32),
    ]
    assert field_of(resnet, "avgpool") is None
    assert field_of(resnet, "fc") is None
    vgg = trace(models.vgg.make_layers(models.vgg.cfgs["D"]).eval(), torch.rand(1, 3, 64, 64))
    assert [field_of(vgg, name) for name in ("4", "9", "16", "23", "30")] == [
        (6, 2),
        (16, 4),
        (44, 8),
        (100, 16),
        (212, 32),
    ]


def test_convnext_by_hand() -> None:
    # A 4x4 stem of stride 4, then in each block 7x7; between stages 2x2 of stride 2.
    module, _ = zoo.build("timm/convnext_atto", pretrained=False)
    traced = trace(module.eval(), torch.rand(1, 3, 64, 64))
    assert field_of(traced, "stem") == (4, 4)
    assert field_of(traced, "stages.0") == (4 + 2 * 6 * 4, 4)
    assert field_of(traced, "stages.1") == (52 + 4 + 2 * 6 * 8, 8)


def test_shufflenet_shuffles_channels_only() -> None:
    models = torchvision().models
    traced = trace(models.shufflenet_v2_x0_5().eval(), torch.rand(1, 3, 64, 64))
    assert field_of(traced, "maxpool") == (7, 4)
    assert field_of(traced, "stage2.0") == (15, 8)
    assert field_of(traced, "stage2.3") == (15 + 3 * 16, 8)


class Squeeze(nn.Module):
    """Channels weighed by what the whole image holds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        out: Tensor = x * self.fc(F.adaptive_avg_pool2d(x, 1)).sigmoid()
        return out


class Broadcast(nn.Module):
    """A convolution of the whole map gives one value, which is then added everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = nn.Conv2d(3, 3, 16)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.whole(x)
        return out


@pytest.mark.parametrize(
    "module",
    [
        Squeeze(),
        Broadcast(),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4)),
        toys.Lambda(lambda x: x.flip(-1) + x),
        toys.Lambda(lambda x: x.softmax(-1)),
        toys.Lambda(lambda x: x.transpose(-1, -2) + x),
        toys.Lambda(lambda x: torch.cat([x, x], -1)),
        toys.Lambda(lambda x: x - x.mean((2, 3), keepdim=True)),
        toys.Lambda(lambda x: x.view(1, 3, -1).roll(1, -1).view(x.shape)),
        nn.Linear(16, 16),
    ],
)
def test_whole_image_or_unknown(module: nn.Module) -> None:
    assert fields(trace(module.eval(), torch.rand(1, 3, 16, 16)).last()[""]) is None


class WrittenInto(nn.Module):
    """Fills a tensor piece by piece, as temporal shift modules do: its last column sees x whole."""

    def __init__(self, fresh: bool) -> None:
        super().__init__()
        self.fresh, self.conv = fresh, nn.Conv2d(3, 3, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.zeros_like(x) if self.fresh else x.clone()
        out[..., 1:] = self.conv(x)[..., :-1]
        return x + out


@pytest.mark.parametrize("fresh", [True, False])
def test_a_tensor_written_in_pieces_is_not_misjudged(fresh: bool) -> None:
    traced = trace(WrittenInto(fresh).eval(), torch.rand(1, 3, 16, 16))
    assert fields(traced.last()[""]) is None


def test_adaptive_pool_to_a_divisor() -> None:
    module = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.AdaptiveAvgPool2d(4))
    field = fields(trace(module.eval(), torch.rand(1, 1, 16, 16)).last()[""])
    assert field is not None
    assert field[0] == Axis(4, -1, 4)
