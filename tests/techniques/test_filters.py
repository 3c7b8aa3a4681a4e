from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope import registry
from convscope.types import Frame, Grid, Histogram
from tests.conftest import Own


def look(net: cs.Network, **options: Any) -> tuple[Frame, Grid, Histogram]:
    run = registry.get("filters").run(net, **options)
    (frame,) = run.frames()
    grid, histogram = frame.panels
    assert isinstance(grid, Grid)
    assert isinstance(histogram, Histogram)
    return frame, grid, histogram


def second_weights() -> Tensor:
    convolution = Own().blocks[2]
    assert isinstance(convolution, nn.Conv2d)
    return convolution.weight.detach()


def test_weights_are_those_of_the_module_not_of_its_folded_copy(own: cs.Network) -> None:
    expected = Own().stem.weight.detach()
    frame, grid, histogram = look(own)
    assert torch.equal(frame.arrays["weights"], expected)
    assert torch.equal(grid.tiles, expected)
    assert torch.equal(histogram.values, expected)
    assert frame.figures["layer"] == "stem"
    assert frame.figures["filters"] == 8


def test_near_zero_counts_below_a_hundredth_of_the_largest() -> None:
    module = Own()
    with torch.no_grad():
        module.stem.weight.copy_(torch.linspace(0.5, 1, 216).view(8, 3, 3, 3))
        module.stem.weight[0, 0, 0] = torch.tensor([0.0099, -0.0099, 0.0101])
        module.stem.weight[7, 2, 2, 2] = -1.0
    net = cs.Network(module, mean=[0.5] * 3, std=[0.5] * 3, input_size=32)
    assert look(net)[0].figures["near_zero"] == pytest.approx(2 / 216)


def test_deeper_filters_are_rows_of_planes(own: cs.Network) -> None:
    weight = second_weights()
    _, grid, _ = look(own, layer="blocks.2", most=5)
    assert grid.columns == 12
    assert len(grid.rows) == 5
    assert grid.tiles.shape == (60, 1, 3, 3)
    for i in range(5):
        shown = weight[i]
        least, largest = shown.min(), shown.max()  # all planes of a filter on one scale
        expected = (shown - least) / (largest - least)
        torch.testing.assert_close(grid.tiles[12 * i : 12 * i + 12, 0], expected)


def test_scale_of_the_layer(own: cs.Network) -> None:
    weight = second_weights()
    _, grid, _ = look(own, layer="blocks.2", scale="layer")
    assert (grid.low, grid.high) == (float(weight.min()), float(weight.max()))
    assert torch.equal(grid.tiles[:12, 0], weight[0])
    _, grid, _ = look(own, scale="layer")
    weight = Own().stem.weight.detach()
    assert (grid.low, grid.high) == (float(weight.min()), float(weight.max()))


def test_a_layer_without_filters_is_refused(own: cs.Network) -> None:
    for layer, message in (("head", "no spatial filters"), ("relu", "has no weight")):
        with pytest.raises(cs.ConvscopeError, match=message):
            look(own, layer=layer)


def test_a_network_without_convolution() -> None:
    dense = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    net = cs.Network(dense, mean=[0.5] * 3, std=[0.5] * 3, input_size=4)
    with pytest.raises(cs.ConvscopeError, match="has no convolution"):
        look(net)


def test_the_default_networks_first_layer(net: cs.Network) -> None:
    result = cs.filters(net).result()
    assert result.arrays["weights"].shape == (32, 3, 3, 3)
    assert np.ptp(np.asarray(result.picture)) == 255
