"""Starts: the image that a climb begins with, and the parameters that the image is computed from.

A start gives a canvas: the parameters, and how to compute the image from them. The parameters may
be the pixels themselves, or Fourier coefficients, of which large and small scales of the image
change equally fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.vocabulary import spectra
from convscope.vocabulary.word import Word

# How much a coefficient changes the image before the sigmoid. A larger gain saturates the colors, a
# smaller one leaves the image gray (chosen by eye, for Adam with a learning rate of 0.05).
GAIN = 1 / 6

Count = Annotated[int, Field(ge=1, le=1024, description="number of images")]
LARGEST = 4096  # pixels a side


def _sides(size: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
    sides = size if isinstance(size, tuple) else () if size is None else (size,)
    if not all(1 <= side <= LARGEST for side in sides):
        raise ValueError(f"a side has from 1 to {LARGEST} pixels")
    return size


Size = Annotated[
    int | tuple[int, int] | None,
    AfterValidator(_sides),
    Field(
        description="height and width of the images, in pixels: one number, or two; the input size"
        " of the network if not given"
    ),
]


@dataclass(frozen=True)
class Canvas:
    """Parameters, and the function that computes the image (N, C, H, W) in [0, 1] from them.

    Without `decode`, the parameters are the pixels.
    """

    parameters: Tensor
    decode: Callable[[Tensor], Tensor] | None = None


class Start(Word):
    """Where a climb begins. Subclasses make the canvas."""

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        """The parameters to climb with; all random numbers come from `generator`."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class photo(Start):
    """Begins with the pixels of photographs (N, 3, H, W), at their own size."""

    image: Annotated[Tensor, Field(description="the photographs, (N, 3, H, W) in [0, 1]")]

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        return Canvas(self.image.detach().to(net.device, net.dtype))


@dataclass(frozen=True)
class noise(Start):
    """Begins with `count` images of Gaussian noise around mid-gray, of standard deviation `sigma`
    (pixels run from 0 to 1)."""

    sigma: Annotated[
        float, Field(ge=0, le=10, description="standard deviation of the noise; 0 is plain gray")
    ] = 0.05
    count: Count = 1
    size: Size = None

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        shape = (self.count, len(net.mean), *image_size(net, self.size))
        pixels = 0.5 + self.sigma * torch.randn(shape, generator=generator, dtype=net.dtype)
        return Canvas(pixels.clamp(0, 1).to(net.device))


@dataclass(frozen=True)
class zeros(Start):
    """Begins with `count` images that are zero after normalization: they have the mean color of the
    network's training images."""

    count: Count = 1
    size: Size = None

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        mean = torch.tensor(net.mean, dtype=net.dtype, device=net.device).view(1, -1, 1, 1)
        return Canvas(mean.expand(self.count, -1, *image_size(net, self.size)).contiguous())


@dataclass(frozen=True, eq=False)
class fourier(Start):
    """Begins with `count` images of noise, or with a given `image`, as Fourier coefficients of
    decorrelated colors (Olah, Mordvintsev and Schubert 2017).

    Coefficients are divided by the power `decay` of their frequency, so that every scale of the
    image changes equally fast. A sigmoid keeps the pixels between 0 and 1.
    """

    decay: Annotated[
        float, Field(ge=0, le=10, description="exponent of the frequency that divides coefficients")
    ] = 1.0
    sigma: Annotated[
        float, Field(ge=0, le=1000, description="standard deviation of the noise of a coefficient")
    ] = 0.01
    count: Count = 1
    size: Size = None
    image: Annotated[
        Tensor | None,
        Field(description="images (N, 3, H, W) in [0, 1] to begin with in place of noise"),
    ] = None

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        height, width = (
            image_size(net, self.size) if self.image is None else tuple(self.image.shape[-2:])
        )
        scale = GAIN * tensors.fourier_scale(height, width, self.decay, net.device)
        # One factor each for the real and the imaginary part: torch multiplies equal shapes faster.
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
    """Begins with `count` images whose Fourier coefficients have the magnitudes of natural images
    and random phases; only the phases change (Fel et al. 2023).

    The climb finds where things are in the image. How strong each scale is stays as it is in
    photographs.
    """

    count: Count = 1
    size: Size = None
    spectrum: Annotated[
        str | None,
        Field(
            description="a file of magnitudes, the result of `convscope spectrum`; the spectrum"
            " that comes with the package if not given",
            json_schema_extra={"format": "path"},
        ),
    ] = None
    contrast: Annotated[
        float, Field(ge=0, le=100, description="factor of the magnitudes; 1 is natural contrast")
    ] = 0.7

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        height, width = image_size(net, self.size)
        known = spectra.load(self.spectrum)
        if len(net.mean) == 1:
            known = known[:1]  # the first of the decorrelated colors is brightness
        elif len(known) != len(net.mean):
            raise ConvscopeError(
                f"the spectrum has {len(known)} colors and {net.name} takes {len(net.mean)}; make"
                " a spectrum of other photographs with convscope spectrum"
            )
        magnitude = self.contrast * spectra.fitted(known, height, width).to(net.device, net.dtype)

        def decode(phase: Tensor) -> Tensor:
            spectrum = torch.polar(magnitude.expand_as(phase), phase)
            return tensors.bounded(torch.fft.irfft2(spectrum, s=(height, width), norm="ortho"))

        shape = (self.count, *magnitude.shape)
        phase = torch.rand(shape, generator=generator, dtype=net.dtype) * 2 - 1
        return Canvas((math.pi * phase).to(net.device), decode)


def image_size(net: Network, size: int | tuple[int, int] | None) -> tuple[int, int]:
    """Height and width of an image of this size; the input size of the network if it is None."""
    if size is None:
        return net.input_size
    return (size, size) if isinstance(size, int) else size
