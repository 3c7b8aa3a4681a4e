"""Techniques on networks that take only some image sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.ascent import tiles
from convscope.vocabulary.priors import Prior
from tests.helpers import sizes, toys
from tests.helpers.networks import own_photograph

MAKERS: dict[str, tuple[type[nn.Module], int, str]] = {
    "dense": (sizes.Fixed, 16, "hidden"),
    "skips": (sizes.Skips, 32, "fc"),
    "windows": (sizes.Windows, 56, "fc"),
    "small": (sizes.Small, 48, "act"),
    "square": (sizes.Square, 32, "fc"),
    "bounded": (sizes.Bounded, 16, "fc"),
    "tokens": (sizes.Tokens, 16, "mlp"),
    "windows in the batch": (sizes.WindowTokens, 24, "act"),
}


def network(name: str) -> tuple[cs.Network, str]:
    make, size, layer = MAKERS[name]
    return toys.network(toys.randomized(make()), size), layer


@pytest.mark.parametrize("name", MAKERS)
def test_a_dream_has_the_photographs_size(name: str) -> None:
    net, layer = network(name)
    photo = 0.3 + 0.4 * own_photograph(42, 55)
    for frame in cs.deepdream(net, photo, layer=layer, octaves=2, zoom=1.3, steps=2):
        assert frame.image is not None
        assert torch.isfinite(torch.from_numpy(frame.image)).all()
    assert frame.image.shape == (1, 42, 55, 3)
    # Everywhere, also where tiles overlap or are padded, and not by more than the steps allow.
    moved = (torch.from_numpy(frame.image)[0].permute(2, 0, 1) - photo[0]).abs().amax(0)
    assert (moved > 0).float().mean() > 0.95


def test_the_summary_says_what_the_network_gets() -> None:
    photo = own_photograph(42, 55)
    options: dict[str, Any] = {"octaves": 1, "steps": 1}
    net, layer = network("skips")
    assert cs.deepdream(net, photo, layer=layer, **options).result().summary["tile"] == [44, 56]
    net, layer = network("dense")
    assert cs.deepdream(net, photo, layer=layer, **options).result().summary["tile"] == [16, 16]
    assert "tile" not in cs.deepdream(net, photo, layer="act", **options).result().summary


def test_seams_of_tiles_of_the_only_size_lie_elsewhere_in_each_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net, layer = network("dense")
    shifts: list[int] = []

    def note(shift: int) -> Prior:
        shifts.append(shift)
        return cs.priors.jitter(shift)

    monkeypatch.setattr("convscope.techniques.deepdream.jitter", note)
    photo = own_photograph(42, 55)
    cs.deepdream(net, photo, layer=layer, octaves=1, steps=1).result()
    assert shifts == [8]  # half of 16


def test_images_of_units_in_windows_are_of_their_own_unit() -> None:
    """Windows of several images lie one after the other in the batch."""
    net, _ = network("windows in the batch")
    result = cs.neuron_image(net, target="act", limit=3, steps=3).result()
    assert result.image is not None
    images = torch.from_numpy(result.image).permute(0, 3, 1, 2)
    assert images.shape[2:] == net.input_size  # windows of half the size would be mixed up
    by_hand = net._prepared.plain.mlp(toys.normalized(images).permute(0, 2, 3, 1)).mean((1, 2))  # type: ignore[operator]
    assert result.summary["activation"] == pytest.approx(by_hand.diagonal().tolist(), abs=1e-5)


def test_a_tile_that_the_network_does_not_take() -> None:
    make, _, _ = MAKERS["dense"]
    net = toys.network(toys.randomized(make(40)), 40)
    photo = own_photograph(60, 80)
    with pytest.raises(cs.ConvscopeError, match=r"takes images of 40x40 pixels, but not of 32x32$"):
        cs.deepdream(net, photo, layer="hidden", octaves=1, tile=32).result()


def test_the_default_tile_is_a_size_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "TILE_MEMORY", 1)
    net, _ = network("small")  # a unit sees 11 pixels
    assert tiles.tile_side(net, frozenset({"two"}), 1) == 11
    fixed = toys.network(sizes.Square(), 32)
    assert tiles.tile_side(fixed, frozenset({"patch"}), 1) == 8


def test_the_default_tile_of_layers_that_are_not_listed_and_of_windows() -> None:
    idle = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Identity(), nn.Conv2d(4, 2, 1))
    net = toys.network(idle)
    # Six numbers of four bytes a pixel, as for the output.
    assert tiles.tile_side(net, frozenset({"1"}), 1) == int((2**29 / 24) ** 0.5)
    net, _ = network("windows in the batch")
    assert tiles.tile_side(net, frozenset({"mlp"}), 1) == int((2**29 / 20) ** 0.5)


HALVES: dict[str, tuple[str, str, int]] = {
    "half": ("skips", "two:1", 16),
    "a dense layer": ("dense", "hidden:1", 16),
    "maps before a dense layer": ("dense", "conv:1", 16),
    "windows": ("windows", "fc:1", 28),
    "flattened maps": ("dense", "flat:300", 16),
}


@pytest.mark.parametrize("case", HALVES)
def test_a_neuron_image_is_half_as_large_where_the_network_takes_it(case: str) -> None:
    name, target, side = HALVES[case]
    net, _ = network(name)
    frame = next(iter(cs.neuron_image(net, target=target, steps=3)))
    assert frame.image is not None
    assert frame.image.shape[1:3] == (side, side)


NAMED: dict[str, Callable[[cs.Network, Tensor], Any]] = {
    "class_image": lambda net, _: cs.class_image(net, target=1, size=26, steps=2),
    "ladder": lambda net, _: cs.ladder(net, target=1, size=26, steps=2),
    "neuron_image": lambda net, _: cs.neuron_image(net, target="fc:1", size=26, steps=2),
    "invert": lambda net, photo: cs.invert(net, photo, layer="fc", size=26, steps=2),
    "a recipe": lambda net, _: cs.ascend(
        net,
        cs.Recipe(start=cs.starts.fourier(size=26), objective=cs.objectives.logit(1)),
    ),
    "a recipe with a photograph": lambda net, photo: cs.ascend(
        net,
        cs.Recipe(start=cs.starts.photo(photo[..., :26, :26]), objective=cs.objectives.logit(1)),
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_size_that_the_user_names_is_refused_with_those_near_it(name: str) -> None:
    photo = own_photograph(42, 55)
    with pytest.raises(
        cs.ConvscopeError, match=r"takes images of 24x24 and 28x28 pixels, but not of 26x26$"
    ):
        NAMED[name](network("skips")[0], photo).result()
    with pytest.raises(cs.ConvscopeError, match=r"takes images of 16x16 pixels, but not of 26x26$"):
        NAMED[name](network("dense")[0], photo).result()


@pytest.mark.parametrize("name", MAKERS)
def test_photographs_of_any_size_are_preprocessed(name: str) -> None:
    net, layer = network(name)
    assert net.read(own_photograph(42, 55), {layer})[layer].shape[1:] == net.shape(layer)
    assert net.logits(own_photograph(7, 9)).shape == (1, 3)


def test_a_position_that_an_image_of_this_size_does_not_have() -> None:
    net, _ = network("skips")
    there = cs.objectives.activation("one:1@20,20")
    small, large = (cs.starts.noise(size=side) for side in (16, 32))
    with pytest.raises(cs.ConvscopeError, match=r"images of this size have no one:1@20,20"):
        cs.ascend(net, cs.Recipe(start=small, objective=there)).result()
    assert cs.ascend(net, cs.Recipe(start=large, objective=there)).result().score is not None
