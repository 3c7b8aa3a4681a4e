"""How an image that a network does not take becomes tiles that it takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import convscope as cs
from convscope.ascent.tiles import reflected, tiling
from convscope.vocabulary import starts
from convscope.vocabulary.objectives import logit
from tests.helpers import sizes, toys


@pytest.mark.parametrize("size", [(5, 7), (9, 8), (5, 21), (17, 40)])
def test_an_image_is_mirrored_as_often_as_needed(size: tuple[int, int]) -> None:
    image = torch.rand(2, 3, 5, 7)
    extra = [(n - m) // 2 for n, m in zip(size, (5, 7), strict=True)]
    sides = [(one, n - m - one) for one, n, m in zip(extra, size, (5, 7), strict=True)]
    expected = np.pad(image.numpy(), [(0, 0), (0, 0), *sides], mode="symmetric")
    assert np.array_equal(reflected(image, size).numpy(), expected)


def test_what_is_large_enough_is_not_mirrored() -> None:
    image = torch.rand(1, 3, 6, 9)
    assert torch.equal(reflected(image, (4, 9)), image)


def starts_of(slices: tuple[slice, ...]) -> list[int]:
    return [one.start for one in slices]


def test_tiles_of_the_only_size_overlap() -> None:
    found = tiling(toys.network(sizes.Fixed(16)), {""}, (20, 60), 1000)
    assert found.tile == (16, 16)
    assert found.size == (20, 60)
    assert starts_of(found.rows) == [0, 4]
    assert starts_of(found.columns) == [0, 15, 29, 44]
    assert not found.whole
    assert found.longest == 16


def test_an_image_is_padded_to_the_next_size_that_is_taken() -> None:
    found = tiling(toys.network(sizes.Skips(), 32), {""}, (22, 25), 1000)
    assert (found.size, found.tile, len(found.tiles)) == ((24, 28), (24, 28), 1)
    assert not found.whole


def test_one_side_may_be_padded_and_the_other_cut() -> None:
    found = tiling(toys.network(sizes.Fixed(16)), {""}, (9, 33), 1000)
    assert found.size == (16, 33)
    assert starts_of(found.rows) == [0]
    assert starts_of(found.columns) == [0, 8, 17]


def test_tiles_are_no_longer_than_asked_and_of_a_size_that_is_taken() -> None:
    # Multiples of 14; 28 x 42 pixels are the largest of up to 45.
    found = tiling(toys.network(sizes.Windows(), 28), {""}, (60, 80), 45)
    assert max(found.tile) <= 45
    assert not any(side % 14 for side in found.tile)
    with pytest.raises(cs.ConvscopeError, match=r"takes images of 16x16 pixels, but not of 12x12$"):
        tiling(toys.network(sizes.Fixed(16)), {""}, (60, 80), 12)


def test_what_is_taken_is_cut_as_it_always_was() -> None:
    found = tiling(toys.network(toys.Residual()), {""}, (20, 31), 8)
    assert [(s.start, s.stop) for s in found.rows] == [(0, 7), (7, 13), (13, 20)]
    assert starts_of(found.columns) == [0, 8, 16, 23]
    assert tiling(toys.network(toys.Residual()), {""}, (20, 31), 31).whole


@pytest.mark.parametrize("size", [(5, 6), (5, 19), (10, 13)])
def test_the_score_and_the_gradient_of_tiles_by_plain_torch(size: tuple[int, int]) -> None:
    module = toys.randomized(sizes.Fixed(8)).double().eval()
    net = toys.plain_network(module, 8)
    photo = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(3)).double()

    def score(image: Tensor) -> Tensor:
        rows, columns = size
        middle = image
        for axis, length in ((2, rows), (3, columns)):
            if length < 8:
                left = (8 - length) // 2
                order = np.pad(np.arange(length), (left, 8 - length - left), mode="symmetric")
                middle = middle.index_select(axis, torch.from_numpy(order))
        down = [0] if rows <= 8 else [0, rows - 8]
        across = {6: [0], 13: [0, 5], 19: [0, 6, 11]}[columns]
        views = [middle[..., r : r + 8, c : c + 8] for r in down for c in across]
        return torch.stack([module(view)[:, 1] for view in views]).mean(0)

    leaf = photo.clone().requires_grad_()
    expected = score(leaf)
    (slope,) = torch.autograd.grad(expected.sum(), leaf)
    recipe = cs.Recipe(start=starts.photo(photo), objective=logit(1), tile=100)
    frame = cs.ascend(net, recipe).result().frame
    torch.testing.assert_close(frame.score, expected.detach())
    torch.testing.assert_close(frame.gradient, slope)
