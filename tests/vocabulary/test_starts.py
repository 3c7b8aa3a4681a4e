"""What a climb begins with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.vocabulary import spectra, starts
from tests.helpers import toys


class Sees(nn.Module):
    """A module of a given number of channels and precision."""

    def __init__(self, channels: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2, 1, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out.mean((2, 3))


def sees(channels: int = 3, size: int = 9, dtype: torch.dtype = torch.float64) -> cs.Network:
    return toys.plain_network(Sees(channels, dtype), size, channels)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(canvas: starts.Canvas) -> Tensor:
    return canvas.decode(canvas.parameters) if canvas.decode else canvas.parameters


def test_photo_is_its_pixels() -> None:
    image = toys.images(2, 11)
    canvas = starts.photo(image).canvas(sees(), generator())
    assert canvas.decode is None
    assert canvas.parameters.dtype == torch.float64
    assert torch.equal(canvas.parameters, image.double())


def test_noise() -> None:
    net = sees(size=40)
    gray = drawn(starts.noise(sigma=0).canvas(net, generator()))
    assert torch.equal(gray, torch.full((1, 3, 40, 40), 0.5, dtype=torch.float64))
    some = drawn(starts.noise(sigma=0.1, count=3).canvas(net, generator()))
    assert some.shape == (3, 3, 40, 40)
    assert some.mean().item() == pytest.approx(0.5, abs=5 * 0.1 / 14400**0.5)
    assert some.std().item() == pytest.approx(0.1, rel=0.03)
    loud = drawn(starts.noise(sigma=5, size=12).canvas(net, generator()))
    assert loud.shape == (1, 3, 12, 12)
    wide = (starts.noise, starts.zeros, starts.fourier, starts.maco)
    assert all(
        drawn(one(size=(8, 13)).canvas(net, generator())).shape[2:] == (8, 13) for one in wide
    )
    assert [v.item() for v in loud.aminmax()] == [0, 1]


@pytest.mark.parametrize("start", [starts.noise(), starts.fourier(sigma=0.3), starts.maco()])
def test_chance_comes_from_the_generator(start: starts.Start) -> None:
    net = sees()
    torch.manual_seed(1)
    one = drawn(start.canvas(net, generator(3)))
    torch.manual_seed(2)
    assert torch.equal(drawn(start.canvas(net, generator(3))), one)
    assert not torch.equal(drawn(start.canvas(net, generator(4))), one)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("size", [(8, 8), (9, 9), (8, 9), (9, 8), (7, 12), (1, 5), (1, 1)])
def test_fourier_of_an_image_is_that_image(channels: int, size: tuple[int, int]) -> None:
    image = 0.002 + 0.996 * torch.rand(2, channels, *size, generator=generator()).double()
    for decay in (0.0, 1.0, 1.5):
        canvas = starts.fourier(image=image, decay=decay).canvas(sees(channels), generator())
        assert canvas.parameters.shape == (2, channels, size[0], size[1] // 2 + 1, 2)
        assert torch.allclose(drawn(canvas), image, atol=1e-9)


def test_fourier_keeps_black_and_white_within_a_thousandth() -> None:
    image = torch.zeros(1, 3, 6, 6)
    image[..., :3] = 1
    canvas = starts.fourier(image=image).canvas(sees(dtype=torch.float32), generator())
    assert (drawn(canvas) - image).abs().max().item() == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("size", [6, 7])
def test_fourier_is_numpys_inverse_transform(size: int) -> None:
    net = sees(size=size)
    canvas = starts.fourier(sigma=0.5, count=2).canvas(net, generator())
    spectrum = canvas.parameters.numpy()
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    weight = starts.GAIN / np.maximum(frequency, 1 / size)
    values = np.fft.irfft2(
        weight * (spectrum[..., 0] + 1j * spectrum[..., 1]), s=(size, size), norm="ortho"
    )
    matrix = tensors.color_matrix(canvas.parameters).numpy()
    values = np.einsum("rc,nchw->nrhw", matrix, values)
    # The weights are made in float32.
    np.testing.assert_allclose(drawn(canvas), 1 / (1 + np.exp(-values)), atol=1e-6)


@pytest.mark.parametrize("size", [4, 5])
def test_fourier_gradient_by_differences(size: int) -> None:
    canvas = starts.fourier(sigma=0.5).canvas(sees(size=size), generator())
    assert canvas.decode is not None
    assert torch.autograd.gradcheck(canvas.decode, canvas.parameters.requires_grad_())


def test_fourier_changes_all_scales_alike() -> None:
    # A unit of any coefficient moves the image by 1 / f: large waves far, small ones little.
    net = sees(channels=1, size=16)
    canvas = starts.fourier(sigma=0.0).canvas(net, generator())
    assert canvas.decode is not None
    assert torch.equal(canvas.decode(canvas.parameters), torch.full((1, 1, 16, 16), 0.5).double())
    moved = []
    for row in (1, 2, 4):
        parameters = torch.zeros_like(canvas.parameters)
        parameters[0, 0, row, 2, 0] = 0.01
        moved.append(float((canvas.decode(parameters) - 0.5).norm()) * np.hypot(row, 2))
    assert moved[0] == pytest.approx(moved[1], rel=1e-3)
    assert moved[0] == pytest.approx(moved[2], rel=1e-3)


def test_fourier_size_and_count() -> None:
    assert drawn(starts.fourier(count=4, size=13).canvas(sees(), generator())).shape == (
        4,
        3,
        13,
        13,
    )


def test_a_size_of_nothing_is_refused() -> None:
    for start, size in ((starts.noise, 0), (starts.fourier, -3), (starts.zeros, (0, 8))):
        with pytest.raises(ConvscopeError, match=r"size: a side has from 1 to 4096 pixels, not"):
            start(size=size)


def test_zeros_are_zero_once_normalized() -> None:
    net = toys.network(Sees(3, torch.float64), 9)
    canvas = starts.zeros(count=2, size=6).canvas(net, generator())
    assert canvas.decode is None
    assert canvas.parameters.shape == (2, 3, 6, 6)
    assert canvas.parameters.dtype == torch.float64
    assert toys.normalized(canvas.parameters).abs().max() < 1e-15
    assert drawn(starts.zeros().canvas(net, generator())).shape == (1, 3, 9, 9)
    canvas.parameters[0, 0, 0, 0] = 7  # each pixel is one of its own
    assert (canvas.parameters == 7).sum() == 1


# ------------------------------------------------------------------------------------- MACO


def spectrum_of(folder: Path, colors: int = 3, size: int = 10) -> tuple[str, Tensor]:
    """A file of a spectrum, and its magnitudes."""
    magnitude = torch.rand(colors, size, size // 2 + 1, generator=generator(5)) / 4
    file = spectra.save(folder / "own.npz", magnitude)
    return str(file), spectra.load(file).double()


@pytest.mark.parametrize("size", [10, 9])
@pytest.mark.parametrize("channels", [1, 3])
def test_maco_keeps_the_magnitude_whatever_the_phase(
    tmp_path: Path, size: int, channels: int
) -> None:
    file, magnitude = spectrum_of(tmp_path, size=size)
    start = starts.maco(count=2, spectrum=file, contrast=0.5)
    canvas = start.canvas(sees(channels, size), generator())
    assert canvas.decode is not None
    assert canvas.parameters.shape == (2, channels, size, size // 2 + 1)
    given = 0.5 * magnitude[:channels].expand(2, -1, -1, -1)
    for phase in (canvas.parameters, torch.zeros_like(canvas.parameters), 9 * canvas.parameters):
        values = tensors.unbounded(canvas.decode(phase), margin=1e-12)
        found = torch.fft.rfft2(values, norm="ortho").abs()
        # The first column, and the last of an even width, hold each wave twice, upwards and
        # downwards, whose phases may disagree: there the magnitude is the most that can be.
        inner = slice(1, (size + 1) // 2)
        torch.testing.assert_close(found[..., inner], given[..., inner], rtol=1e-5, atol=1e-7)
        rows = -torch.arange(size)
        for edge in (0, -1) if size % 2 == 0 else (0,):
            most = (given[..., edge] + given[..., rows, edge]) / 2
            assert (found[..., edge] <= most + 1e-6).all()


def test_maco_by_hand(tmp_path: Path) -> None:
    file, magnitude = spectrum_of(tmp_path)
    canvas = starts.maco(spectrum=file).canvas(sees(size=10), generator())
    phase = canvas.parameters.numpy()
    assert -np.pi <= phase.min() < -3
    assert 3 < phase.max() <= np.pi
    spectrum = 0.7 * magnitude.numpy() * np.exp(1j * phase)
    values = np.fft.irfft2(spectrum, s=(10, 10), norm="ortho")
    values = np.einsum("rc,nchw->nrhw", tensors.color_matrix(magnitude).numpy(), values)
    np.testing.assert_allclose(drawn(canvas), 1 / (1 + np.exp(-values)), atol=1e-6)


def test_maco_gradient_by_differences(tmp_path: Path) -> None:
    file, _ = spectrum_of(tmp_path, size=6)
    for size in (4, 5):
        canvas = starts.maco(size=size, spectrum=file).canvas(sees(), generator())
        assert canvas.decode is not None
        assert torch.autograd.gradcheck(canvas.decode, canvas.parameters.requires_grad_())


def test_maco_has_the_spectrum_of_photographs_by_default() -> None:
    for net, size in ((sees(size=20), None), (sees(), 20)):
        canvas = starts.maco(count=2, size=size, contrast=1).canvas(net, generator())
        assert drawn(canvas).shape == (2, 3, 20, 20)
        values = tensors.unbounded(drawn(canvas), margin=1e-12)
        found = torch.fft.rfft2(values, norm="ortho").abs()[..., 1:10]
        given = spectra.fitted(spectra.load(), 20, 20)[..., 1:10].double()
        torch.testing.assert_close(found, given.expand(2, -1, -1, -1), rtol=1e-4, atol=1e-6)
        assert not torch.equal(drawn(canvas)[0], drawn(canvas)[1])


@pytest.mark.parametrize(("channels", "colors"), [(4, 3), (3, 1), (3, 4)])
def test_maco_of_other_colors_is_refused(tmp_path: Path, channels: int, colors: int) -> None:
    file, _ = spectrum_of(tmp_path, colors)
    with pytest.raises(
        ConvscopeError, match=f"has {colors} colors and Sees takes {channels}; make a spectrum"
    ):
        starts.maco(spectrum=file).canvas(sees(channels), generator())
