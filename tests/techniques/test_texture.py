"""Textures: what they share with a sample, how deep, and whether they fit together as tiles."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import convscope as cs
from convscope.network import default_layers
from convscope.stylization import seam
from convscope.vocabulary.objectives import StatisticName
from tests.helpers import toys

LAYERS = ("features.4", "features.1")  # seen from the output, as nobody should have to give them


@cache
def squeezenet() -> cs.Network:
    return cs.load("squeezenet1_1")


def stripes(size: int = 48) -> Tensor:
    """Dark and light lines that lean, in two colors."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    wave = 0.5 + 0.4 * torch.sin((rows + 2 * columns) / 3)
    return torch.stack([wave, 0.6 * wave, 0.9 - 0.5 * wave])[None]


def options(**more: Any) -> dict[str, Any]:
    return {"layer": LAYERS, "height": 48, "width": 40, "steps": 40, **more}


def test_it_comes_nearer_at_layers_that_were_not_matched() -> None:
    result = cs.texture(squeezenet(), stripes(), each_depth=True, **options()).result()
    assert np.shape(result.image) == (2, 48, 40, 3)
    summary = result.summary
    assert summary["matched"] == [1, 2]
    assert summary["layers"] == ["features.1", "features.4"]
    one, two = summary["distances"]
    assert one[0] < 0.1, "the layer that it was made from"
    assert two[1] < 0.5 * one[1], "deeper, where only the second was matched"
    assert summary["others"][1] < summary["others"][0]
    others = summary["other_layers"]
    assert "features.6.expand3x3_activation" in others
    assert not any(name.startswith(("features.4.", "features.1.")) for name in others)


def test_other_statistics_come_nearer_too() -> None:
    names: list[StatisticName] = ["centered", "moments", "sliced"]
    run = cs.texture(squeezenet(), stripes(), by=names, **options())
    scores = np.array([np.asarray(frame.score) for frame in run])
    first, last = np.nanmax(np.where(scores == np.nanmin(scores, 0), scores, np.nan), 0), scores[-1]
    assert np.all(last > 0.3 * first) and np.all(last < 0), "minus the loss, which is at least 0"
    result = run.result()
    assert result.summary["by"] == names
    assert result.summary["matched"] == [2, 2, 2]
    captions = [panel.caption for panel in result.panels]
    assert captions == ["sample", *names]


@pytest.mark.parametrize("more", [{"optimizer": "adam"}, {"prior": "pixels"}])
def test_other_ways_to_climb_come_nearer_too(more: dict[str, Any]) -> None:
    run = cs.texture(squeezenet(), stripes(), **options(**more))
    scores = [float(frame.score) for frame in run if frame.score is not None]
    assert scores[-1] > 0.8 * scores[0]


def test_a_tile_has_no_seams() -> None:
    run = cs.texture(squeezenet(), stripes(64), tileable=True, **options())
    (tile,) = run.result().summary["seams"]
    assert 0.8 < tile < 1.2
    assert seam(stripes(64)) > 1.2, "the sample itself is no tile"


@pytest.mark.parametrize(
    ("layer", "size", "message"),
    [
        ("fc", 32, r"^'fc' has no feature maps, so it knows no texture; name a convolution$"),
        ("layer3", 32, r"unknown class or layer 'layer3'.*'layer2'"),
        ((), 32, r"^texture needs a layer; convscope layers lists them$"),
        ("layer2", 6, r"^a unit of 'layer2' sees \d+ x \d+ pixels, more than the sample of 6 x 6;"),
    ],
)
def test_what_makes_no_texture_is_one_line(layer: Any, size: int, message: str) -> None:
    net = toys.network(toys.randomized(toys.Residual()))
    with pytest.raises(cs.ConvscopeError, match=message):
        cs.texture(net, toys.images(1, size), layer=layer, height=32, width=32).result()


def test_layers_by_default_see_from_little_to_half_of_the_input() -> None:
    net = squeezenet()
    names = default_layers.textured(net)
    fields = [net.layer(name).receptive_field for name in names]
    sides = [max(field) for field in fields if field]
    assert len(names) == 5 and sides == sorted(sides)
    assert sides[0] <= 8 and 80 <= sides[-1] <= 150
