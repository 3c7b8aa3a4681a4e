"""Starts: the image that a climb begins with, and the numbers that it is made of.

A start gives a canvas: parameters to change and the image that they mean. Pixels mean themselves;
Fourier coefficients mean an image whose large and small scales change equally fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.vocabulary import spectra

# How far a step of a coefficient moves the image before the sigmoid: larger saturates the colors,
# smaller leaves it gray (tried by eye at Adam's rate of 0.05).
GAIN = 1 / 6


@dataclass(frozen=True)
class Canvas:
    """Parameters and the image (N, C, H, W) in [0, 1] that they mean; no `decode`: the pixels."""

    parameters: Tensor
    decode: Callable[[Tensor], Tensor] | None = None


class Start:
    """Where a climb begins. `generator` is the loop's only source of chance."""

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class photo(Start):
    """The pixels of photographs (N, 3, H, W) in [0, 1], at their own size."""

    image: Tensor

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        return Canvas(self.image.detach().to(net.device, net.dtype))


@dataclass(frozen=True)
class noise(Start):
    """`count` images of Gaussian noise of deviation `sigma` around mid-gray; 0 is plain gray."""

    sigma: float = 0.05
    count: int = 1
    size: int | None = None

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        shape = (self.count, len(net.mean), *sides(net, self.size))
        pixels = 0.5 + self.sigma * torch.randn(shape, generator=generator, dtype=net.dtype)
        return Canvas(pixels.clamp(0, 1).to(net.device))


@dataclass(frozen=True)
class zeros(Start):
    """`count` images that are zero once normalized: the mean color of the network's training."""

    count: int = 1
    size: int | None = None

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        mean = torch.tensor(net.mean, dtype=net.dtype, device=net.device).view(1, -1, 1, 1)
        return Canvas(mean.expand(self.count, -1, *sides(net, self.size)).contiguous())


@dataclass(frozen=True, eq=False)
class fourier(Start):
    """Fourier coefficients of decorrelated colors, weighted by 1 / f^decay, through a sigmoid.

    From `image` (N, 3, H, W) if given, else `count` images of noise of deviation `sigma` in each
    coefficient (Olah, Mordvintsev & Schubert 2017).
    """

    decay: float = 1.0
    sigma: float = 0.01
    count: int = 1
    size: int | None = None
    image: Tensor | None = None

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        height, width = (
            sides(net, self.size) if self.image is None else tuple(self.image.shape[-2:])
        )
        scale = GAIN * tensors.fourier_scale(height, width, self.decay, net.device)
        # As large as real and imaginary part: torch multiplies much faster than with one for both.
        scale = torch.stack([scale, scale], -1).to(net.dtype)

        def decode(parameters: Tensor) -> Tensor:
            spectrum = torch.view_as_complex(parameters * scale)
            return tensors.bounded(torch.fft.irfft2(spectrum, s=(height, width), norm="ortho"))

        if self.image is None:
            shape = (self.count, len(net.mean), height, width // 2 + 1, 2)
            start = self.sigma * torch.randn(shape, generator=generator, dtype=net.dtype)
            return Canvas(start.to(net.device), decode)
        values = tensors.unbounded(self.image.to(net.device, net.dtype))
        spectrum = torch.fft.rfft2(values, norm="ortho")
        return Canvas(torch.view_as_real(spectrum) / scale, decode)


@dataclass(frozen=True)
class maco(Start):
    """The phase of Fourier coefficients, whose magnitude stays that of natural images (Fel et al.
    2023): what goes where is found, how much of each scale there is is given.

    `spectrum` is a file that `convscope spectrum` made, by default that of the package; `contrast`
    is a factor to it, with which natural contrast, 1, is softened.
    """

    count: int = 1
    size: int | None = None
    spectrum: str | None = None
    contrast: float = 0.7

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        height, width = sides(net, self.size)
        known = spectra.load(self.spectrum)
        if len(net.mean) == 1:
            known = known[:1]  # the first of the decorrelated colors is brightness
        elif len(known) != len(net.mean):
            raise ConvscopeError(
                f"the spectrum has {len(known)} colors and {net.name} takes {len(net.mean)}; make"
                " one of other photographs with convscope spectrum"
            )
        magnitude = self.contrast * spectra.fitted(known, height, width).to(net.device, net.dtype)

        def decode(phase: Tensor) -> Tensor:
            spectrum = torch.polar(magnitude.expand_as(phase), phase)
            return tensors.bounded(torch.fft.irfft2(spectrum, s=(height, width), norm="ortho"))

        shape = (self.count, *magnitude.shape)
        phase = torch.rand(shape, generator=generator, dtype=net.dtype) * 2 - 1
        return Canvas((math.pi * phase).to(net.device), decode)


def sides(net: Network, size: int | None) -> tuple[int, int]:
    """Rows and columns of an image of this size; of the network's own by default."""
    if size is not None and size < 1:
        raise ConvscopeError(f"an image has at least one pixel a side: size is not {size}")
    return net.input_size if size is None else (size, size)
