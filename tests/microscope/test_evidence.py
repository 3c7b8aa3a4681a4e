"""What in a patch excites its unit, against gradients that are led back by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from convscope.collection import Index
from convscope.microscope import Microscope, Patch, Show
from convscope.types import Array
from tests.helpers.collections import paint
from tests.helpers.networks import Own

LAYER = "blocks.0"  # a convolution of stride 2 behind the ReLU of another: a unit sees 5 x 5 pixels


@pytest.fixture
def index(own: cs.Network, tmp_path: Path) -> Index:
    """An index of photographs that are as large as what the network sees."""
    for seed in range(6):
        paint(tmp_path / "small" / f"{seed}.png", seed, (32, 32))
    made = cs.index(
        own, tmp_path / "small", tmp_path / "i", layers=("stem", LAYER), top=3, workers=0
    )
    return made.result()


def patches(scope: Microscope) -> Iterator[Patch]:
    for channel in range(12):
        yield from scope.unit(LAYER, channel).top


def led_back(own: cs.Network, index: Index, patch: Patch, show: Show) -> Array:
    """The gradient of a unit in the 5 x 5 pixels that it sees: (3, 5, 5)."""
    module = own.module
    assert isinstance(module, Own) and patch.position is not None
    stem, norm, first = module.stem, module.norm, module.blocks[0]
    assert isinstance(first, nn.Conv2d) and norm.running_var is not None
    seen = (own.preprocess(index.photo(patch.row)) - 0.5) / 0.25
    active = norm(stem(seen)) > 0
    row, column = patch.position
    back = torch.zeros(1, 12, 16, 16)
    back[0, patch.channel, row, column] = 1
    back = F.conv_transpose2d(back, first.weight, stride=2, padding=1, output_padding=1)
    if show != "saliency":
        back = back.clamp_min(0)
    if show != "deconvnet":
        back = back * active
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    back = F.conv_transpose2d(back * scale[:, None, None], stem.weight, padding=1)
    around: Tensor = F.pad(back, (2, 2, 2, 2))[0, :, 2 * row :, 2 * column :][:, :5, :5]
    return around.detach().double().numpy()


def picture(scope: Microscope, patch: Patch, show: Show) -> Array:
    (pixels,) = scope.pictures([patch], show)
    return pixels.astype(float)


@pytest.mark.parametrize("show", ["deconvnet", "guided"])
def test_rules_lead_back_what_is_positive(
    own: cs.Network, scope: Microscope, index: Index, show: Show
) -> None:
    for patch in patches(scope):
        gradient = led_back(own, index, patch, show)
        soft = np.mean([gradient[:, i : i + 4, j : j + 4] for i in (0, 1) for j in (0, 1)], 0)
        top = np.sort(np.abs(soft).ravel())[int(0.99 * soft.size) - 1]
        scaled = torch.from_numpy((soft / top).clip(-1, 1))
        expected = 127.5 + 127.5 * scaled.sign() * scaled.abs() ** 0.7
        large = F.interpolate(expected[None], (5, 5), mode="bicubic", antialias=True)[0]
        drawn = picture(scope, patch, show).transpose(2, 0, 1)
        np.testing.assert_allclose(drawn, large.clamp(0, 255), atol=1)


def test_saliency_is_in_color_where_a_pixel_counts(
    own: cs.Network, scope: Microscope, index: Index
) -> None:
    for patch in patches(scope):
        values = np.abs(led_back(own, index, patch, "saliency")).max(0)
        scaled = values / np.quantile(values, 0.995)
        red, _, blue = picture(scope, patch, "saliency").transpose(2, 0, 1)
        assert (red - blue)[scaled > 0.6].min() > 20
        assert np.abs(red - blue)[scaled < 0.05].max(initial=0) < 8


def test_without_relus_there_is_no_deconvnet(scope: Microscope) -> None:
    linear = scope.unit("stem", 0).top[0]
    assert picture(scope, linear, "saliency").shape == (3, 3, 3)
    with pytest.raises(cs.ConvscopeError):
        picture(scope, linear, "deconvnet")
