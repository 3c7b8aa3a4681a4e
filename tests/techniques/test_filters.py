from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from convscope.runs import registry
from convscope.types.frames import Frame
from convscope.types.panels import Grid, Histogram
from tests.helpers.networks import Own, own_network


def look(net: cs.Network, **options: Any) -> tuple[Frame, Grid, Histogram]:
    run = registry.get("filters").run(net, **options)
    (frame,) = run.frames()
    grid, histogram = frame.panels
    assert isinstance(grid, Grid)
    assert isinstance(histogram, Histogram)
    return frame, grid, histogram


@pytest.fixture
def own_gray() -> cs.Network:
    return own_network(channels=1)


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
    assert frame.summary["layer"] == "stem"
    assert frame.summary["filters"] == 8


def test_near_zero_counts_below_a_hundredth_of_the_largest() -> None:
    module = Own()
    with torch.no_grad():
        module.stem.weight.copy_(torch.linspace(0.5, 1, 216).view(8, 3, 3, 3))
        module.stem.weight[0, 0, 0] = torch.tensor([0.0099, -0.0099, 0.0101])
        module.stem.weight[7, 2, 2, 2] = -1.0
    net = cs.Network(module, mean=[0.5] * 3, std=[0.5] * 3, input_size=32)
    assert look(net)[0].summary["near_zero"] == pytest.approx(2 / 216)


def test_deeper_filters_are_rows_of_planes(own: cs.Network) -> None:
    weight = second_weights()
    _, grid, _ = look(own, layer="blocks.2", limit=5)
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


# --------------------------------------------------------------------- effective filters


def effective(net: cs.Network, **options: Any) -> tuple[Tensor, Grid, Frame]:
    (frame,) = registry.get("filters").run(net, show="effective", **options).frames()
    (grid,) = frame.panels
    assert isinstance(grid, Grid)
    return frame.arrays["filters"], grid, frame


class Boxes(nn.Module):
    """3 x 3 boxes over 3 x 3 boxes with a ReLU between, and one after; the last channel is dead."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 2, 3, stride), nn.Conv2d(2, 3, 3)
        with torch.no_grad():
            self.one.weight[0], self.one.weight[1] = 1.0, -1.0
            self.one.bias.copy_(torch.tensor([-100.0, -100.0]))  # type: ignore[union-attr]
            self.two.weight.copy_(
                torch.tensor([[1.0, 0.0], [2.0, 5.0], [0.0, 0.0]])
                .view(3, 2, 1, 1)
                .expand(-1, -1, 3, 3)
            )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.two(self.one(x).relu()).relu().mean((2, 3))
        return result


@pytest.mark.parametrize(("stride", "line"), [(1, [1.0, 2, 3, 2, 1]), (2, [1.0, 1, 2, 1, 2, 1, 1])])
def test_effective_filters_by_hand(stride: int, line: list[float]) -> None:
    """Boxes over boxes are tents, whatever the ReLU makes of this image (here it is always shut):
    1 of the first plane for channel 0, 2 less 5 for channel 1, over the standard deviation 0.5."""
    net = cs.Network(Boxes(stride), mean=[0.3], std=[0.5], input_size=12)
    filters, grid, frame = effective(net, layer="two")
    tent = torch.outer(torch.tensor(line), torch.tensor(line))
    torch.testing.assert_close(filters[:, 0], torch.stack([2 * tent, -6 * tent, 0 * tent]))
    shown = tent / tent.max()
    torch.testing.assert_close(grid.tiles[:, 0], torch.stack([shown, -shown, 0 * shown]))
    assert (grid.low, grid.high) == (-1, 1)
    assert grid.marked == {2}
    assert frame.summary == {"layer": "two", "filters": 3, "size": [len(line)] * 2}
    assert torch.equal(effective(net, layer="two", limit=2)[0], filters[:2])
    _, alike, _ = effective(net, layer="two", scale="layer")
    torch.testing.assert_close(alike.tiles[:2, 0], torch.stack([shown / 3, -shown]))


class Linear(Own):
    """`Own` without its ReLUs."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = self.blocks[1] = nn.Identity()  # type: ignore[assignment]


def test_effective_filters_are_the_differences_of_a_network_without_relus() -> None:
    filters, _, frame = effective(own_network(dtype=torch.float64), layer="blocks")
    assert filters.shape == (12, 3, 9, 9)
    module = Linear().double().eval()
    linear = nn.Sequential(module.stem, module.norm, module.blocks)
    steps = torch.zeros(3 * 9 * 9, 3, 32, 32, dtype=torch.float64)
    # The unit at 8,8 of 16 x 16 sees the rows and columns 2 x 8 - 4 to 2 x 8 + 4.
    steps[:, :, 12:21, 12:21] = torch.eye(243, dtype=torch.float64).view(243, 3, 9, 9)
    with torch.no_grad():
        moved = linear(steps / 0.25) - linear(torch.zeros_like(steps[:1]))
    expected = moved[:, :, 8, 8].T.reshape(12, 3, 9, 9)
    torch.testing.assert_close(filters, expected, rtol=1e-9, atol=1e-12)
    assert frame.summary["size"] == [9, 9]


