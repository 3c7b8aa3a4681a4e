"""Objectives: what is climbed. Each is a score an image, read off the network or the image itself.

They add, subtract and scale, and every operation gives a new one:
`logit("tabby") - 0.1 * tv()`. Scores are always climbed, so what should be small is subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.types import Target
from convscope.vocabulary.objectives.base import Bound, Objective, of_unit, whole_layer


@dataclass(frozen=True)
class activation(Objective):
    """The mean activation of what the target names: one unit, a channel's map or a whole layer."""

    target: str | int | Target

    def bind(self, net: Network) -> Bound:
        return of_unit(net, self.target, lambda values: values.flatten(1).mean(1))


@dataclass(frozen=True)
class peak(Objective):
    """The strongest activation within what the target names; of "" it is the strongest class."""

    target: str | int | Target

    def bind(self, net: Network) -> Bound:
        return of_unit(net, self.target, lambda values: values.flatten(1).amax(1))


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

        return of_unit(net, self.target, score)


@dataclass(frozen=True, eq=False)
class direction(Objective):
    """How far a layer's activations (C,), the mean over places, go along `vector`.

    With `cosine` above 0 that is multiplied by the cosine between them to this power, which asks
    for the direction rather than for size (Carter et al. 2019).
    """

    layer: str | Target
    vector: Tensor
    cosine: float = 0.0

    def bind(self, net: Network) -> Bound:
        unit = whole_layer(net, self.layer)
        channels = net.shape(unit.layer)[0]
        if self.vector.shape != (channels,):
            raise ConvscopeError(
                f"{unit.layer!r} has {channels} channels, the vector is {tuple(self.vector.shape)}"
            )

        def score(values: Tensor) -> Tensor:
            mean, vector = values.flatten(2).mean(2), self.vector.to(values)
            along = mean @ vector
            if self.cosine:
                alike = F.cosine_similarity(mean, vector[None])
                along = along * alike.clamp_min(0.1) ** self.cosine
            return along

        return of_unit(net, unit, score)


@dataclass(frozen=True)
class diversity(Objective):
    """How unlike the images of a batch are to a layer: less the mean cosine of an image's Gram
    matrix with the others' (Olah, Mordvintsev & Schubert 2017). Of a single image it is 0."""

    layer: str | Target

    def bind(self, net: Network) -> Bound:
        def score(values: Tensor) -> Tensor:
            grams = F.normalize(tensors.gram(values).flatten(1))
            alike = grams @ grams.T
            return (alike.diagonal() - alike.sum(1)) / max(1, len(values) - 1)

        return of_unit(net, whole_layer(net, self.layer), score)
