"""Norms: how large a change of an image is, which way it grows fastest, and how it is projected
onto a ball.

A new norm is a class here, and its name in `NormName` and `NORMS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

# One radius for all images, or one for each, (N, 1, 1, 1).
Radius = float | Tensor


class Norm(ABC):
    """A way to measure changes (N, C, H, W), each image on its own."""

    @abstractmethod
    def size(self, change: Tensor) -> Tensor:
        """How large each change is, (N, 1, 1, 1)."""

    @abstractmethod
    def normalize(self, gradient: Tensor) -> Tensor:
        """The change of size 1 along which a score with this gradient rises most; 0 for a gradient
        of 0."""

    @abstractmethod
    def slope(self, gradient: Tensor) -> Tensor:
        """How much a score with this gradient rises for a change of size 1 along `normalize`,
        (N, 1, 1, 1): the dual norm."""

    @abstractmethod
    def random(self, like: Tensor, radius: Radius, generator: torch.Generator) -> Tensor:
        """A random point of the ball for each image of a batch (N, C, H, W), all equally likely."""

    def project(self, change: Tensor, radius: Radius) -> Tensor:
        """The change shrunk to `radius` where it is larger. A norm with a nearer point overrides
        this."""
        return change * (radius / self.size(change).clamp_min(radius))


@dataclass(frozen=True)
class l2(Norm):
    """The root of the sum of squares over all pixels and colors."""

    def size(self, change: Tensor) -> Tensor:
        size: Tensor = torch.linalg.vector_norm(change, dim=(1, 2, 3), keepdim=True)
        return size

    def normalize(self, gradient: Tensor) -> Tensor:
        size = self.size(gradient)
        return gradient / torch.where(size > 0, size, 1)

    def slope(self, gradient: Tensor) -> Tensor:
        return self.size(gradient)

    def random(self, like: Tensor, radius: Radius, generator: torch.Generator) -> Tensor:
        # Of a ball in many dimensions, nearly all points are at its rim.
        direction = self.normalize(torch.randn(like.shape, generator=generator).to(like))
        depth = torch.rand(len(like), 1, 1, 1, generator=generator) ** (1 / like[0].numel())
        return direction * (radius * depth.to(like))


@dataclass(frozen=True)
class inf(Norm):
    """The largest absolute value over all pixels and colors."""

    def size(self, change: Tensor) -> Tensor:
        return change.abs().amax((1, 2, 3), keepdim=True)

    def normalize(self, gradient: Tensor) -> Tensor:
        return gradient.sign()

    def slope(self, gradient: Tensor) -> Tensor:
        return gradient.abs().sum((1, 2, 3), keepdim=True)

    def random(self, like: Tensor, radius: Radius, generator: torch.Generator) -> Tensor:
        return (2 * torch.rand(like.shape, generator=generator).to(like) - 1) * radius

    def project(self, change: Tensor, radius: Radius) -> Tensor:
        most = torch.as_tensor(radius, dtype=change.dtype, device=change.device)
        return torch.minimum(change.abs(), most).copysign(change)


NormName = Literal["l2", "inf"]
NORMS: Mapping[NormName, Norm] = {"l2": l2(), "inf": inf()}
