"""The spectrum of natural images: how strong each frequency is, in decorrelated colors.

A file of one holds the mean magnitude of photographs, from which `maco` starts. One comes with the
package, of photographs in the public domain; `convscope spectrum FOLDER` makes others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.files import write_file

SIZE = 224


# Amplitudes of natural images fall off about so, which continues a spectrum beyond its finest
# frequency (van der Schaaf and van Hateren 1996).
DECAY = 1.2


def measure(photographs: Iterable[Tensor], size: int = SIZE) -> Tensor:
    """Mean magnitude (C, size, size // 2 + 1) of photographs (1, C, H, W).

    Of each its middle square counts and the four corners of half that size, and their mirror
    images. It is that of `rfft2` (orthonormal), so that a photograph's own phase gives it again.

    Raises:
        ConvscopeError: no photograph.
    """
    total, count = torch.zeros(()), 0
    # Opposite borders of a photograph do not fit; a spectrum must not learn the cross that this
    # draws. Divided by its own strength, the window leaves the contrast as it is.
    hann = torch.hann_window(size, periodic=True)
    window = hann[:, None] * hann / hann.square().mean()
    for photo in photographs:
        for square in _squares(photo):
            pixels = tensors.resize(square, (size, size)).clamp(0, 1)
            values = tensors.unbounded(pixels, margin=0.05)  # or bright and dark spots would rule
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
    """Write a spectrum (C, H, W // 2 + 1) as .npz, all or nothing."""
    array = spectrum.to(torch.float16).numpy()

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, magnitude=array)

    return write_file(path, write)


def load(path: str | os.PathLike[str] | None = None) -> Tensor:
    """A spectrum (C, H, W // 2 + 1) from a file; by default that of the package.

    Raises:
        ConvscopeError: no such file, or not a spectrum.
    """
    if path is None:
        with as_file(files("convscope.vocabulary").joinpath("spectrum.npz")) as own:
            return load(own)
    if not Path(path).is_file():
        raise ConvscopeError(f"no spectrum at {path}; convscope spectrum FOLDER makes one")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = torch.from_numpy(arrays["magnitude"].astype(np.float32))
    except Exception as error:  # as many as there are ways to damage a file
        raise ConvscopeError(f"{path} is no spectrum of convscope's") from error
    square = found.dim() == 3 and found.shape[2] == found.shape[1] // 2 + 1
    if not square or not found.numel() or not found.isfinite().all() or found.min() < 0:
        raise ConvscopeError(f"{path} is no spectrum of convscope's")
    return found


def fitted(spectrum: Tensor, height: int, width: int) -> Tensor:
    """The spectrum of images of another size, (C, height, width // 2 + 1).

    Frequencies are those in cycles along the longer side, for photographs look alike at any size;
    beyond the finest one known it falls off as natural images do.
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
