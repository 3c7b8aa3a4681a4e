"""Spectra of photographs against transforms in NumPy, and files of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.cbook
import numpy as np
import pytest
import torch
from torch import Tensor

import convscope as cs
from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.vocabulary import spectra

Array = np.ndarray[Any, Any]


def photo(height: int = 40, width: int = 60, seed: int = 0) -> Tensor:
    """Soft blobs, with pure black and white among them."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 7, generator=generator, dtype=torch.float64) * 1.4 - 0.2
    return tensors.resize(coarse, (height, width)).clamp(0, 1)


def by_hand(squares: list[Array]) -> Array:
    """The mean magnitude of square images (3, n, n), each and its mirror image."""
    matrix = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
    matrix /= np.linalg.norm(matrix, axis=0).max()
    n = squares[0].shape[1]
    hann = np.sin(np.pi * np.arange(n) / n) ** 2
    window = np.outer(hann, hann)
    window /= np.sqrt(np.square(window).mean())
    found = []
    for square in squares:
        clipped = square.clip(0.05, 0.95)
        colors = np.einsum(
            "cr,rhw->chw", np.linalg.inv(matrix), np.log(clipped) - np.log(1 - clipped)
        )
        colors -= colors.mean((1, 2), keepdims=True)
        colors *= window
        for one in (colors, colors[..., ::-1]):
            spectrum = np.fft.fft2(one) / n  # what the orthonormal one is of n x n values
            found.append(np.abs(spectrum)[..., : n // 2 + 1])
    mean: Array = np.mean(found, 0)
    mean[:, 0, 0] = 0
    return mean


@pytest.mark.parametrize("size", [16, 15])
def test_measure_by_hand(size: int) -> None:
    squares = []
    for height, width, seed in ((40, 60, 0), (50, 33, 1), (16, 16, 2)):
        pixels = photo(height, width, seed)
        side = min(height, width)
        top, left, half = (height - side) // 2, (width - side) // 2, side // 2
        middle = pixels[..., top : top + side, left : left + side]
        corners = [
            middle[..., rows, columns]
            for rows in (slice(half), slice(side - half, side))
            for columns in (slice(half), slice(side - half, side))
        ]
        for square in (middle, *corners):
            squares.append(tensors.resize(square, (size, size)).clamp(0, 1)[0].numpy())
    photographs = (photo(*one) for one in ((40, 60, 0), (50, 33, 1), (16, 16, 2)))
    np.testing.assert_allclose(
        spectra.measure(photographs, size), by_hand(squares), rtol=1e-6, atol=1e-9
    )


def test_a_wave_is_where_it_should_be() -> None:
    # A wave of 8 a side: the window gives it and both its neighbors, of which 1/5 of the squares
    # have it at 8 and 4/5, the corners, at 4. Of amplitude 1, it is n / 2 strong, times the mean of
    # the window, 1/4, over the root of its mean square, 3/8.
    n = 64
    wave = torch.cos(2 * torch.pi * 8 * torch.arange(n) / n).double()
    image = torch.sigmoid(wave).expand(1, 1, n, n)
    found = spectra.measure([image], n)[0]
    strength = n / 2 * (1 / 4) / (3 / 8)
    assert found[0, 8].item() == pytest.approx(strength / 5, rel=1e-2)
    assert found[0, 4].item() == pytest.approx(4 * strength / 5, rel=0.02)
    assert found[0, 7].item() == pytest.approx(strength / 5 / 2, rel=0.05)
    assert found[8, 0].item() < 1e-2 * strength
    standing = spectra.measure([image.mT], n)[0]
    assert torch.allclose(standing[8, 0], found[0, 8], rtol=1e-6)
    assert torch.allclose(standing[-8, 0], found[0, 8], rtol=1e-6)
    assert found.argmax() == 4
    slanted = torch.sigmoid(
        torch.cos(2 * torch.pi * (torch.arange(n)[:, None] * 6 + torch.arange(n) * 8) / n)
    )
    both = spectra.measure([slanted.expand(1, 1, n, n).double()], n)[0]
    assert both[3, 4].item() == pytest.approx(both[-3, 4].item(), rel=1e-9)  # and its mirror image
    assert both[3, 4] > 0.9 * both.max()


def test_a_photograph_of_one_pixel_is_plain() -> None:
    assert spectra.measure([torch.rand(1, 3, 1, 1)], 8).abs().max() < 1e-4
    assert spectra.measure([torch.rand(1, 3, 1, 9)], 8).isfinite().all()


def test_no_photograph() -> None:
    with pytest.raises(ConvscopeError, match="at least one photograph"):
        spectra.measure([])


# -------------------------------------------------------------------------------------- files


def test_there_and_back(tmp_path: Path) -> None:
    spectrum = spectra.measure([photo()], 14).float()
    file = spectra.save(tmp_path / "a.npz", spectrum)
    assert file == tmp_path / "a.npz"
    found = spectra.load(file)
    assert found.dtype == torch.float32
    assert torch.equal(found, spectrum.half().float())
    assert spectra.load(str(file)).equal(found)
    assert list(tmp_path.iterdir()) == [file]


def text(file: Path) -> None:
    file.write_text("magnitude")


def cut(file: Path) -> None:
    spectra.save(file, torch.rand(3, 8, 5))
    file.write_bytes(file.read_bytes()[:-40])


def holding(values: Array, name: str = "magnitude") -> Callable[[Path], None]:
    def write(file: Path) -> None:
        held: dict[str, Any] = {name: values}
        with file.open("wb") as stream:
            np.savez(stream, **held)

    return write


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def trapped(file: Path) -> None:
    holding(np.array([Trap(file.parent / "sprung")], dtype=object))(file)


BAD = {
    "trapped": trapped,
    "text": text,
    "cut": cut,
    "another name": holding(np.ones((3, 8, 5)), "phase"),
    "two axes": holding(np.ones((8, 5))),
    "not square": holding(np.ones((3, 8, 6))),
    "NaN": holding(np.full((3, 8, 5), np.nan)),
    "infinite": holding(np.full((3, 8, 5), np.inf)),
    "negative": holding(np.full((3, 8, 5), -1.0)),
    "words": holding(np.array([["a"]])),
    "nothing": holding(np.ones((3, 0, 1))),
    "no color": holding(np.ones((0, 8, 5))),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.npz"
    BAD[kind](file)
    with pytest.raises(ConvscopeError, match=r"bad\.npz is not the result of convscope spectrum$"):
        spectra.load(file)
    assert not (tmp_path / "sprung").exists()


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "no.npz", tmp_path):
        with pytest.raises(ConvscopeError, match=r"no spectrum at .*convscope spectrum FOLDER"):
            spectra.load(path)


def test_that_of_the_package_is_of_photographs_in_the_public_domain() -> None:
    names = ("sample:chelsea", "sample:coffee", "sample:astronaut", "sample:rocket")
    hopper = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    found = spectra.measure(cs.open_image(one) for one in (*names, hopper))
    own = spectra.load()
    assert own.shape == (3, spectra.SIZE, spectra.SIZE // 2 + 1)
    torch.testing.assert_close(own, found, rtol=2e-3, atol=1e-4)


# ------------------------------------------------------------------------------- other sizes


@pytest.mark.parametrize("size", [8, 9, 224])
def test_fitted_to_its_own_size_is_itself(size: int) -> None:
    spectrum = torch.rand(2, size, size // 2 + 1)
    torch.testing.assert_close(spectra.fitted(spectrum, size, size), spectrum, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("height", "width"), [(5, 5), (6, 9), (9, 6), (12, 12), (13, 7), (8, 16), (31, 30), (2, 3)]
)
def test_fitted_by_loops(height: int, width: int) -> None:
    size = 8
    spectrum = torch.rand(3, size, size // 2 + 1, dtype=torch.float64)
    found = spectra.fitted(spectrum, height, width)
    assert found.shape == (3, height, width // 2 + 1)
    side = max(height, width)
    for row, column in np.ndindex(height, width // 2 + 1):
        # Cycles along the longer side.
        down = (row if row < (height + 1) // 2 else row - height) * side / height
        across = column * side / width
        past = max(1.0, abs(down) / 4, across / 4)
        near = spectrum[:, round(down / past) % size, min(4, round(across / past))]
        expected = near * past**-1.2 * side / size
        torch.testing.assert_close(found[:, row, column], expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("height", "width"),
    [(223, 223), (225, 225), (64, 64), (448, 448), (112, 224), (224, 112), (75, 300), (300, 200)],
)
def test_fitted_keeps_the_contrast(height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(0)

    def contrast(height: int, width: int) -> float:
        magnitude = spectra.fitted(spectra.load(), height, width)
        phase = torch.rand(6, *magnitude.shape, generator=generator) * 2 * torch.pi
        spectrum = torch.polar(magnitude.expand_as(phase), phase)
        values = torch.fft.irfft2(spectrum, s=(height, width), norm="ortho")
        return float(values.std((2, 3)).mean())

    assert contrast(height, width) == pytest.approx(contrast(224, 224), rel=0.15)
