"""Priors: what a climb believes of images. Each acts at one place of a step, in the order given.

`view` changes what the network sees, `gradient` the direction, `pixels` the image after the step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from convscope import tensors


class Prior:
    """Does nothing; a prior overrides the place where it acts."""

    needs_pixels = False

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """What the network sees of the image (N, C, H, W); differentiable."""
        return image

    def gradient(self, gradient: Tensor) -> Tensor:
        """The direction to climb in, made of the gradient by the image."""
        return gradient

    def pixels(self, image: Tensor, step: int) -> Tensor:
        """The image after step `step` (the first is 1). Only where the parameters are pixels."""
        return image


@dataclass(frozen=True)
class jitter(Prior):
    """The network sees the image rolled by up to `shift` pixels; the step rolls it back."""

    shift: int = 16

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        shifts = torch.randint(-self.shift, self.shift + 1, (2,), generator=generator).tolist()
        return image.roll(shifts, dims=(-2, -1))


@dataclass(frozen=True)
class random_affine(Prior):
    """The network sees the image turned by up to `rotate` degrees, scaled between the two factors
    of `scale` and shifted by up to `shift` pixels; the border is mirrored."""

    rotate: float = 12.0
    scale: tuple[float, float] = (0.8, 1.4)
    shift: float = 14.0

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        turn, zoom, down, across = (torch.rand(4, generator=generator) * 2 - 1).tolist()
        angle = math.radians(self.rotate * turn)
        low, high = self.scale
        factor = 1 / (low + (high - low) * (zoom + 1) / 2)
        height, width = image.shape[-2:]
        cos, sin = factor * math.cos(angle), factor * math.sin(angle)
        # affine_grid works in units of half the image, so a rotation of one that is not square
        # must be told its aspect.
        theta = torch.tensor(
            [
                [cos, -sin * height / width, 2 * self.shift * across / width],
                [sin * width / height, cos, 2 * self.shift * down / height],
            ],
            dtype=image.dtype,
            device=image.device,
        )
        return tensors.warp(image, theta, "reflection")


@dataclass(frozen=True)
class crop(Prior):
    """The network sees a random part of the image, enlarged to its size: a square whose side lies
    between the two `fractions` of the image's, its middle around the image's by `spread` of it (Fel et
    al. 2023)."""

    fractions: tuple[float, float] = (0.3, 0.8)
    spread: float = 0.15

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        low, high = self.fractions
        fraction = low + (high - low) * float(torch.rand((), generator=generator))
        down, across = (torch.randn(2, generator=generator) * 2 * self.spread).tolist()
        # Affine grids reach from -1 to 1: the middle may go no further than the part fits.
        reach = 1 - fraction
        theta = torch.tensor(
            [
                [fraction, 0, min(max(across, -reach), reach)],
                [0, fraction, min(max(down, -reach), reach)],
            ],
            dtype=image.dtype,
            device=image.device,
        )
        return tensors.warp(image, theta, "border")


@dataclass(frozen=True)
class gaussian_noise(Prior):
    """The network sees the image with Gaussian noise of deviation `sigma`."""

    sigma: float = 0.08

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        added = torch.randn(image.shape, generator=generator, dtype=image.dtype)
        return image + self.sigma * added.to(image.device)


@dataclass(frozen=True)
class unit_gradient(Prior):
    """The gradient over its mean absolute value, each image its own."""

    def gradient(self, gradient: Tensor) -> Tensor:
        size = gradient.abs().mean((1, 2, 3), keepdim=True)
        return gradient / size.clamp_min(1e-30)


@dataclass(frozen=True)
class smooth_gradient(Prior):
    """The mean of the gradient at several blurs, each over its own deviation: every scale of
    detail climbs equally fast."""

    sigmas: tuple[float, ...] = (0.6, 1.2, 2.4)

    def gradient(self, gradient: Tensor) -> Tensor:
        total = torch.zeros_like(gradient)
        for sigma in self.sigmas:
            blurred = tensors.blur(gradient, sigma)
            total += blurred / blurred.std((1, 2, 3), keepdim=True).clamp_min(1e-30)
        return total / len(self.sigmas)


@dataclass(frozen=True)
class natural_colors(Prior):
    """A `fraction` of the gradient times the covariance of natural colors, where hue follows
    brightness; the rest in its own colors."""

    fraction: float = 1.0

    def gradient(self, gradient: Tensor) -> Tensor:
        if gradient.shape[1] != 3:
            return gradient
        matrix = tensors.color_matrix(gradient)
        natural = torch.einsum("rc,nchw->nrhw", matrix @ matrix.T, gradient)
        return natural if self.fraction == 1 else gradient.lerp(natural, self.fraction)


@dataclass(frozen=True)
class decay(Prior):
    """Pulls every pixel towards mid-gray by this fraction a step (L2)."""

    fraction: float = 1e-4
    needs_pixels = True

    def pixels(self, image: Tensor, step: int) -> Tensor:
        return 0.5 + (image - 0.5) * (1 - self.fraction)


@dataclass(frozen=True)
class blur(Prior):
    """A Gaussian blur of `sigma` pixels after every `every` steps."""

    sigma: float = 1.0
    every: int = 4
    needs_pixels = True

    def pixels(self, image: Tensor, step: int) -> Tensor:
        return tensors.blur(image, self.sigma) if step % self.every == 0 else image


@dataclass(frozen=True)
class clip_small_pixels(Prior):
    """Makes gray, after each step, this part of the pixels: those nearest to gray (Yosinski et al.
    2015)."""

    fraction: float = 0.2
    needs_pixels = True

    def pixels(self, image: Tensor, step: int) -> Tensor:
        size = (image - 0.5).square().sum(1, keepdim=True)
        return torch.where(size < _least(size, self.fraction), 0.5, image)


@dataclass(frozen=True)
class clip_small_gradients(Prior):
    """Leaves alone this part of the pixels: those that the gradient would change least."""

    fraction: float = 0.2

    def gradient(self, gradient: Tensor) -> Tensor:
        size = gradient.square().sum(1, keepdim=True)
        return torch.where(size < _least(size, self.fraction), 0, gradient)


@dataclass(frozen=True, eq=False)
class project_to_ball(Prior):
    """Keeps the image within `radius` of `center` (N, C, H, W), by its L2 norm or by every pixel
    ("inf")."""

    center: Tensor
    radius: float
    norm: Literal["l2", "inf"] = "l2"
    needs_pixels = True

    def pixels(self, image: Tensor, step: int) -> Tensor:
        change = image - self.center.to(image)
        if self.norm == "inf":
            return image - change + change.clamp(-self.radius, self.radius)
        size = change.square().sum((1, 2, 3), keepdim=True).sqrt()
        return image - change + change * (self.radius / size.clamp_min(self.radius))


@dataclass(frozen=True)
class clamp(Prior):
    """Keeps every pixel between `low` and `high`."""

    low: float = 0.0
    high: float = 1.0
    needs_pixels = True

    def pixels(self, image: Tensor, step: int) -> Tensor:
        return image.clamp(self.low, self.high)


def _least(values: Tensor, fraction: float) -> Tensor:
    """The value (N, 1, 1, 1) below which this part of each image's values (N, 1, H, W) lies."""
    flat = values.flatten(1).sort(1).values
    rank = min(int(fraction * flat.shape[1]), flat.shape[1] - 1)
    least: Tensor = flat[:, rank].view(-1, 1, 1, 1)
    return least
