"""Units: which ones respond most to an image, and which part of it each of them sees."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.network.units import as_tiles, receptive_field_crop, strongest_units
from convscope.types.targets import Target
from tests.helpers.toys import plain_network

# Maps of 16 x 16 places, each of which sees 9 x 9 pixels, from 2 (row, column) - 4 on.
LAYER = "blocks"


def maps(*peaks: tuple[float, int, int]) -> Tensor:
    """A channel a peak: zero everywhere but in one place; the first noise makes no difference."""
    found = torch.zeros(len(peaks), 16, 16)
    for channel, (height, row, column) in enumerate(peaks):
        found[channel] = 0.01 * torch.rand(16, 16, generator=torch.Generator().manual_seed(channel))
        found[channel, row, column] = height
    return found


def named(units: tuple[Target, ...]) -> list[str]:
    return [str(unit).removeprefix(f"{LAYER}:") for unit in units]


def test_the_strongest_against_the_usual(own: cs.Network) -> None:
    """Not the highest: a channel that is always high says nothing of this place."""
    values = maps((1.0, 3, 3), (1.0, 3, 12), (1.0, 12, 3))
    values[1] = 100 + 30 * torch.rand(16, 16, generator=torch.Generator().manual_seed(9))
    chosen = strongest_units(own, LAYER, values, 2)
    assert {unit.channel for unit in chosen} == {0, 2}
    assert {unit.position for unit in chosen} == {(3, 3), (12, 3)}


def test_places_far_apart_go_first_and_no_place_counts_twice(own: cs.Network) -> None:
    # In order of strength: a peak, the same place, a neighbor (2 pixels on), one far away.
    values = maps((8.0, 8, 8), (0.9, 8, 8), (0.7, 8, 9), (0.5, 8, 12))
    assert named(strongest_units(own, LAYER, values, 1)) == ["0@8,8"]
    assert named(strongest_units(own, LAYER, values, 2)) == ["0@8,8", "3@8,12"]
    assert named(strongest_units(own, LAYER, values, 3)) == ["0@8,8", "2@8,9", "3@8,12"]
    assert len(strongest_units(own, LAYER, values, 9)) == 3


@pytest.mark.parametrize(("away", "alike"), [(2, True), (3, False)])
def test_alike_is_less_than_half_of_what_a_unit_sees(
    own: cs.Network, away: int, alike: bool
) -> None:
    """4 of 9 pixels are alike, 6 are not, whatever the other axis."""
    values = maps((8.0, 8, 8), (0.9, 8 + away, 8), (0.5, 2, 12))
    assert (named(strongest_units(own, LAYER, values, 2))[1] == "2@2,12") is alike


def test_a_unit_that_sees_the_border_does_not_count(own: cs.Network) -> None:
    """At 0,0 a unit sees 4 rows beyond the image, more than a quarter of 9; at 1,1 only 2."""
    values = maps((9.0, 0, 8), (9.0, 8, 15))
    values[0, 5, 5], values[1, 1, 1] = 4.0, 4.0
    assert set(named(strongest_units(own, LAYER, values, 2))) == {"0@5,5", "1@1,1"}


def test_where_all_units_see_the_border_all_count() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 7, padding=3), nn.ReLU())
    net = plain_network(module, 2, channels=1)
    values = torch.tensor([[[0.0, 3], [0, 0]], [[0, 0], [2, 0]]])
    assert [unit.position for unit in strongest_units(net, "1.pre", values, 2)] == [(0, 1), (1, 0)]


def test_what_a_unit_sees(own: cs.Network) -> None:
    image = torch.arange(3 * 32 * 32.0).view(3, 32, 32)
    inside = receptive_field_crop(own, Target(LAYER, 0, (5, 7)), image, -1.0)
    assert torch.equal(inside, image[:, 6:15, 10:19])
    corner = receptive_field_crop(own, Target(LAYER, 0, (0, 15)), image, -1.0)
    expected = torch.full((3, 9, 9), -1.0)
    expected[:, 4:, :6] = image[:, :5, 26:]
    assert torch.equal(corner, expected)


def test_the_pixels_that_a_unit_sees_are_those_with_a_gradient(own: cs.Network) -> None:
    leaf = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    own.activations(leaf, {LAYER})[LAYER][0, :, 6, 7].sum().backward()
    assert leaf.grad is not None
    seen = receptive_field_crop(own, Target(LAYER, 0, (6, 7)), leaf.grad[0], 0.0)
    assert float(seen.abs().sum()) == pytest.approx(float(leaf.grad.abs().sum()))
    assert seen[:, 0].any()
    assert seen[:, -1].any()


@pytest.mark.parametrize("unit", [Target("", 1, label="class 1"), Target("head", 1)])
def test_a_unit_without_place_sees_the_image(own: cs.Network, unit: Target) -> None:
    image = torch.rand(3, 32, 32)
    assert torch.equal(receptive_field_crop(own, unit, image, 0.0), image)


def test_a_unit_that_sees_more_than_the_image_sees_the_image() -> None:
    net = plain_network(nn.Sequential(nn.Conv2d(1, 2, 7, padding=3), nn.ReLU()), 7, channels=1)
    image = torch.rand(1, 7, 7)
    assert torch.equal(receptive_field_crop(net, Target("1", 0, (0, 0)), image, 0.0), image)


def test_tiles_are_of_one_size() -> None:
    tiles = as_tiles([torch.full((3, 4, 9), 0.25), torch.full((3, 60, 60), 2.0)])
    assert tiles.shape == (2, 3, 60, 60)
    assert tiles[0].allclose(torch.tensor(0.25))
    assert (tiles[1] == 1).all()
    assert as_tiles([torch.zeros(1, 5, 5)]).shape == (1, 1, 48, 48)
