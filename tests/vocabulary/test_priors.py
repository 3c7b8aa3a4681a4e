"""What each prior does to the view, to the gradient and to the pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from convscope import tensors
from convscope.vocabulary import priors
from convscope.vocabulary.priors import Prior


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image(count: int = 2, height: int = 9, width: int = 12) -> Tensor:
    return torch.rand(count, 3, height, width, generator=generator(7), dtype=torch.float64)


ALL: list[Prior] = [
    Prior(),
    priors.jitter(),
    priors.wrap(3),
    priors.random_affine(),
    priors.unit_gradient(),
    priors.smooth_gradient(),
    priors.natural_colors(),
    priors.crop(),
    priors.gaussian_noise(),
    priors.clip_small_pixels(),
    priors.clip_small_gradients(),
    priors.project_to_ball(torch.full((1, 3, 9, 12), 0.5, dtype=torch.float64), 0.1),
    priors.decay(),
    priors.blur(),
    priors.clamp(),
]


@pytest.mark.parametrize("prior", ALL, ids=lambda prior: type(prior).__name__)
def test_each_acts_in_one_place_and_changes_no_argument(prior: Prior) -> None:
    pixels = 1.2 * image() - 0.1
    before = pixels.clone()
    acts = [
        not torch.equal(prior.view(pixels, generator()), pixels),
        not torch.equal(prior.gradient(pixels), pixels),
        not torch.equal(prior.pixels(pixels, 4), pixels),
    ]
    assert sum(acts) == (0 if type(prior) is Prior else 1)
    assert torch.equal(pixels, before)
    assert prior.needs_pixels == acts[2]


def test_no_prior_is_left_out() -> None:
    found = {one for one in vars(priors).values() if isinstance(one, type)}
    assert {one for one in found if issubclass(one, Prior)} == {type(prior) for prior in ALL}


VIEWS = [prior for prior in ALL if type(prior).view is not Prior.view]


@pytest.mark.parametrize("prior", VIEWS, ids=lambda prior: type(prior).__name__)
def test_the_gradient_of_a_view_by_differences(prior: Prior) -> None:
    pixels = image(2, 4, 5).requires_grad_()
    for seed in range(3):
        assert torch.autograd.gradcheck(lambda x, s=seed: prior.view(x, generator(s)), pixels)


@pytest.mark.parametrize("shift", [1, 3, 20])
def test_jitter_rolls(shift: int) -> None:
    pixels = image()
    for seed in range(10):
        view = priors.jitter(shift).view(pixels, generator(seed))
        down, across = torch.randint(-shift, shift + 1, (2,), generator=generator(seed)).tolist()
        assert np.array_equal(view, np.roll(pixels, (down, across), (2, 3)))
    assert torch.equal(priors.jitter(0).view(pixels, generator()), pixels)


def test_wrap_is_the_corner_of_a_wall_of_tiles() -> None:
    pixels = image()
    height, width = pixels.shape[-2:]
    for margin in (0, 2, 2 * width + 3):  # a small image is continued several times
        wall = np.tile(pixels, (1, 1, 9, 9))[..., : height + margin, : width + margin]
        assert np.array_equal(priors.wrap(margin).view(pixels, generator()), wall)


def test_jitter_reaches_every_shift() -> None:
    line = torch.arange(9.0).view(1, 1, 9, 1).expand(1, 3, 9, 9)
    chance = generator()
    first = {int(priors.jitter(2).view(line, chance)[0, 0, 0, 0]) for _ in range(200)}
    assert first == {0, 1, 2, 7, 8}


def test_jitter_gradient_rolls_back() -> None:
    pixels = image(1).requires_grad_()
    view = priors.jitter(5).view(pixels, generator(3))
    weight = torch.randn(view.shape, generator=generator(1), dtype=torch.float64)
    (gradient,) = torch.autograd.grad(view, pixels, weight)
    down, across = torch.randint(-5, 6, (2,), generator=generator(3)).tolist()
    assert (down, across) != (0, 0)
    assert torch.equal(gradient, weight.roll((-down, -across), (2, 3)))


def test_random_affine_can_leave_an_image_alone() -> None:
    for pixels in (image(), image(1, 5, 5), image(3, 1, 8)):
        still = priors.random_affine(rotate=0, scale=(1, 1), shift=0)
        assert torch.allclose(still.view(pixels, generator()), pixels, atol=1e-12)


@pytest.mark.parametrize("size", [(21, 21), (15, 31)])
def test_random_affine_is_scipys_affine_map(size: tuple[int, int]) -> None:
    pixels = image(1, *size)
    prior = priors.random_affine(rotate=30, scale=(0.8, 1.3), shift=4)
    for seed in range(6):
        view = prior.view(pixels, generator(seed))[0, 0].numpy()
        turn, zoom, down, across = (2 * torch.rand(4, generator=generator(seed)) - 1).tolist()
        angle, factor = np.radians(30 * turn), 1 / (0.8 + 0.5 * (zoom + 1) / 2)
        # In (row, column): the pixel shown at p comes from middle + R (p - middle) / scale + shift.
        matrix = factor * np.array(
            [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
        )
        middle = (np.array(size) - 1) / 2
        offset = middle - matrix @ middle + 4 * np.array([down, across])
        expected = ndimage.affine_transform(
            pixels[0, 0].numpy(), matrix, offset, order=1, mode="reflect"
        )
        np.testing.assert_allclose(view, expected, atol=1e-6)


def test_random_affine_moves_every_image_alike() -> None:
    pixels = image(1).expand(3, -1, -1, -1)
    view = priors.random_affine().view(pixels, generator(2))
    assert torch.equal(view[0], view[1])
    assert torch.equal(view[0], view[2])


def test_unit_gradient() -> None:
    gradient = image() - 0.5
    gradient[1] *= 1e-6
    unit = priors.unit_gradient().gradient(gradient)
    assert torch.allclose(unit.abs().mean((1, 2, 3)), torch.ones(2).double(), rtol=1e-12)
    assert torch.allclose(unit[0], gradient[0] / gradient[0].abs().mean(), rtol=1e-12)
    assert priors.unit_gradient().gradient(torch.zeros(1, 3, 4, 4)).eq(0).all()


def test_smooth_gradient() -> None:
    gradient = image() - 0.5
    smooth = priors.smooth_gradient((0.5, 1.5)).gradient(gradient)
    expected = np.zeros(gradient.shape)
    for sigma in (0.5, 1.5):
        blurred = tensors.blur(gradient, sigma).numpy()
        expected += blurred / blurred.std((1, 2, 3), ddof=1, keepdims=True) / 2
    np.testing.assert_allclose(smooth, expected, rtol=1e-10)
    scaled = priors.smooth_gradient((0.5, 1.5)).gradient(1000 * gradient)
    assert torch.allclose(scaled, smooth, rtol=1e-9)
    alone = priors.smooth_gradient().gradient(gradient[1:])
    assert torch.allclose(alone, priors.smooth_gradient().gradient(gradient)[1:])
    assert priors.smooth_gradient().gradient(torch.zeros(1, 3, 4, 4)).eq(0).all()


def test_natural_colors() -> None:
    gray = torch.ones(1, 3, 1, 1, dtype=torch.float64)
    out = priors.natural_colors().gradient(gray).flatten().numpy()
    matrix = tensors.color_matrix(gray).numpy()
    np.testing.assert_allclose(out, matrix @ matrix.T @ np.ones(3), rtol=1e-12)
    # Brightness passes almost whole, a change of hue hardly at all.
    hue = torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64).view(1, 3, 1, 1)
    assert priors.natural_colors().gradient(hue).norm() < 0.1 * hue.norm()
    assert out.min() > 0.9
    one = torch.rand(1, 1, 4, 4)
    assert torch.equal(priors.natural_colors().gradient(one), one)


def test_decay_pulls_to_gray() -> None:
    pixels = torch.tensor([0.0, 0.5, 1.0]).view(1, 3, 1, 1)
    out = priors.decay(0.1).pixels(pixels, 1).flatten().tolist()
    assert out == pytest.approx([0.05, 0.5, 0.95])
    for _ in range(300):
        pixels = priors.decay(0.1).pixels(pixels, 1)
    assert pixels.flatten().tolist() == pytest.approx([0.5] * 3, abs=1e-6)


def test_blur_comes_every_so_often() -> None:
    pixels = image()
    prior = priors.blur(sigma=0.8, every=3)
    expected = ndimage.gaussian_filter(
        pixels.numpy(), (0, 0, 0.8, 0.8), mode="nearest", radius=(0, 0, 3, 3)
    )
    for step in range(1, 10):
        out = prior.pixels(pixels, step)
        np.testing.assert_allclose(out, pixels if step % 3 else expected, atol=1e-12)


def test_clamp() -> None:
    pixels = torch.tensor([-0.5, 0.25, 1.5]).view(1, 3, 1, 1)
    assert priors.clamp().pixels(pixels, 1).flatten().tolist() == [0, 0.25, 1]
    assert priors.clamp(0.2, 0.24).pixels(pixels, 1).flatten().tolist() == pytest.approx(
        [0.2, 0.24, 0.24]
    )


def test_crop_is_a_part_enlarged() -> None:
    # On a ramp the network sees a ramp again: its slope is the part, its middle the place.
    ramp = torch.linspace(-1, 1, 41, dtype=torch.float64).expand(1, 3, 41, 41) * 40 / 41
    slopes = []
    for seed in range(20):
        view = priors.crop((0.3, 0.8), 0.15).view(ramp, generator(seed))
        across = view[0, 0, 20]
        inner = across[1:-1].diff()
        assert torch.allclose(inner, inner[0].expand_as(inner), atol=1e-9)
        slopes.append(float(inner[0] / ramp[0, 0, 0].diff()[0]))
        assert across.min() >= ramp.min() - 1e-9
        assert across.max() <= ramp.max() + 1e-9
    assert 0.3 <= min(slopes) < 0.4
    assert 0.7 < max(slopes) <= 0.8
    whole = priors.crop((1.0, 1.0)).view(image(), generator())
    assert torch.allclose(whole, image())


def test_gaussian_noise_has_its_standard_deviation() -> None:
    gray = torch.full((1, 3, 64, 64), 0.5)
    added = priors.gaussian_noise(0.08).view(gray, generator()) - gray
    assert added.std().item() == pytest.approx(0.08, rel=0.05)
    assert added.mean().item() == pytest.approx(0, abs=0.005)
    assert torch.equal(priors.gaussian_noise(0).view(gray, generator()), gray)


def test_clipping_takes_the_smallest_pixels_whole() -> None:
    pixels = image(2, 4, 5)
    view = priors.clip_small_pixels(0.25).pixels(pixels, 1)
    size = np.square(pixels.numpy() - 0.5).sum(1)
    for one, before, after in zip(size, pixels, view, strict=True):
        smallest = one <= np.sort(one.ravel())[4]
        assert smallest.sum() == 5
        assert (after[:, torch.from_numpy(smallest)] == 0.5).all()
        assert torch.equal(after[:, torch.from_numpy(~smallest)], before[:, ~smallest])
    gradient = image(1, 4, 5) - 0.5
    clipped = priors.clip_small_gradients(0.25).gradient(gradient)
    size = np.square(gradient.numpy()).sum(1)[0]
    smallest = size <= np.sort(size.ravel())[4]
    assert (clipped[0][:, torch.from_numpy(smallest)] == 0).all()
    assert torch.equal(clipped[0][:, torch.from_numpy(~smallest)], gradient[0][:, ~smallest])
    assert torch.equal(priors.clip_small_pixels(0).pixels(pixels, 1), pixels)


def test_project_to_ball() -> None:
    center = image(1)
    change = torch.randn(2, 3, 9, 12, generator=generator(), dtype=torch.float64)
    change[1] /= 1e4
    moved = center + change
    back = priors.project_to_ball(center, 0.5).pixels(moved, 1)
    assert (back[0] - center[0]).norm().item() == pytest.approx(0.5)
    assert torch.allclose((back[0] - center[0]) / 0.5, change[0] / change[0].norm())
    assert torch.allclose(back[1], moved[1])  # was inside
    near = priors.project_to_ball(center, 0.5, "inf").pixels(moved, 1)
    assert torch.allclose(near - center, change.clamp(-0.5, 0.5))
