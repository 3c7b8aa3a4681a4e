"""Images of directions on a map: blocks of cells, blends of them, and how neighbors begin."""

from __future__ import annotations

import torch

import convscope as cs
from convscope.ascent import climb_map
from convscope.ascent.map_images import blended, blocks_of
from convscope.tensors import unbounded


def test_blocks_are_two_by_two_cells() -> None:
    """By hand: two cells in one block, one in another, none in the two others."""
    places = torch.tensor([[0.5, 0.5], [1.5, 0.5], [2.5, 1.5]])
    directions = torch.tensor([[2.0, 0.0], [0.0, 4.0], [0.0, -3.0]])
    found = blocks_of(directions, places)
    assert found.places.tolist() == [[1, 1], [3, 1]]
    both = 3 / 2**0.5  # of the mean length
    torch.testing.assert_close(found.directions, torch.tensor([[both, both], [0.0, -3.0]]))
    torch.testing.assert_close(found.shares.sum(1), torch.ones(3))
    assert found.shares.argmax(1).tolist() == [0, 0, 1]
    assert found.shares[0, 1] < found.shares[1, 1], "the nearer, the more"


def test_blends_keep_the_contrast() -> None:
    chance = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 8, 8, generator=chance)
    same = blended(images, torch.eye(2))
    torch.testing.assert_close(same, images, atol=2e-3, rtol=0)
    halves = blended(images, torch.full((1, 2), 0.5))
    contrast = unbounded(images).std((2, 3)).mean()
    torch.testing.assert_close(unbounded(halves).std((2, 3)).mean(), contrast)


def test_cells_begin_with_the_blocks_around_them(own: cs.Network) -> None:
    """Five cells in a row: three blocks, then the cells. Far cells begin less alike than near."""
    directions = torch.eye(12)[:5]
    places = torch.tensor([[i + 0.5, 0.5] for i in range(5)])
    frames = [*climb_map(own, "doubled", directions, places, steps=3, size=32)]
    assert [one.side for one in frames] == [2, 2, 1, 1, 1]
    assert [one.frame.step for one in frames] == [1, 2, 3, 4, 5]
    assert {one.frame.steps for one in frames} == {5}
    assert frames[1].places.tolist() == [[1, 1], [3, 1], [5, 1]]
    image = frames[2].frame.image
    near, far = ((image[0] - image[i]).square().mean() for i in (1, 4))
    assert near < far
