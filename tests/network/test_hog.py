"""HOG, against scikit-image, hand-worked edges and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage import data
from skimage.feature import hog
from torch import Tensor

import convscope as cs
from convscope.network import HOG

# A hue, a crop and a size for each; the sizes are no multiples of a cell.
PHOTOGRAPHS = [
    (name, 40 + 11 * number, 171 - 7 * number, place)
    for number, name in enumerate(
        ("astronaut", "coffee", "chelsea", "rocket", "camera", "moon", "coins", "page", "brick",
         "grass")
    )
    for place in (0, 60)
]  # fmt: skip


def pixels(name: str, height: int, width: int, place: int) -> np.ndarray:
    photograph = getattr(data, name)()
    crop: np.ndarray = photograph[place : place + height, place : place + width]
    return (crop / 255).astype(np.float32)


def as_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image.reshape(*image.shape[:2], -1)).permute(2, 0, 1)[None]


def relative_error(found: Tensor, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found.numpy() - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize(("name", "height", "width", "place"), PHOTOGRAPHS)
def test_it_is_that_of_scikit_image(name: str, height: int, width: int, place: int) -> None:
    image = pixels(name, height, width, place)
    axis = -1 if image.ndim == 3 else None
    for orientations, cell, block in ((9, 8, 3), (9, 8, 2), (6, 7, 1)):
        wanted = hog(
            image,
            orientations,
            (cell, cell),
            (block, block),
            block_norm="L2-Hys",
            channel_axis=axis,
        )
        found = HOG(orientations, cell, block)(as_tensor(image))[0]
        assert found.shape == wanted.shape
        assert relative_error(found, wanted) < 1e-6


def test_a_step_edge_by_hand() -> None:
    """One edge votes for one orientation, with half its height at each of two columns."""
    image = torch.zeros(1, 1, 8, 8)
    image[..., 4:] = 0.6
    module = HOG(9, 8, 1)
    cells = module.cells(module.gradients(image))
    expected = torch.zeros(1, 9, 1, 1)
    expected[:, 0] = 2 * 8 * 0.6 / 64  # the gradient points along the rows: angle 0
    torch.testing.assert_close(cells, expected)
    # The only entry has length 1, is cut to .2, and has length 1 again.
    torch.testing.assert_close(module(image), expected.flatten(1).sign(), rtol=0, atol=1e-3)
    turned = module.cells(module.gradients(image.transpose(2, 3)))
    assert turned[0, :, 0, 0].argmax() == 4  # 90 degrees, in the bin of 80 to 100
    torch.testing.assert_close(turned.sum(), expected.sum())


def test_the_channel_that_changes_most_counts() -> None:
    image = torch.zeros(1, 3, 8, 8)
    image[:, 1, :, 4:] = 0.5
    image[:, 2, 4:] = 0.2
    down, right = HOG(9, 8, 1).gradients(image)[0]
    assert right[1, 3] == 0.5
    assert down[3, 1] == pytest.approx(0.2)
    assert down[3, 3] == 0


def test_its_gradient_agrees_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 25, 27, generator=generator, dtype=torch.float64)
    weights = torch.randn(9 * 9, generator=generator, dtype=torch.float64)
    module = HOG(9, 8, 3)
    leaf = image.clone().requires_grad_()
    (module(leaf) @ weights).sum().backward()
    assert leaf.grad is not None
    agreed = 0
    for place in torch.randperm(image.numel(), generator=generator)[:60].tolist():
        change = torch.zeros_like(image).view(-1)
        change[place] = 1e-7
        change = change.view_as(image)
        up, down = (module(image + sign * change) @ weights for sign in (1, -1))
        slope = float((up - down) / 2e-7)
        agreed += slope == pytest.approx(float(leaf.grad.view(-1)[place]), rel=1e-5, abs=1e-7)
    assert agreed == 60


def test_a_plain_image_has_no_gradient_and_no_nan() -> None:
    image = torch.full((1, 3, 32, 32), 0.5, requires_grad=True)
    found = HOG()(image)
    found.sum().backward()
    assert image.grad is not None
    assert not found.any()
    assert not image.grad.any()


def test_means_over_blocks() -> None:
    """Of constant cells every block is the same, and so is each cell's mean."""
    module = HOG(2, 4, 2)
    cells = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 5, 4)
    found = module.blocks.means(module.blocks(cells))
    assert found.shape == cells.shape
    # The block (3, 4, 3, 4, ...) has length 10; .3 and .4 are cut to .2, and are then 1 / sqrt(8).
    torch.testing.assert_close(found, torch.full_like(cells, 8**-0.5), rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [((0, 8, 3), r"at least 1, not 0, 8 and 3"), ((9, 8, -1), r"not 9, 8 and -1")],
)
def test_wrong_numbers(numbers: tuple[int, int, int], message: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=message):
        HOG(*numbers)


def test_it_is_a_network_by_name() -> None:
    net = cs.load("hog", input_size=(61, 50))
    assert "hog" in cs.models("hog")
    assert net.num_classes is None
    assert net.outputs[""].kind == "embedding"
    assert [layer.name for layer in net.layers] == ["gradients", "cells", "blocks"]
    assert [layer.maps for layer in net.layers] == [(2, 61, 50), (9, 7, 6), (81, 5, 4)]
    # A cell needs its pixels and those around them; a block is three cells.
    assert [layer.receptive_field for layer in net.layers] == [(3, 3), (10, 10), (26, 26)]
    image = as_tensor(pixels("chelsea", 61, 50, 30))
    wanted = hog(pixels("chelsea", 61, 50, 30), channel_axis=-1)
    assert relative_error(net.read(image, {""})[""][0], wanted) < 1e-6


def test_an_image_smaller_than_a_block() -> None:
    message = r"HOG needs an image of at least 24 x 24 pixels, one block, not 20 x 30"
    with pytest.raises(cs.ConvscopeError, match=message):
        HOG()(torch.rand(1, 3, 20, 30))
    with pytest.raises(cs.ConvscopeError, match=message):
        cs.load("hog", input_size=(20, 30))


def test_turning_changes_the_gradient_alone() -> None:
    image = torch.rand(1, 3, 48, 40)
    assert torch.equal(cs.HOG(turning=True)(image), cs.HOG()(image))


def test_a_vote_follows_an_orientation_that_turns() -> None:
    """A ramp of slope 1 at angle a is all in one bin; another bin gets more as a comes nearer."""
    bins, reach = 9, 2.5
    ramp = torch.tensor([0.5, 0.7], dtype=torch.float64, requires_grad=True)  # down, right
    gradients = (ramp / ramp.detach().norm()).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    cells = cs.HOG(bins, 8, 1, turning=True).cells(gradients)[0, :, 0, 0]
    angle = math.atan2(0.5, 0.7) * bins / math.pi  # 1.78, in bin 1
    assert cells.tolist() == pytest.approx([0, 1, 0, 0, 0, 0, 0, 0, 0])
    for number, middle in ((2, 2.5), (3, 3.5)):
        (found,) = torch.autograd.grad(cells[number], ramp, retain_graph=True)
        length = math.hypot(0.5, 0.7)
        turned = torch.tensor([0.7, -0.5], dtype=torch.float64) / length**2  # of the angle
        assert middle - angle < reach
        assert torch.allclose(found, turned * bins / math.pi / reach**2)
