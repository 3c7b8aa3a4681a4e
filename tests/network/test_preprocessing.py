"""Resizing, cropping and channels, against plain geometry and torchvision's presets."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.errors import ConvscopeError
from convscope.network._torchvision import torchvision
from tests.helpers import toys


def ramp(height: int, width: int) -> Tensor:
    """Rows in the first channel, columns in the second, of pixel centers, over the size."""
    rows = ((torch.arange(height) + 0.5) / height).view(-1, 1).expand(height, width)
    columns = ((torch.arange(width) + 0.5) / width).view(1, -1).expand(height, width)
    return torch.stack([rows, columns, torch.zeros_like(rows)])[None]


def preprocessing_network(
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
def test_box_is_what_preprocessing_keeps(
    size: tuple[int, int], input_size: int | tuple[int, int], crop: float
) -> None:
    net = preprocessing_network(input_size, crop)
    image = ramp(*size)
    found = net.preprocess(image)
    assert found.shape == (1, 3, *net.input_size)
    assert torch.equal(net.preprocess(found), found)
    box = net.box(image)
    assert -1e-6 <= box.top < box.top + box.height <= size[0] + 1e-6
    assert -1e-6 <= box.left < box.left + box.width <= size[1] + 1e-6
    if min(size) < 5:
        return
    # Away from the border a ramp stays a ramp: pixel centers lie evenly within the box.
    for axis, (start, length) in enumerate([(box.top, box.height), (box.left, box.width)]):
        pixels = net.input_size[axis]
        line = found[0, axis].mean(1 - axis) * size[axis]
        centers = start + length * (torch.arange(pixels) + 0.5) / pixels
        margin = max(1.0, length / pixels)
        inside = (centers > margin) & (centers < size[axis] - margin)
        assert torch.allclose(line[inside], centers[inside], atol=0.1 * margin)
        assert inside.any()


@pytest.mark.parametrize("size", [(300, 451), (451, 300), (97, 131), (64, 67), (69, 64)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_preprocessing_is_torchvisions_preset(size: tuple[int, int], interpolation: str) -> None:
    torchvision()
    transforms = importlib.import_module("torchvision.transforms.v2.functional")
    net = preprocessing_network(56, 0.875, interpolation)
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    resized = transforms.resize(image, [64], transforms.InterpolationMode(interpolation))
    expected = transforms.center_crop(resized.clamp(0, 1), [56, 56])
    assert torch.allclose(net.preprocess(image), expected, atol=1e-6)


def test_a_crop_given_as_a_quotient_is_exact() -> None:
    for size, resize in [(224, 232), (224, 256), (240, 255), (288, 320), (380, 384), (32, 93)]:
        image = torch.zeros(1, 3, resize, resize)
        assert preprocessing_network(size, size / resize).preprocessing.resized(image)[0] == (
            resize,
            resize,
        )


def test_preprocessing_is_differentiable() -> None:
    net = preprocessing_network(32, 0.875)
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
        with pytest.raises(ConvscopeError, match="images must be float tensors"):
            five.preprocess(image)


def test_a_strip_too_narrow_to_enlarge_is_refused(net: cs.Network) -> None:
    with pytest.raises(ConvscopeError, match="2 x 6000 pixels is too narrow"):
        net.preprocess(torch.zeros(1, 3, 2, 6000))
