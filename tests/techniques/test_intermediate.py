"""Units in the middle, read back by three rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.network.units import strongest_units
from convscope.runs import registry
from convscope.types.frames import Frame
from convscope.types.panels import Grid
from tests.helpers import toys

RULES = ("plain", "deconv", "guided")


def look(net: cs.Network, image: Tensor, **options: Any) -> tuple[Frame, Grid]:
    run = registry.get("intermediate").run(net, image, **{"samples": 1, **options})
    (frame,) = run.frames()
    _, grid = frame.panels
    assert isinstance(grid, Grid)
    return frame, grid


@pytest.mark.parametrize("name", toys.TOYS)
def test_the_toy_whose_tables_are_known(name: str) -> None:
    # Images lie in [0, 1]: this network is told to see them sixteen times as bright.
    net = cs.Network(toys.TOYS[name](), mean=[0.0], std=[1 / 16], input_size=4)
    frame, _ = look(net, toys.TOY_IMAGE / 16, target=0)
    for rule, table in zip(RULES, (toys.PLAIN, toys.DECONV, toys.GUIDED), strict=True):
        torch.testing.assert_close(frame.arrays[rule][0, 0] / 16, table, rtol=0, atol=1e-5)
    assert frame.score is not None
    assert frame.score.tolist() == pytest.approx([54])


class Halves(nn.Module):
    """How far a pixel lies above 0.5 and how far below, then a sum over 2 x 2 of them."""

    def __init__(self) -> None:
        super().__init__()
        self.halves, self.first = nn.Conv2d(1, 2, 1), nn.ReLU()
        self.sum, self.second = nn.Conv2d(2, 2, 2, bias=False), nn.ReLU()
        with torch.no_grad():
            self.halves.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
            self.halves.bias.copy_(torch.tensor([-0.5, 0.5]))  # type: ignore[union-attr]
            self.sum.weight[0] = torch.tensor([[[1.0, -1], [1, 1]], [[1, 1], [-1, 1]]])
            self.sum.weight[1] = torch.tensor([-1.0, 1.0]).view(2, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        summed: Tensor = self.second(self.sum(self.first(self.halves(x))))
        return summed.mean((2, 3))


# By hand, for the pixels .9 .1 / .2 .85. A pixel above 0.5 goes up by the first plane of the sum's
# weights, one below by less the second; plain: whichever of the two is active. Guided drops
# negative weights (the -1 under .2), deconv asks for no activity: both planes, negatives dropped.
BLOCK = [[0.9, 0.1], [0.2, 0.85]]
BY_HAND = {"plain": [[1, -1], [1, 1]], "deconv": [[0, -1], [1, 0]], "guided": [[1, -1], [0, 1]]}


@pytest.mark.parametrize("target", ["second:0", "second.pre:0", "second:0@1,2", "second"])
def test_a_unit_in_the_middle_by_hand(target: str) -> None:
    """Its strongest place is where the block lies: 0.4 + 0.4 - 0.3 + 0.35."""
    net = toys.plain_network(Halves(), 5, channels=1)
    image = torch.full((1, 1, 5, 5), 0.6)
    image[0, 0, 1:3, 2:4] = torch.tensor(BLOCK)
    frame, grid = look(net, image, target=target)
    layer = target.partition(":")[0]
    units: Any = frame.summary["units"]
    mine = units.index(f"{layer}:0@1,2")
    for rule, table in BY_HAND.items():
        expected = torch.zeros(5, 5)
        expected[1:3, 2:4] = torch.tensor(table).float()
        torch.testing.assert_close(frame.arrays[rule][mine, 0], expected)
    assert frame.score is not None
    assert float(frame.score[mine]) == pytest.approx(0.85)
    assert grid.captions[4 * mine : 4 * mine + 4] == ("0@1,2", *RULES)
    patch = grid.tiles[4 * mine, 0]
    centers = patch[[12, 12, 36, 36], [12, 36, 12, 36]]  # of the pixels, each enlarged to 24
    torch.testing.assert_close(centers, torch.tensor(BLOCK).flatten(), rtol=0, atol=0.03)


def test_a_gradient_that_is_zero_is_crossed_out() -> None:
    """All pixels lie above 0.5, where this unit wants them below: it is silent. Its .pre has a true
    gradient, but a negative one, which guided drops; deconv does not ask which units are active."""
    net = toys.plain_network(Halves(), 5, channels=1)
    image = torch.full((1, 1, 5, 5), 0.6)
    frame, grid = look(net, image, target="second:1@0,0")
    assert grid.marked == {1, 3}
    assert [bool(frame.arrays[rule].any()) for rule in RULES] == [False, True, False]
    assert look(net, image, target="second.pre:1@0,0")[1].marked == {3}


@pytest.mark.parametrize("target", ["blocks:3", "blocks:3@4,5", "head:1", 2, "doubled:0"])
def test_the_same_as_each_rule_alone(own: cs.Network, own_photo: Tensor, target: Any) -> None:
    frame: Any = look(own, own_photo, target=target)[0]
    for rule, name in zip(RULES, ("saliency", "deconvnet", "guided_backprop"), strict=True):
        alone: Any = registry.get(name).run(own, own_photo, target=target).result()
        np.testing.assert_allclose(frame.arrays[rule][0], alone.gradient, rtol=1e-5, atol=1e-7)
        assert float(frame.score) == pytest.approx(alone.score)


def test_noisy_copies_are_the_same_for_every_rule(own: cs.Network, own_photo: Tensor) -> None:
    options: Any = {"target": "blocks:3@4,5", "samples": 3, "noise": 0.2, "seed": 4}
    arrays = look(own, own_photo, **options)[0].arrays
    for rule, name in zip(RULES, ("smoothgrad", "deconvnet", "guided_backprop"), strict=True):
        alone: Any = registry.get(name).run(own, own_photo, **options).result()
        np.testing.assert_allclose(arrays[rule][0], alone.gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("most", [1, 3])
def test_a_layer_is_read_at_its_outstanding_units(
    own: cs.Network, own_photo: Tensor, most: int
) -> None:
    frame, grid = look(own, own_photo, target="blocks", limit=most)
    units = strongest_units(own, "blocks", own.read(own_photo, {"blocks"})["blocks"][0], most)
    assert frame.summary["units"] == list(map(str, units))
    assert len(units) == most
    assert grid.tiles.shape[0] == 4 * most
    for i, unit in enumerate(units):
        alone = look(own, own_photo, target=str(unit))[0]
        for rule in RULES:
            torch.testing.assert_close(frame.arrays[rule][i], alone.arrays[rule][0])


def test_without_target_a_layer_in_the_middle(net: cs.Network, photo: Tensor) -> None:
    """Whose units see at most two fifths of the image, here 83 of 224 pixels."""
    frame, grid = look(net, photo, limit=2)
    units: Any = frame.summary["units"]
    assert len(units) == 2
    (layer,) = {unit.partition(":")[0] for unit in units}
    field = net.layer(layer.removesuffix(".pre")).receptive_field
    assert field == (83, 83)
    assert grid.tiles.shape == (8, 3, 83, 83)
    assert not grid.marked


def test_refusals(own: cs.Network, own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match="intermediate takes one image at a time, not 2"):
        look(own, torch.cat([own_photo] * 2))
    with pytest.raises(cs.ConvscopeError, match="head has no maps; name one of its channels"):
        look(own, own_photo, target="head")


def test_before_the_first_rectifier_there_is_the_plain_gradient_only(
    own: cs.Network, own_photo: Tensor
) -> None:
    frame, grid = look(own, own_photo, target="stem:1")
    assert frame.summary["rules"] == ["plain"] == list(frame.arrays)
    assert len(grid.tiles) == 2
    assert grid.captions[1] == "plain"
    assert grid.caption.endswith("deconv and guided would change nothing or nearly nothing")
    expected = cs.saliency(own, own_photo, target="stem:1").result().gradient
    assert torch.equal(frame.arrays["plain"][0], torch.as_tensor(expected))
