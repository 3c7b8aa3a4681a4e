"""The spectrum of natural images: the strength of each frequency, in decorrelated colors.

The start `maco` takes the magnitudes of its Fourier coefficients from a spectrum. One spectrum
comes with the package, measured on photographs in the public domain. `convscope spectrum FOLDER`
measures one on other photographs and saves it in a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from convscope import __version__, tensors
from convscope.errors import ConvscopeError
from convscope.files import write_file

SIZE = 224
# Amplitudes of natural images fall off with about this power of the frequency (van der Schaaf and
# van Hateren 1996). A spectrum is continued so beyond its finest frequency.
DECAY = 1.2


def measure(photographs: Iterable[Tensor], size: int = SIZE) -> Tensor:
    """The mean magnitude of the Fourier coefficients of photographs.

    Five squares of each photograph count: the largest one in its middle, and the four corners of
    that one, each of half its side. Their mirror images count too.

    Args:
        photographs: RGB in [0, 1], each (1, C, H, W).
        size: to how many pixels a side the squares are resized.

    Returns:
        Magnitudes (C, size, size // 2 + 1) as of `rfft2` with orthonormal scaling.

    Raises:
        ConvscopeError: there is no photograph.
    """
    total, count = torch.zeros(()), 0
    # Opposite borders of a photograph do not match, which draws a cross into its spectrum; a window
    # prevents that. Divided by its own strength, it leaves the contrast unchanged.
    hann = torch.hann_window(size, periodic=True)
    window = hann[:, None] * hann / hann.square().mean()
    for photo in photographs:
        for square in _squares(photo):
            pixels = tensors.resize(square, (size, size)).clamp(0, 1)
            values = tensors.unbounded(pixels, margin=0.05)  # or extremes would dominate
            values = (values - values.mean((2, 3), keepdim=True)) * window
            magnitude = torch.fft.rfft2(values, norm="ortho").abs()[0]
            mirrored = magnitude[:, -torch.arange(size)]
            total = total + (magnitude + mirrored) / 2
            count += 1
    if not count:
        raise ConvscopeError("a spectrum needs at least one photograph")
    total[:, 0, 0] = 0  # the mean color is left gray
    return total / count


def _squares(photo: Tensor) -> Iterable[Tensor]:
    height, width = photo.shape[-2:]
    side = min(height, width)
    top, left, half = (height - side) // 2, (width - side) // 2, max(1, side // 2)
    middle = photo[..., top : top + side, left : left + side]
    yield middle
    for down in (0, side - half):
        for across in (0, side - half):
            yield middle[..., down : down + half, across : across + half]


def save(path: str | os.PathLike[str], spectrum: Tensor) -> Path:
    """Write a spectrum (C, H, W // 2 + 1) to an .npz file, completely or not at all."""
    array = spectrum.to(torch.float16).numpy()

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, magnitude=array, made_by_convscope=np.array(__version__))

    return write_file(path, write, ours=is_spectrum)


def is_spectrum(path: Path) -> bool:
    """Whether a file is a spectrum that `save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return "made_by_convscope" in arrays


def load(path: str | os.PathLike[str] | None = None) -> Tensor:
    """A spectrum (C, H, W // 2 + 1) from a file; by default the one that comes with the package.

    Raises:
        ConvscopeError: the file does not exist, or is not a spectrum.
    """
    if path is None:
        with as_file(files("convscope.vocabulary").joinpath("spectrum.npz")) as own:
            return load(own)
    if not Path(path).is_file():
        raise ConvscopeError(f"no spectrum at {path}; make one with convscope spectrum FOLDER")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = torch.from_numpy(arrays["magnitude"].astype(np.float32))
    except Exception as error:  # as many as there are ways to damage a file
        raise _not_a_spectrum(path) from error
    square = found.dim() == 3 and found.shape[2] == found.shape[1] // 2 + 1
    if not square or not found.numel() or not found.isfinite().all() or found.min() < 0:
        raise _not_a_spectrum(path)
    return found


def _not_a_spectrum(path: str | os.PathLike[str]) -> ConvscopeError:
    return ConvscopeError(f"{path} is not the result of convscope spectrum")


def fitted(spectrum: Tensor, height: int, width: int) -> Tensor:
    """The spectrum (C, height, width // 2 + 1) of images of another size.

    Frequencies are counted in cycles along the longer side, because photographs have similar
    spectra at any size. Beyond the finest known frequency, the spectrum falls off as that of
    natural images does.
    """
    size, side = spectrum.shape[1], max(height, width)
    down = torch.fft.fftfreq(height)[:, None] * side
    across = torch.fft.rfftfreq(width)[None, :] * side
    finest = size // 2
    beyond = (torch.maximum(down.abs(), across) / finest).clamp_min(1)
    rows = (down / beyond).round().long() % size
    columns = (across / beyond).round().long().clamp(0, finest)
    found: Tensor = spectrum[:, rows, columns] * beyond**-DECAY * (side / size)
    return found
