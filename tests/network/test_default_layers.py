"""Layers for when the user names none: the last that has places."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.network import default_layers
from tests.helpers import toys
from tests.helpers.networks import Own
from tests.helpers.toys import Last, Tokens


class Pooled(nn.Module):
    """Its last maps are of one place, and its maps before that of one row."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.strip = nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d((1, 5))
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.pool(self.strip(self.conv(x))).flatten(1))
        return out


LAST: list[tuple[Callable[[], nn.Module], list[str]]] = [
    (toys.Residual, ["layer2"]),
    (toys.Dense, ["norm3"]),
    (Own, ["doubled"]),
    (Pooled, ["strip"]),
    (Last, ["norm"]),  # its channels come last
    (Tokens, ["one", "two", "norm"]),
]


@pytest.mark.parametrize(("make", "names"), LAST)
def test_the_last_layers_with_places(make: Callable[[], nn.Module], names: list[str]) -> None:
    assert default_layers.last_maps(toys.network(make())) == names


def test_a_network_without_places() -> None:
    net = toys.network(nn.Sequential(nn.Flatten(1), nn.Linear(768, 12), nn.ReLU()))
    for technique in (cs.cam, cs.gradcam, cs.layercam, cs.scorecam, cs.guided_gradcam):
        with pytest.raises(cs.ConvscopeError, match="no layer of Sequential has feature maps"):
            technique(net, torch.rand(1, 3, 16, 16)).result()


@pytest.mark.parametrize(
    ("pixels", "name"),
    [(1, "stem"), (7, "stem"), (8, "layer1"), (17, "layer1"), (18, "layer2"), (99, "layer2")],
)
def test_the_layer_that_sees_about_so_many_pixels(pixels: int, name: str) -> None:
    """They see 3, 12 and 24; of two as near the larger."""
    found = default_layers.receptive_field_near(toys.network(toys.Residual()), pixels)
    assert found is not None
    assert found.name == name


def test_where_no_layer_ends_in_an_activation_all_layers_count() -> None:
    found = default_layers.receptive_field_near(toys.network(Pooled()), 11)
    assert found is not None
    assert found.name == "conv"


class Averaged(nn.Module):
    """Scores classes at each place with its last convolution, and averages them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 6, 3)
        self.head, self.pool = nn.Conv2d(6, 5, 1), nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pool(self.head(self.two(self.one(x).relu()).relu()).relu()).flatten(1)
        return out


def test_class_scores_at_each_place_are_no_features(squeezenet: cs.Network) -> None:
    net = toys.network(Averaged())
    assert default_layers.last_maps(net) == ["two"]
    assert default_layers.embedding(net) == "two"
    assert net.stages[-1].name == "two"
    assert default_layers.last_maps(net, [net.target("pool")]) == ["head"]
    assert default_layers.last_maps(squeezenet) == ["features"]
    assert default_layers.embedding(squeezenet) == "features"
    assert [one.name for one in squeezenet.stages] == [
        "features.1", "features.4", "features.7", "features"
    ]  # fmt: skip


def test_a_last_convolution_whose_channels_are_no_classes_stays() -> None:
    net = cs.Network(Averaged(), mean=(0.5,) * 3, std=(0.5,) * 3, input_size=32, output="embedding")
    assert default_layers.last_maps(net) == ["head"]
