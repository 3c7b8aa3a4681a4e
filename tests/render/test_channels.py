"""Images with 2, 4, 5 or 6 channels are drawn, and what is drawn is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from convscope.render.channels import in_colors
from convscope.render.figure import draw
from convscope.types import Grid, HeatMap, Mosaic, Picture, Sheet, SignedPicture


def image(channels: int) -> Tensor:
    """A value for each channel, all different."""
    levels = torch.arange(1, channels + 1) / 10
    return levels.view(-1, 1, 1).expand(-1, 6, 8).clone()


@pytest.mark.parametrize("channels", [4, 5, 6])
def test_the_first_three_channels_are_rgb(channels: int) -> None:
    said = f"seen (channels 0, 1, 2 of {channels} as RGB)"
    (picture,) = in_colors([Picture(image(channels), "seen")])
    assert isinstance(picture, Picture)
    assert torch.equal(picture.rgb, image(3))
    assert picture.caption == said
    (signed,) = in_colors([SignedPicture(image(channels), "seen")])
    assert isinstance(signed, SignedPicture)
    assert torch.equal(signed.values, image(3)) and signed.caption == said
    drawn = draw([Picture(image(channels))])
    assert drawn.mode == "RGB"
    colors = {tuple(color) for color in np.asarray(drawn).reshape(-1, 3).tolist()}
    assert (26, 51, 76) in colors or (26, 51, 77) in colors


def test_two_channels_are_two_gray_panels() -> None:
    one, other = in_colors([Picture(image(2), "seen")])
    assert isinstance(one, Picture) and isinstance(other, Picture)
    assert torch.equal(one.rgb, torch.full((1, 6, 8), 0.1))
    assert torch.equal(other.rgb, torch.full((1, 6, 8), 0.2))
    assert (one.caption, other.caption) == ("seen (channel 0)", "seen (channel 1)")
    first, second = in_colors([SignedPicture(image(2))])
    assert (first.caption, second.caption) == ("channel 0", "channel 1")


@pytest.mark.parametrize(("channels", "ground"), [(2, 0.15), (4, None), (6, None)])
def test_grounds_of_heatmaps(channels: int, ground: float | None) -> None:
    heatmap = HeatMap(torch.rand(3, 4), "score", "map", image(channels))
    right = image(3) if ground is None else torch.full((1, 6, 8), ground)
    (over,) = in_colors([heatmap])
    assert isinstance(over, HeatMap) and over.photo is not None
    assert torch.allclose(over.photo, right)
    assert over.caption.startswith("map (over ")
    (sheet,) = in_colors([Sheet((heatmap, heatmap), "maps")])
    assert isinstance(sheet, Sheet) and sheet.maps[0].photo is not None
    assert torch.allclose(sheet.maps[0].photo, right)
    assert sheet.caption.startswith("maps (over ") and sheet.maps[0].caption == "map"


def test_tiles() -> None:
    (grid,) = in_colors([Grid(image(4)[None], "tiles")])
    assert isinstance(grid, Grid) and torch.equal(grid.tiles, image(3)[None])
    (two,) = in_colors([Grid(image(2)[None], "tiles")])
    assert isinstance(two, Grid) and two.tiles.shape == (1, 1, 6, 16)
    assert two.tiles[0, 0, 0, [0, 15]].tolist() == pytest.approx([0.1, 0.2])
    (mosaic,) = in_colors([Mosaic(image(5)[None, :, :6, :6], torch.zeros(1, 2), (1, 1))])
    assert isinstance(mosaic, Mosaic) and mosaic.tiles.shape[1] == 3


def test_rgb_gray_and_transparent_pictures_stay_as_they_are() -> None:
    panels = [Picture(image(3)), Picture(image(1)), Picture(image(4), transparent=True)]
    assert all(a is b for a, b in zip(in_colors(panels), panels, strict=True))
    assert draw(panels[2:]).mode == "RGBA"
    assert draw(panels[:1]).size == (8, 6)


@pytest.mark.parametrize("channels", [2, 4, 6])
def test_techniques_draw(channels: int) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)),
    )
    net = cs.Network(module, mean=[0.5] * channels, std=[0.5] * channels, input_size=24)
    photo = torch.rand(1, channels, 30, 40)
    runs = [
        *(cs.gradcam(net, photo, target=1), cs.guided_backprop(net, photo, target=1)),
        *(cs.activations(net, photo), cs.predict(net, photo), cs.filters(net)),
        *(cs.class_image(net, target=1, steps=1), cs.saliency(net, photo, target=1)),
    ]
    for run in runs:
        picture = run.result().picture
        assert isinstance(picture, Image.Image) and picture.mode == "RGB"
    with pytest.raises(cs.ConvscopeError, match="needs a photograph in RGB or gray"):
        cs.segment(net, photo, target=1).result()
