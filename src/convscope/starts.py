"""Starts: the image that a climb begins with, and the numbers that it is made of.

A start gives a canvas: parameters to change and the image that they mean. Pixels mean themselves;
Fourier coefficients mean an image whose large and small scales change equally fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope import tensors
from convscope.network import Network

# How far a step of a coefficient moves the image before the sigmoid: larger saturates the colours,
# smaller leaves it grey (tried by eye at Adam's rate of 0.05).
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
    """`count` images of Gaussian noise of deviation `sigma` around mid-grey; 0 is plain grey."""

    sigma: float = 0.05
    count: int = 1
    size: int | None = None

    def canvas(self, net: Network, generator: torch.Generator) -> Canvas:
        shape = (self.count, len(net.mean), *_size(net, self.size))
        pixels = 0.5 + self.sigma * torch.randn(shape, generator=generator, dtype=net.dtype)
        return Canvas(pixels.clamp(0, 1).to(net.device))


@dataclass(frozen=True, eq=False)
class fourier(Start):
    """Fourier coefficients of decorrelated colours, weighted by 1 / f^decay, through a sigmoid.

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
            _size(net, self.size) if self.image is None else tuple(self.image.shape[-2:])
        )
        scale = tensors.fourier_scale(height, width, self.decay, net.device)[..., None].to(
            net.dtype
        )
        scale = scale * GAIN
        channels = len(net.mean)
        colour = channels == 3

        def decode(parameters: Tensor) -> Tensor:
            spectrum = torch.view_as_complex(parameters * scale)
            values = torch.fft.irfft2(spectrum, s=(height, width), norm="ortho")
            return torch.sigmoid(tensors.correlate_colours(values) if colour else values)

        if self.image is None:
            shape = (self.count, channels, height, width // 2 + 1, 2)
            start = self.sigma * torch.randn(shape, generator=generator, dtype=net.dtype)
            return Canvas(start.to(net.device), decode)
        values = torch.logit(self.image.to(net.device, net.dtype), eps=1e-3)
        values = tensors.decorrelate_colours(values) if colour else values
        spectrum = torch.fft.rfft2(values, norm="ortho")
        return Canvas(torch.view_as_real(spectrum) / scale, decode)


def _size(net: Network, size: int | None) -> tuple[int, int]:
    return net.input_size if size is None else (size, size)
