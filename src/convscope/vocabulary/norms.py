"""Norms: how large a change of an image is, and how it is projected onto a ball.

A new norm is a class here, and its name in `NormName` and `NORMS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor


class Norm(ABC):
    """A way to measure changes (N, C, H, W), each image on its own."""

    @abstractmethod
    def size(self, change: Tensor) -> Tensor:
        """How large each change is, (N, 1, 1, 1)."""

    def project(self, change: Tensor, radius: float) -> Tensor:
        """The change shrunk to `radius` where it is larger. A norm with a nearer point overrides
        this."""
        return change * (radius / self.size(change).clamp_min(radius))


@dataclass(frozen=True)
class l2(Norm):
    """The root of the sum of squares over all pixels and colors."""

    def size(self, change: Tensor) -> Tensor:
        return change.square().sum((1, 2, 3), keepdim=True).sqrt()


@dataclass(frozen=True)
class inf(Norm):
    """The largest absolute value over all pixels and colors."""

    def size(self, change: Tensor) -> Tensor:
        return change.abs().amax((1, 2, 3), keepdim=True)

    def project(self, change: Tensor, radius: float) -> Tensor:
        return change.clamp(-radius, radius)


NormName = Literal["l2", "inf"]
NORMS: Mapping[NormName, Norm] = {"l2": l2(), "inf": inf()}
