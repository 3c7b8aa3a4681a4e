"""Patches: cut where the units look, from the photographs themselves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from convscope.collection.reading import Index
from convscope.files import images
from convscope.network.units import (
    crop_box,
    receptive_field_box,
    receptive_field_crop,
    to_photograph,
)
from convscope.types.panels import Grid
from convscope.types.targets import Box, Target
from tests.helpers.collections import Make
from tests.helpers.networks import own_network


def told(result: cs.Result) -> Any:
    """The summary, of whatever types they are."""
    return result.summary


def of(net: cs.Network, index: Index, **options: Any) -> cs.Result:
    return cs.patches(net, index=index.path, **options).result()


def entries(index: Index) -> Iterator[tuple[str, int, int, tuple[int, int], float]]:
    """(layer, channel, image, place, value) of every recorded extreme of layers with maps."""
    for layer, found in index.channels.items():
        for top, sign in ((found.top, 1), (found.bottom, -1)):
            for channel, k in itertools.product(*map(range, top.values.shape)):
                place = int(top.positions[channel, k])
                width = round(found.places**0.5)
                value = sign * float(top.values[channel, k])
                yield layer, channel, int(top.rows[channel, k]), divmod(place, width), value


def check_patches_alone(net: cs.Network, index: Index, layers: list[str], step: int = 1) -> int:
    """A patch within noise, elsewhere in the image, makes its unit answer as it was recorded."""
    noise = torch.rand(1, 3, *net.input_size, generator=torch.Generator().manual_seed(0))
    strides = [net.layer(name.removesuffix(".pre")).stride for name in layers]
    coarsest = max(int(stride[0]) for stride in strides if stride)
    checked = 0
    for layer, channel, number, (row, column), value in list(entries(index))[::step]:
        if layer not in layers:
            continue
        known = net.layer(layer.removesuffix(".pre"))
        assert known.rows and known.columns
        assert known.stride
        spans = known.rows.span(row), known.columns.span(column)
        (top, bottom), (left, right) = ((int(a), int(b)) for a, b in spans)
        inside = min(top, left) >= 0 and max(bottom, right) < net.input_size[0]
        if not inside:
            continue
        seen = net.preprocess(index.photo(number))
        patch = seen[..., top : bottom + 1, left : right + 1]
        # Moved by whole strides of the coarsest layer, so that every layer's grid fits.
        down = -(top // coarsest) * coarsest if row % 2 else 0
        canvas = noise.clone()
        canvas[..., top + down : bottom + 1 + down, left : right + 1] = patch
        answer = net.read(canvas, {layer})[layer]
        moved = row + down // int(known.stride[0])
        assert float(answer[0, channel, moved, column]) == pytest.approx(value, abs=1e-3)
        checked += 1
    return checked


@pytest.fixture(scope="module")
def sampled(net: cs.Network, tmp_path_factory: pytest.TempPathFactory) -> Index:
    """The default network's index of parts of the photographs that come with scikit-image."""
    folder = tmp_path_factory.mktemp("samples")
    for name in images.SAMPLES:
        photo = cs.open_image(f"sample:{name}")[0]
        height, width = photo.shape[1:]
        for i, (top, left) in enumerate(itertools.product((0, height // 3), (0, width // 3))):
            part = photo[:, top : top + 2 * height // 3, left : left + 2 * width // 3]
            array = (part.permute(1, 2, 0) * 255).byte().numpy()
            Image.fromarray(array).save(folder / f"{name}-{i}.png")
    return cs.index(net, folder, folder.parent / "samples-index", workers=0, top=3).result()


def test_a_patch_alone_makes_its_unit_answer(net: cs.Network, sampled: Index) -> None:
    layers = ["blocks.0", "blocks.1", "blocks.2"]
    assert check_patches_alone(net, sampled, layers, step=7) > 20


@pytest.mark.slow
def test_every_patch_of_the_sample_makes_its_unit_answer(
    net: cs.Network, sample_folder: Path, tmp_path: Path
) -> None:
    index = cs.index(net, sample_folder, tmp_path / "index").result()
    layers = ["blocks.0", "blocks.1", "blocks.2"]
    assert check_patches_alone(net, index, layers) > 800


def test_what_is_drawn_and_told(own: cs.Network, make: Make) -> None:
    index = make(layers=["stem"])
    result = of(own, index, target="stem", count=2, limit=3)
    assert list(told(result)["patches"]) == [f"stem:{c} highest" for c in range(3)]
    (panel,) = result.frame.panels
    assert isinstance(panel, Grid)
    assert (panel.columns, len(panel.tiles)) == (2, 6)
    assert panel.rows == ("stem:0", "stem:1", "stem:2")
    top = index.channels["stem"].top
    np.testing.assert_allclose(result.arrays["values"], top.values[:3, :2])
    for channel, row in enumerate(told(result)["patches"].values()):
        for k, patch in enumerate(row):
            assert patch["image"] == top.rows[channel, k]
            assert patch["path"] == index.images["path"][patch["image"]].as_py()
            place = divmod(int(top.positions[channel, k]), 32)
            assert patch["unit"] == f"stem:{channel}@{place[0]},{place[1]}"


def test_the_box_is_where_the_unit_looks_on_the_photograph(own: cs.Network, make: Make) -> None:
    """By hand: the network sees 32 pixels of a square in the middle of the photograph."""
    index = make(layers=["stem"])
    for patch in told(of(own, index, target="stem:0"))["patches"]["stem:0 highest"]:
        photo = index.photo(patch["image"])[0]
        height, width = photo.shape[1:]
        scale = min(height, width) / 32
        row, column = (int(part) for part in patch["unit"].partition("@")[2].split(","))
        top = (height - min(height, width)) / 2 + (row - 1) * scale
        left = (width - min(height, width)) / 2 + (column - 1) * scale
        assert patch["box"] == pytest.approx([top, left, 3 * scale, 3 * scale], abs=1.0)


def test_a_field_on_a_photograph_shows_what_the_unit_sees(net: cs.Network, photo: Tensor) -> None:
    seen = net.preprocess(photo)
    unit = Target("blocks.2", 0, (13, 9))
    box = receptive_field_box(net, unit, photo[0])
    patch = crop_box(photo[0], box, net.box(photo), 0.5, 1000)
    direct = receptive_field_crop(net, unit, seen[0], 0.5)
    small = nn.functional.interpolate(
        patch[None], direct.shape[1:], mode="bilinear", antialias=True
    )
    assert float((small[0] - direct).abs().mean()) < 0.03
    assert receptive_field_box(net, Target("bn2", 0, (3, 3)), photo[0]) == net.box(photo), (
        "it sees all"
    )


def test_beyond_the_border_is_gray() -> None:
    photo = torch.arange(48.0).view(1, 6, 8) / 48
    seen = Box(0, 1, 6, 6)  # the middle
    patch = crop_box(photo, Box(-1, -1, 3, 4), seen, 0.5, 10)
    assert (patch[0, 0] == 0.5).all(), "above the photograph"
    assert (patch[0, :, :2] == 0.5).all(), "on the photograph, but not seen"
    torch.testing.assert_close(patch[0, 1:, 2:], photo[0, :2, 1:3])
    assert (crop_box(photo, Box(20, 20, 2, 2), seen, 0.5, 10) == 0.5).all()
    assert crop_box(photo, Box(0, 1, 6, 6), seen, 0.5, 3).shape == (1, 3, 3)
    assert to_photograph(Box(1, 2, 3, 4), (32, 32), Box(10, 20, 64, 32)) == Box(12, 22, 6, 4)


@pytest.mark.parametrize("extreme", ["positive", "negative", "both"])
def test_extremes(own: cs.Network, make: Make, extreme: str) -> None:
    index = make(layers=["stem"])
    result = of(own, index, target="stem:1", extreme=extreme)
    found = index.channels["stem"]
    most, least = found.top.values[1].tolist(), (-found.bottom.values[1]).tolist()
    expected = {"positive": [most], "negative": [least], "both": [most, least]}[extreme]
    assert result.arrays["values"].tolist() == expected
    assert most == sorted(most, reverse=True)
    assert least == sorted(least)


def test_a_mask_holds_the_place_and_leaves_out_the_rest(tmp_path: Path) -> None:
    """A channel that is the red of each pixel: the mask is the red square."""
    conv = nn.Conv2d(3, 3, 1, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
    module = nn.Sequential(conv, nn.Flatten(), nn.Linear(3072, 2))
    net = cs.Network(module, mean=[0.0] * 3, std=[1.0] * 3, input_size=32)
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[20:40, 30:44, 0] = 255
    picture[50:54, 2:6, 0] = 255  # another one, apart
    Image.fromarray(picture).save(tmp_path / "red.png")
    index = cs.index(net, tmp_path, tmp_path / "index", layers=["0"], workers=0).result()
    result = of(net, index, target="0:0", show="mask", count=1)
    (patch,) = told(result)["patches"]["0:0 highest"]
    top, left, height, width = patch["box"]
    assert height == width, "a square"
    assert (top + height / 2, left + width / 2) == pytest.approx((30, 37), abs=2)
    assert 20 <= height <= 20 + 4 * 8 + 4
    (panel,) = result.frame.panels
    assert isinstance(panel, Grid)
    tile = panel.tiles[0]
    assert float(tile[0].max()) > 0.95, "where the channel answers all the light is kept"


@pytest.mark.parametrize("show", ["deconv", "guided"])
def test_gradients_beside(own: cs.Network, make: Make, show: str) -> None:
    index = make(layers=["blocks.0"])
    result = of(own, index, target="blocks.0:1", show=show, count=2)
    (panel,) = result.frame.panels
    assert isinstance(panel, Grid)
    assert (panel.columns, len(panel.tiles)) == (4, 4)
    assert float(panel.tiles[1].std()) > 0.01


class Dead(nn.Module):
    """Channel 0 lives, channel 1 is never above zero, channel 2 always the same."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU()
        self.head = nn.Linear(3, 2)
        with torch.no_grad():
            self.conv.weight[1:] *= torch.tensor([1.0, 0.0]).view(2, 1, 1, 1)
            self.conv.bias = nn.Parameter(torch.tensor([0.0, -99.0, 1.0]))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.relu(self.conv(x)).mean((2, 3)))
        return result


def test_dead_channels_are_crossed_out(make: Make) -> None:
    net = cs.Network(Dead(), mean=[0.5] * 3, std=[0.5] * 3, input_size=16)
    for layer, dead in (("relu.pre", [1, 2]), ("relu", [1, 2]), ("conv", [2])):
        result = of(net, make(layer, net=net, layers=[layer]), target=layer, count=2)
        assert told(result)["dead"] == [f"{layer}:{channel}" for channel in dead]
        (panel,) = result.frame.panels
        assert isinstance(panel, Grid)
        assert panel.marked == {i for c in dead for i in (2 * c, 2 * c + 1)}


def test_embeddings_show_whole_images(own: cs.Network, make: Make) -> None:
    index = make(layers=["head"])
    result = of(own, index, target="head:2", count=1)
    (patch,) = told(result)["patches"]["head:2 highest"]
    photo = index.photo(patch["image"])
    assert patch["unit"] == "head:2"
    assert patch["box"] == pytest.approx(list(own.box(photo)), abs=0.01)
    with pytest.raises(cs.ConvscopeError, match="head has no feature maps, so it has no masks"):
        of(own, index, target="head:2", show="mask")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "1"}, "class 1 is a class; patches shows layers and channels"),
        ({"target": "stem:0@1,1"}, "is one neuron; patches shows whole channels"),
        ({"target": "blocks.0"}, "no layer 'blocks.0', but stem"),
        ({"count": 4}, r"keeps 3 images of a channel, not 4; .*--top"),
    ],
)
def test_what_is_refused(
    own: cs.Network, make: Make, options: dict[str, Any], message: str
) -> None:
    index = make(layers=["stem"])
    with pytest.raises(cs.ConvscopeError, match=message):
        of(own, index, **options)


class Embed(nn.Module):
    """Patches of 8 pixels as tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, 6, 8, stride=8)

    def forward(self, x: Tensor) -> Tensor:
        tokens: Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return tokens


class Tokens(nn.Module):
    """As a transformer has it: its maps are tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm, self.head = Embed(), nn.LayerNorm(6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.norm(self.embed(x)).mean(1))
        return result


def test_patches_of_tokens(make: Make) -> None:
    """Tokens have channels and places, and their mean is the embedding."""
    net = cs.Network(Tokens(), mean=[0.5] * 3, std=[0.5] * 3, input_size=32)
    index = make(net=net)
    assert index.embeddings.shape == (23, 6)
    answer = net.read(index.photo(3), {"norm"})["norm"]
    np.testing.assert_allclose(index.embeddings[3], answer[0].mean(0), atol=2e-3)
    assert list(index.channels) == ["norm"]
    tokens = np.concatenate([net.read(index.photo(i), {"norm"})["norm"] for i in range(23)])
    for channel in range(6):  # token t of 16 is in row t // 4, column t % 4
        image, token = divmod(int(tokens[:, :, channel].argmax()), 16)
        (best,) = of(net, index, target=f"norm:{channel}", count=1).summary["patches"].values()
        (best,) = best
        assert (best["image"], best["unit"]) == (
            image,
            f"norm:{channel}@{token // 4},{token % 4}",
        )
    index = make("named", net=net, layers=["embed.proj"])
    assert len(told(of(net, index, limit=2))["patches"]) == 2


def test_an_index_of_another_network(make: Make) -> None:
    index = make()
    with pytest.raises(cs.ConvscopeError, match="was made by Own, with other weights"):
        of(own_network(channels=1), index)
    with pytest.raises(cs.ConvscopeError, match="no index at"):
        cs.patches(own_network(), index="nowhere").result()
