from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.runs import registry
from convscope.types.frames import Frame
from convscope.types.panels import Bars, Grid
from tests.helpers.networks import Own


def look(net: cs.Network, image: Tensor, **options: Any) -> tuple[Frame, Grid | Bars]:
    run = registry.get("activations").run(net, image, **options)
    (frame,) = run.frames()
    panel = frame.panels[1]
    assert isinstance(panel, Grid | Bars)
    return frame, panel


class Shades(nn.Module):
    """Four channels whose answers are known: dark, nothing at all, bright, always a half."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(1, 4, 1)
        self.relu = nn.ReLU()
        with torch.no_grad():
            self.maps.weight.copy_(torch.tensor([-1.0, -1, 2, 0]).view(4, 1, 1, 1))
            self.maps.bias.copy_(torch.tensor([1.0, -1, 0, 0.5]))  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.relu(self.maps(x))
        return result


@pytest.fixture
def shades() -> cs.Network:
    return cs.Network(Shades(), mean=[0.0], std=[1.0], input_size=4)


@pytest.fixture
def ramp() -> Tensor:
    return torch.arange(16.0).view(1, 1, 4, 4) / 16  # 0 to 15/16


def test_what_is_shown_of_known_channels(shades: cs.Network, ramp: Tensor) -> None:
    frame, grid = look(shades, ramp, layer="relu")
    assert isinstance(grid, Grid)
    dark, bright = 1 - ramp[0, 0], 2 * ramp[0, 0]
    values = torch.stack([dark, torch.zeros(4, 4), bright, torch.full((4, 4), 0.5)])
    torch.testing.assert_close(frame.arrays["activations"], values)
    assert frame.arrays["order"].tolist() == [2, 0, 3, 1]  # largest values 1.875, 1, 0.5, 0
    torch.testing.assert_close(grid.tiles[:, 0], values[[2, 0, 3, 1]])
    assert grid.captions == ("2", "0", "3", "1")
    assert grid.marked == {2, 3}, "the two that say the same everywhere, by their place"
    assert frame.summary["dead_channels"] == 2
    assert frame.summary["channels"] == 4
    assert frame.summary["fraction_of_zeros"] == pytest.approx(
        17 / 64
    )  # a map, and a pixel of the bright one
    assert frame.summary["strongest_channels"] == [2, 0, 3, 1]


def test_as_they_are(shades: cs.Network, ramp: Tensor) -> None:
    frame, grid = look(shades, ramp, layer="relu", sort="index", limit=2)
    assert isinstance(grid, Grid)
    assert grid.captions == ("0", "1")
    assert grid.marked == {1}
    assert frame.arrays["order"].tolist() == [0, 1, 2, 3]


def test_scales(shades: cs.Network, ramp: Tensor) -> None:
    _, grid = look(shades, ramp, layer="relu")
    assert isinstance(grid, Grid)
    assert (grid.low, grid.high) == (None, None)
    _, grid = look(shades, ramp, layer="relu", scale="layer", limit=1)
    assert isinstance(grid, Grid)
    assert (grid.low, grid.high) == (0, 1.875)


@pytest.mark.parametrize("layer", ["stem", "norm", "blocks.0", "blocks", "norm.pre", "relu"])
def test_values_are_those_of_the_users_own_module(
    own: cs.Network, own_photo: Tensor, layer: str
) -> None:
    if layer.endswith(".pre"):
        with pytest.raises(cs.ConvscopeError, match="does not end in an activation"):
            look(own, own_photo, layer=layer)
        return
    found: list[Tensor] = []
    module = Own().eval()
    module.relu.inplace = False
    module.get_submodule(layer).register_forward_hook(lambda m, i, o: found.append(o.clone()))
    with torch.no_grad():
        module((own.preprocess(own_photo) - 0.5) / 0.25)
    frame, _ = look(own, own_photo, layer=layer)
    torch.testing.assert_close(frame.arrays["activations"], found[-1][0], rtol=1e-4, atol=1e-5)


def test_a_code_is_drawn_as_bars(own: cs.Network, own_photo: Tensor) -> None:
    frame, bars = look(own, own_photo, layer="head")
    assert isinstance(bars, Bars)
    values = frame.arrays["activations"]
    order = values.argsort(descending=True)
    assert bars.names == tuple(str(i) for i in order.tolist())
    assert bars.values == tuple(values[order].tolist())


def test_without_a_layer_the_first_activation(own: cs.Network, own_photo: Tensor) -> None:
    assert look(own, own_photo)[0].summary["layer"] == "relu"


def test_one_photograph_at_a_time(own: cs.Network, own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match="activations takes one image at a time, not 2"):
        look(own, own_photo.expand(2, -1, -1, -1))


def test_a_tile_names_its_unit_and_a_pixel_of_it_is_a_neuron(own: cs.Network) -> None:
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    frame, panel = look(own, image, layer="blocks.0", limit=3)
    assert isinstance(panel, Grid)
    assert panel.places
    activations = frame.arrays["activations"]
    for unit, tile in zip(panel.units, panel.tiles, strict=True):
        target = own.target(f"{unit}@2,3")
        assert target.channel is not None
        assert float(tile[0, 2, 3]) == float(activations[target.channel, 2, 3])
