"""Objectives that are computed from the pixels alone. They are usually subtracted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor

from convscope import tensors
from convscope.network import Network
from convscope.vocabulary.objectives.base import Activations, Bound, Objective


@dataclass(frozen=True)
class tv(Objective):
    """Total variation, a measure of roughness: the mean over pixels of (dx^2 + dy^2)^(beta / 2),
    where dx and dy are the differences to the neighboring pixels."""

    beta: Annotated[
        float, Field(gt=0, le=100, description="exponent; at 1, edges cost no more than slopes")
    ] = 2.0

    def bind(self, net: Network) -> Bound:
        def score(_: Activations, image: Tensor) -> Tensor:
            return tensors.total_variation(image, self.beta) / image[0].numel()

        return Bound(frozenset(), score)


@dataclass(frozen=True)
class l2(Objective):
    """Half the mean squared difference between the pixels and mid-gray."""

    def bind(self, net: Network) -> Bound:
        return Bound(frozenset(), lambda _, image: 0.5 * (image - 0.5).flatten(1).square().mean(1))


@dataclass(frozen=True)
class power(Objective):
    """The mean of |pixel - mid-gray| to the power `exponent`; a large exponent limits the contrast
    (Mahendran and Vedaldi 2015)."""

    exponent: Annotated[float, Field(gt=0, le=100, description="exponent of the difference")] = 6.0

    def bind(self, net: Network) -> Bound:
        def score(_: Activations, image: Tensor) -> Tensor:
            return (image - 0.5).abs().flatten(1).pow(self.exponent).mean(1)

        return Bound(frozenset(), score)
