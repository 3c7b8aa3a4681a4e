"""Priors: what a climb assumes about images. Each acts at one place of a step, in the order given.

`view` changes what the network sees, `gradient` changes the direction of the step, and `pixels`
changes the image after the step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.vocabulary.norms import NORMS, NormName
from convscope.vocabulary.word import Word


def _ascending(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("the first number should be at most the second")
    return pair


Fraction = Annotated[float, Field(ge=0, le=1)]
Sigma = Annotated[float, Field(gt=0, le=100)]


class Prior(Word):
    """Does nothing. A subclass overrides the method for the place where it acts."""

    # Whether it acts on pixels, so that the start must have pixels to change.
    needs_pixels = False
    # Whether its view is drawn at random, another one each step.
    random_view = False

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """What the network sees of the image (N, C, H, W); differentiable."""
        return image

    def gradient(self, gradient: Tensor) -> Tensor:
        """The direction to climb in, from the gradient by the image, both (N, C, H, W)."""
        return gradient

    def pixels(self, image: Tensor, step: int) -> Tensor:
        """The image (N, C, H, W) after step `step`, the first of which is 1."""
        return image


@dataclass(frozen=True)
class jitter(Prior):
    """The network sees the image rolled by up to `shift` pixels in both directions; pixels that
    leave at one side enter at the opposite side."""

    shift: Annotated[
        int, Field(ge=0, le=4096, description="largest shift down and across, in pixels")
    ] = 16
    random_view = True

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        shifts = torch.randint(-self.shift, self.shift + 1, (2,), generator=generator).tolist()
        return image.roll(shifts, dims=(-2, -1))


@dataclass(frozen=True)
class wrap(Prior):
    """The network sees the image continued by `margin` pixels below and to the right, as in a wall
    of such tiles, so that the edges of the image come to fit together."""

    margin: Annotated[
        int, Field(ge=0, le=4096, description="pixels that are added below and to the right")
    ] = 64

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        for dim in (-2, -1):
            length = image.shape[dim]
            places = torch.arange(length + self.margin, device=image.device) % length
            image = image.index_select(dim, places)
        return image


@dataclass(frozen=True)
class random_affine(Prior):
    """The network sees the image rotated by up to `rotate` degrees, scaled by a factor between the
    two numbers of `scale`, and shifted by up to `shift` pixels; the border is mirrored."""

    rotate: Annotated[float, Field(ge=0, le=180, description="largest rotation, in degrees")] = 12.0
    scale: Annotated[
        tuple[
            Annotated[float, Field(ge=0.01, le=100)],
            Annotated[float, Field(ge=0.01, le=100)],
        ],
        AfterValidator(_ascending),
        Field(description="smallest and largest factor of the size"),
    ] = (0.8, 1.4)
    shift: Annotated[
        float, Field(ge=0, le=4096, description="largest shift down and across, in pixels")
    ] = 14.0
    random_view = True

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        turn, zoom, down, across = (torch.rand(4, generator=generator) * 2 - 1).tolist()
        angle = math.radians(self.rotate * turn)
        low, high = self.scale
        factor = 1 / (low + (high - low) * (zoom + 1) / 2)
        height, width = image.shape[-2:]
        cos, sin = factor * math.cos(angle), factor * math.sin(angle)
        # affine_grid measures in halves of the image, so the rotation of an image that is not
        # square needs its aspect ratio.
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
    """The network sees a random square part of the image, enlarged to the size of the image (Fel et
    al. 2023).

    The side of the square is a fraction of the image's side between the two `fractions`. Its
    center is normally distributed around the image's center, with a standard deviation of `spread`
    times the image's side.
    """

    fractions: Annotated[
        tuple[
            Annotated[float, Field(ge=0.01, le=1)],
            Annotated[float, Field(ge=0.01, le=1)],
        ],
        AfterValidator(_ascending),
        Field(description="smallest and largest side of the square, as fractions of the image's"),
    ] = (0.3, 0.8)
    spread: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="standard deviation of the square's center, as a fraction of the image's"
            " side",
        ),
    ] = 0.15
    random_view = True

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        low, high = self.fractions
        fraction = low + (high - low) * float(torch.rand((), generator=generator))
        down, across = (torch.randn(2, generator=generator) * 2 * self.spread).tolist()
        # Affine grids reach from -1 to 1: the square must stay within the image.
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
    """The network sees the image with Gaussian noise of standard deviation `sigma` added (pixels
    run from 0 to 1)."""

    sigma: Annotated[float, Field(ge=0, le=10, description="standard deviation of the noise")] = (
        0.08
    )
    random_view = True

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        added = torch.randn(image.shape, generator=generator, dtype=image.dtype)
        return image + self.sigma * added.to(image.device)


@dataclass(frozen=True)
class unit_gradient(Prior):
    """Divides the gradient of each image by its mean absolute value."""

    def gradient(self, gradient: Tensor) -> Tensor:
        size = gradient.abs().mean((1, 2, 3), keepdim=True)
        return gradient / size.clamp_min(1e-30)


@dataclass(frozen=True)
class smooth_gradient(Prior):
    """Replaces the gradient by the mean of several blurred copies, each divided by its standard
    deviation, so that details of every scale grow equally fast."""

    sigmas: Annotated[
        tuple[Sigma, ...],
        Field(min_length=1, description="standard deviations of the Gaussian blurs, in pixels"),
    ] = (0.6, 1.2, 2.4)

    def gradient(self, gradient: Tensor) -> Tensor:
        total = torch.zeros_like(gradient)
        for sigma in self.sigmas:
            blurred = tensors.blur(gradient, sigma)
            total += blurred / blurred.std((1, 2, 3), keepdim=True).clamp_min(1e-30)
        return total / len(self.sigmas)


@dataclass(frozen=True)
class natural_colors(Prior):
    """Multiplies the gradient by the covariance of colors in natural images, in which hue follows
    brightness, and mixes the result with the gradient itself."""

    fraction: Annotated[Fraction, Field(description="weight of the result in the mix")] = 1.0

    def gradient(self, gradient: Tensor) -> Tensor:
        if gradient.shape[1] != 3:
            return gradient
        matrix = tensors.color_matrix(gradient)
        natural = torch.einsum("rc,nchw->nrhw", matrix @ matrix.T, gradient)
        return natural if self.fraction == 1 else gradient.lerp(natural, self.fraction)


@dataclass(frozen=True)
class decay(Prior):
    """Moves every pixel toward mid-gray after each step, by a fraction of its distance (L2
    decay)."""

    fraction: Annotated[
        Fraction, Field(description="fraction of the distance to mid-gray that is removed")
    ] = 1e-4
    needs_pixels = True

    def pixels(self, image: Tensor, step: int) -> Tensor:
        return 0.5 + (image - 0.5) * (1 - self.fraction)


@dataclass(frozen=True)
class blur(Prior):
    """Blurs the image after every `every` steps, by a Gaussian of standard deviation `sigma` in
    pixels."""

    sigma: Annotated[Sigma, Field(description="standard deviation of the blur, in pixels")] = 1.0
    every: Annotated[int, Field(ge=1, description="steps from one blur to the next")] = 4
    needs_pixels = True

    def pixels(self, image: Tensor, step: int) -> Tensor:
        return tensors.blur(image, self.sigma) if step % self.every == 0 else image


@dataclass(frozen=True)
class clip_small_pixels(Prior):
    """Makes a fraction of the pixels mid-gray after each step: those that are nearest to mid-gray
    (Yosinski et al. 2015)."""

    fraction: Annotated[Fraction, Field(description="fraction of the pixels made gray")] = 0.2
    needs_pixels = True

    def pixels(self, image: Tensor, step: int) -> Tensor:
        size = (image - 0.5).square().sum(1, keepdim=True)
        return torch.where(size < _quantile(size, self.fraction), 0.5, image)


@dataclass(frozen=True)
class clip_small_gradients(Prior):
    """Leaves a fraction of the pixels unchanged in each step: those with the smallest gradient."""

    fraction: Annotated[Fraction, Field(description="fraction of the pixels left unchanged")] = 0.2

    def gradient(self, gradient: Tensor) -> Tensor:
        size = gradient.square().sum(1, keepdim=True)
        return torch.where(size < _quantile(size, self.fraction), 0, gradient)


@dataclass(frozen=True, eq=False)
class project_to_ball(Prior):
    """Keeps the image within a distance `radius` of the image `center`, measured by the L2 norm of
    the difference (`norm="l2"`) or by its largest pixel (`norm="inf"`)."""

    center: Annotated[Tensor, Field(description="the central image, (N, C, H, W) in [0, 1]")]
    radius: Annotated[float, Field(gt=0, description="largest distance from the center")]
    norm: Annotated[NormName, Field(description="how the distance is measured")] = "l2"
    needs_pixels = True

    def pixels(self, image: Tensor, step: int) -> Tensor:
        change = image - self.center.to(image)
        return image - change + NORMS[self.norm].project(change, self.radius)


@dataclass(frozen=True)
class clamp(Prior):
    """Clips every pixel to the range from `low` to `high` after each step (pixels run from 0 to
    1)."""

    low: Annotated[float, Field(description="lowest value of a pixel")] = 0.0
    high: Annotated[float, Field(description="highest value of a pixel")] = 1.0
    needs_pixels = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise ConvscopeError(
                f"clamp: low ({self.low:g}) should be at most high ({self.high:g})"
            )

    def pixels(self, image: Tensor, step: int) -> Tensor:
        return image.clamp(self.low, self.high)


def _quantile(values: Tensor, fraction: float) -> Tensor:
    """The value (N, 1, 1, 1) below which a fraction of each image's values (N, 1, H, W) lies."""
    flat = values.flatten(1).sort(1).values
    rank = min(int(fraction * flat.shape[1]), flat.shape[1] - 1)
    quantile: Tensor = flat[:, rank].view(-1, 1, 1, 1)
    return quantile