def test_effective_filters_of_the_first_convolution_are_its_weights() -> None:
    net = own_network()
    filters, *_ = effective(net, layer="stem")
    torch.testing.assert_close(filters, Own().stem.weight.detach() / 0.25)


def test_effective_filters_of_the_default_network_foretell_its_units(
    net: cs.Network, seen: Tensor
) -> None:
    """On a photograph, against the units' activations: most are near enough to linear."""
    filters, _, frame = effective(net, limit=96)
    assert frame.summary == {"layer": "blocks.1.0.bn2.pre", "filters": 96, "size": [11, 11]}
    rows = net.layer("blocks.1.0.bn2").rows
    assert rows is not None
    assert (rows.jump, rows.span(1)) == (4, (2, 12))
    values = net.read(seen, {"blocks.1.0.bn2.pre"})["blocks.1.0.bn2.pre"][0]
    linear = F.conv2d(seen[:, :, 2:, 2:], filters, stride=4)[0]  # from unit 1 on
    answers = values[:, 1 : 1 + linear.shape[1], 1 : 1 + linear.shape[2]]
    alike = [
        float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])
        for a, b in zip(linear, answers, strict=True)
        if b.std() > 1e-3
    ]
    assert len(alike) > 80
    assert np.median(alike) > 0.8


class Pooled(nn.Module):
    """A convolution of one pixel, max pooling, and a second convolution."""

    def __init__(self, dilation: int = 1) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 2, 2)
        self.pool = nn.MaxPool2d(2, dilation=dilation)
        self.one.weight.data.fill_(3.0)
        self.two.weight.data.copy_(torch.arange(8.0).view(2, 1, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.two(self.pool(self.one(x)).relu()).relu().mean((2, 3))
        return result


def test_effective_filters_take_the_means_of_max_pooling() -> None:
    """Each weight stands for the mean of its window: 4 pixels, each a quarter of 3 times it."""
    net = cs.Network(Pooled(), mean=[0.5], std=[0.5], input_size=16)
    filters, *_ = effective(net, layer="two")
    expected = torch.arange(8.0).view(2, 1, 2, 2) * 3 / 4 / 0.5
    expected = expected.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(filters, expected)
    gaps = cs.Network(Pooled(dilation=2), mean=[0.5], std=[0.5], input_size=16)
    found = effective(gaps, layer="two")[0]
    assert sorted(found[1].unique().tolist()) == [0, 24, 30, 36, 42]  # one position of each window


def test_effective_filters_of_squeezenet_foretell_its_units(
    squeezenet: cs.Network, photo: Tensor
) -> None:
    image = squeezenet.preprocess(photo)
    filters, _, frame = effective(squeezenet)
    layer = "features.3.expand3x3_activation.pre"
    assert frame.summary == {"layer": layer, "filters": 64, "size": [15, 15]}
    rows = squeezenet.layer(layer.removesuffix(".pre")).rows
    assert rows is not None
    assert (rows.jump, rows.span(1)) == (4, (0, 14))
    values = squeezenet.read(image, {layer})[layer][0]
    linear = F.conv2d(image, filters, stride=4)[0]
    answers = values[:, 1 : 1 + linear.shape[1], 1 : 1 + linear.shape[2]]
    pairs = zip(linear, answers, strict=True)
    alike = [float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) for a, b in pairs]
    assert np.median(alike) > 0.6


def test_effective_filters_of_a_gray_network(own_gray: cs.Network) -> None:
    filters, grid, _ = effective(own_gray)
    assert filters.shape[1] == grid.tiles.shape[1] == 1


def test_effective_filters_of_a_transformer_are_those_of_its_patches() -> None:
    module = nn.Sequential(nn.Conv2d(3, 5, 4, 4), nn.Flatten(2), nn.Linear(16, 6), nn.GELU())
    net = cs.Network(module, mean=[0.5] * 3, std=[0.5] * 3, input_size=16)
    filters, _, frame = effective(net)
    assert frame.summary["layer"] == "0"
    weight = module[0].weight
    assert isinstance(weight, Tensor)
    torch.testing.assert_close(filters, weight.detach() / 0.5)


def test_no_effective_filters(own: cs.Network) -> None:
    for layer in ("head", ""):
        with pytest.raises(cs.ConvscopeError, match="has no effective filters: its recept"):
            effective(own, layer=layer)
    pooled = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1))
    net = cs.Network(pooled, mean=[0.5] * 3, std=[0.5] * 3, input_size=8)
    with pytest.raises(cs.ConvscopeError, match="'2' has no effective filters"):
        effective(net, layer="2")
    with pytest.raises(cs.ConvscopeError, match="unknown layer 'blocs'; did you mean 'blocks'"):
        effective(own, layer="blocs")


def test_each_filter_names_its_unit(own: cs.Network) -> None:
    for show in ("kernels", "effective"):
        (frame,) = registry.get("filters").run(own, show=show, limit=2).frames()
        grid = frame.panels[0]
        assert isinstance(grid, Grid)
        assert len(grid.units) == len(grid.tiles)
        assert [own.target(unit).channel for unit in grid.units] == [0, 1]
