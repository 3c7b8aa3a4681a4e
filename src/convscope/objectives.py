"""Objectives: what is climbed. Each is a score an image, read off the network or the image itself.

They add, subtract and scale, and every operation gives a new one:
`logit("tabby") - 0.1 * tv()`. Scores are always climbed, so what should be small is subtracted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.types import Target

Activations = Mapping[str, Tensor]


@dataclass(frozen=True)
class Bound:
    """An objective that knows its network: the layers it reads and the score (N,) it makes of them.

    `score(activations, image)` gets what was read and the image (N, 3, H, W) itself.
    """

    layers: frozenset[str]
    score: Callable[[Activations, Tensor], Tensor]


class Objective:
    """A score to climb. Subclasses are frozen dataclasses whose fields are their whole meaning."""

    def bind(self, net: Network) -> Bound:
        """Look names up in a network; unknown ones raise here, before any work is done."""
        raise NotImplementedError

    def __add__(self, other: Objective) -> Objective:
        return weighted(((1.0, self),)) + other

    def __sub__(self, other: Objective) -> Objective:
        return self + -1.0 * other

    def __mul__(self, factor: float) -> Objective:
        return weighted(((float(factor), self),))

    def __rmul__(self, factor: float) -> Objective:
        return self * factor

    def __neg__(self) -> Objective:
        return self * -1.0


@dataclass(frozen=True)
class weighted(Objective):
    """A weighted sum of objectives."""

    terms: tuple[tuple[float, Objective], ...]

    def bind(self, net: Network) -> Bound:
        bound = [(weight, objective.bind(net)) for weight, objective in self.terms]

        def score(activations: Activations, image: Tensor) -> Tensor:
            first, *rest = (weight * one.score(activations, image) for weight, one in bound)
            return sum(rest, start=first)

        return Bound(frozenset().union(*(one.layers for _, one in bound)), score)

    def __add__(self, other: Objective) -> Objective:
        more = other.terms if isinstance(other, weighted) else ((1.0, other),)
        return weighted(self.terms + more)

    def __mul__(self, factor: float) -> Objective:
        return weighted(tuple((weight * float(factor), one) for weight, one in self.terms))


@dataclass(frozen=True)
class each(Objective):
    """Of a batch, each image has its own objective, in order."""

    objectives: tuple[Objective, ...]

    def bind(self, net: Network) -> Bound:
        bound = [objective.bind(net) for objective in self.objectives]

        def score(activations: Activations, image: Tensor) -> Tensor:
            if len(image) != len(bound):
                raise ConvscopeError(f"{len(bound)} objectives for {len(image)} images")
            rows = [slice(i, i + 1) for i in range(len(bound))]
            return torch.cat(
                [
                    one.score({name: value[row] for name, value in activations.items()}, image[row])
                    for one, row in zip(bound, rows, strict=True)
                ]
            )

        return Bound(frozenset().union(*(one.layers for one in bound)), score)


@dataclass(frozen=True)
class logit(Objective):
    """A class's score before the softmax."""

    target: str | int | Target

    def bind(self, net: Network) -> Bound:
        target = net.target(self.target)
        if target.layer or target.channel is None:
            raise ConvscopeError(f"logit takes a class, and {target} is none; climb its activation")
        return activation(target).bind(net)


@dataclass(frozen=True)
class activation(Objective):
    """The mean activation of what the target names: one unit, a channel's map or a whole layer."""

    target: str | int | Target

    def bind(self, net: Network) -> Bound:
        return _unit(net, self.target, lambda values: values.flatten(1).mean(1))


@dataclass(frozen=True)
class peak(Objective):
    """The strongest activation within what the target names; of "" it is the strongest class."""

    target: str | int | Target

    def bind(self, net: Network) -> Bound:
        return _unit(net, self.target, lambda values: values.flatten(1).amax(1))


@dataclass(frozen=True)
class energy(Objective):
    """Half the squared norm of a layer or channel; its gradient there is the activation itself.

    Climbing it amplifies whatever the layer sees (Mordvintsev, Olah & Tyka 2015). It is divided by
    the number of values, so that sizes of images compare. Negative values count `leak` times: with
    a small leak on pre-activations, what is present grows and what is absent is left alone.
    """

    target: str | int | Target
    leak: float = 1.0

    def bind(self, net: Network) -> Bound:
        def score(values: Tensor) -> Tensor:
            return 0.5 * F.leaky_relu(values, self.leak).flatten(1).square().mean(1)

        return _unit(net, self.target, score)


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
    """Half the mean squared distance of the pixels from mid-grey."""

    def bind(self, net: Network) -> Bound:
        return Bound(frozenset(), lambda _, image: 0.5 * (image - 0.5).flatten(1).square().mean(1))


def _unit(net: Network, words: str | int | Target, score: Callable[[Tensor], Tensor]) -> Bound:
    target = Target("") if words == "" else net.target(words)

    def read(activations: Activations, image: Tensor) -> Tensor:
        values = activations[target.layer]
        if target.channel is not None:
            values = values[:, target.channel : target.channel + 1]
        if target.position is not None:
            row, column = target.position
            values = values[:, :, row : row + 1, column : column + 1]
        return score(values)

    return Bound(frozenset({target.layer}), read)
