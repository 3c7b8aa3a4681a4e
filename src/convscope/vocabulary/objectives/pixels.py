"""TODO."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from convscope import tensors
from convscope.network import Network
from convscope.vocabulary.objectives.base import Activations, Bound, Objective


@dataclass(frozen=True)
class tv(Objective):
    """Total variation of the image, the mean over pixels of (dx^2 + dy^2)^(beta / 2)."""

    beta: float = 2.0

    def bind(self, net: Network) -> Bound:
        def score(_: Activations, image: Tensor) -> Tensor:
            return tensors.total_variation(image, self.beta) / image[0].numel()

        return Bound(frozenset(), score)


@dataclass(frozen=True)
class l2(Objective):
    """Half the mean squared distance of the pixels from mid-gray."""

    def bind(self, net: Network) -> Bound:
        return Bound(frozenset(), lambda _, image: 0.5 * (image - 0.5).flatten(1).square().mean(1))


@dataclass(frozen=True)
class power(Objective):
    """The mean of |pixel - gray|^exponent; at 6 it bounds contrast (Mahendran and Vedaldi 2015)."""

    exponent: float = 6.0

    def bind(self, net: Network) -> Bound:
        def score(_: Activations, image: Tensor) -> Tensor:
            return (image - 0.5).abs().flatten(1).pow(self.exponent).mean(1)

        return Bound(frozenset(), score)
