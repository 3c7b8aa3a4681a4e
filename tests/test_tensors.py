"""Tensor arithmetic against NumPy and SciPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from convscope import tensors


def values(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_colors_there_and_back() -> None:
    image = values(2, 3, 5, 7)
    there = tensors.correlate_colors(image)
    assert torch.allclose(tensors.decorrelate_colors(there), image, atol=1e-12)
    assert torch.allclose(
        tensors.correlate_colors(tensors.decorrelate_colors(image)), image, atol=1e-12
    )
    assert not torch.allclose(there, image)


def test_color_matrix_by_hand() -> None:
    matrix = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
    matrix /= np.sqrt(0.26**2 + 0.27**2 + 0.27**2)
    ours = tensors.color_matrix(torch.zeros((), dtype=torch.float64))
    np.testing.assert_allclose(ours, matrix, rtol=1e-12)
    pixel = np.array([0.3, -0.2, 0.5])
    rgb = tensors.correlate_colors(torch.tensor(pixel).view(1, 3, 1, 1))
    np.testing.assert_allclose(rgb.flatten(), matrix @ pixel, rtol=1e-12)


def test_bounded_by_hand_and_back() -> None:
    color = values(2, 3, 4, 5) * 3
    matrix = tensors.color_matrix(color).numpy()
    expected = 1 / (1 + np.exp(-np.einsum("rc,nchw->nrhw", matrix, color.numpy())))
    np.testing.assert_allclose(tensors.bounded(color), expected, rtol=1e-12)
    assert torch.allclose(tensors.unbounded(tensors.bounded(color)), color, atol=1e-9)
    for channels in (1, 4):  # no colors to mix
        gray = values(1, channels, 4, 5)
        expected = 1 / (1 + np.exp(-gray.numpy()))
        np.testing.assert_allclose(tensors.bounded(gray), expected, rtol=1e-12)
        assert torch.allclose(tensors.unbounded(tensors.bounded(gray)), gray, atol=1e-12)


@pytest.mark.parametrize("margin", [1e-3, 0.05])
def test_unbounded_keeps_its_margin(margin: float) -> None:
    pixels = torch.tensor([0.0, margin / 2, margin, 0.5, 1 - margin, 1.0], dtype=torch.float64)
    found = tensors.unbounded(pixels.view(1, 1, 1, 6), margin).flatten().numpy()
    top = np.log((1 - margin) / margin)
    np.testing.assert_allclose(found, [-top, -top, -top, 0, top, top], atol=1e-12)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 6), (5, 7), (5, 6), (8, 3)])
def test_frequencies(height: int, width: int) -> None:
    ours = tensors.frequencies(height, width)
    rows, columns = np.fft.fftfreq(height), np.fft.rfftfreq(width)
    np.testing.assert_allclose(ours, np.hypot(rows[:, None], columns[None]), atol=1e-7)


def test_fourier_scale_falls_as_one_over_f() -> None:
    scale = tensors.fourier_scale(8, 8, 1.0)
    assert scale[0, 0] == 8.0  # the mean, capped at the lowest frequency
    assert scale[0, 1] == 8.0
    assert scale[0, 2] == 4.0
    assert scale[3, 4].item() == pytest.approx(8 / 5)
    assert tensors.fourier_scale(8, 8, 2.0)[0, 2] == 16.0
    assert tensors.fourier_scale(8, 8, 0.0).eq(1).all()


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("shape", [(9, 12), (20, 5), (3, 3)])
def test_blur_is_scipys(sigma: float, shape: tuple[int, int]) -> None:
    image = values(2, 3, *shape)
    reach = max(1, int(np.ceil(3 * sigma)))
    expected = ndimage.gaussian_filter(
        image.numpy(), (0, 0, sigma, sigma), mode="nearest", radius=(0, 0, reach, reach)
    )
    np.testing.assert_allclose(tensors.blur(image, sigma), expected, atol=1e-12)


def test_blur_of_nothing_and_of_a_constant() -> None:
    image = values(1, 2, 4, 4)
    assert tensors.blur(image, 0) is image
    flat = torch.full((1, 3, 6, 6), 0.3, dtype=torch.float64)
    assert torch.allclose(tensors.blur(flat, 2.0), flat, atol=1e-15)


@pytest.mark.parametrize("padding", ["reflection", "border"])
def test_warp_is_the_same_however_many_threads_there_are(
    monkeypatch: pytest.MonkeyPatch, padding: str
) -> None:
    image = values(4, 3, 6, 9)
    theta = torch.tensor([[0.9, -0.3, 0.2], [0.4, 1.1, -0.3]], dtype=torch.float64)
    alone = torch.cat([tensors.warp(one[None], theta, padding) for one in image])
    assert not torch.allclose(alone, image, atol=0.1)
    for threads in (1, 2, 3, 4, 16):
        monkeypatch.setattr(torch, "get_num_threads", lambda t=threads: t)
        assert torch.equal(tensors.warp(image, theta, padding), alone)


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_total_variation_by_loops(beta: float) -> None:
    image = values(2, 3, 4, 5)
    expected = np.zeros(2)
    for n, channel, row, column in np.ndindex(2, 3, 4, 5):
        here = image[n, channel, row, column]
        right = image[n, channel, row, column + 1] - here if column < 4 else 0.0
        down = image[n, channel, row + 1, column] - here if row < 3 else 0.0
        expected[n] += float(right**2 + down**2) ** (beta / 2)
    np.testing.assert_allclose(tensors.total_variation(image, beta), expected, rtol=1e-6)


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_total_variation_by_differences(beta: float) -> None:
    image = values(1, 2, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tensors.total_variation(x, beta), image)


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_total_variation_of_a_constant_has_a_gradient(beta: float) -> None:
    image = torch.full((1, 3, 4, 4), 0.5, dtype=torch.float64, requires_grad=True)
    total = tensors.total_variation(image, beta)
    (gradient,) = torch.autograd.grad(total.sum(), image)
    assert total.item() < 1e-4
    assert gradient.eq(0).all()


def test_resize() -> None:
    image = values(1, 3, 6, 8)
    assert tensors.resize(image, (6, 8)) is image
    assert tensors.resize(image, (3, 11)).shape == (1, 3, 3, 11)
    flat = torch.full((1, 1, 5, 5), 0.7, dtype=torch.float64)
    assert torch.allclose(tensors.resize(flat, (9, 2)), torch.full((1, 1, 9, 2), 0.7).double())


def test_the_longer_side_has_the_length() -> None:
    assert tensors.longer_side(torch.rand(1, 3, 40, 30), 20).shape == (1, 3, 20, 15)
    assert tensors.longer_side(torch.rand(1, 3, 40, 4), 20, least=8).shape == (1, 3, 20, 8)
