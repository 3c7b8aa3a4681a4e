"""Objectives that are read off the activations of a layer, a channel or a neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.vocabulary.objectives.base import (
    Bound,
    Exponent,
    LayerName,
    Objective,
    UnitName,
    of_unit,
    whole_layer,
)


@dataclass(frozen=True)
class activation(Objective):
    """The mean activation of a class, a neuron, a channel or a layer."""

    target: UnitName

    def bind(self, net: Network) -> Bound:
        return of_unit(net, self.target, lambda values: values.flatten(1).mean(1))


@dataclass(frozen=True)
class peak(Objective):
    """The largest activation in a channel or a layer; `peak("")` is the largest logit."""

    target: UnitName

    def bind(self, net: Network) -> Bound:
        return of_unit(net, self.target, lambda values: values.flatten(1).amax(1))


@dataclass(frozen=True)
class energy(Objective):
    """Half the mean squared activation of a channel or a layer; it amplifies what the layer already
    detects (Mordvintsev, Olah and Tyka 2015).

    Its gradient at the layer is the activation itself, divided by the number of values. Negative
    values are multiplied by `leak` first. With a small leak, on values from before an activation,
    features that are present grow and features that are absent stay as they are.
    """

    target: UnitName
    leak: Annotated[
        float, Field(ge=0, le=1, description="factor of negative values before they are squared")
    ] = 1.0

    def bind(self, net: Network) -> Bound:
        def score(values: Tensor) -> Tensor:
            return 0.5 * F.leaky_relu(values, self.leak).flatten(1).square().mean(1)

        return of_unit(net, self.target, score)


@dataclass(frozen=True, eq=False)
class direction(Objective):
    """The dot product of a vector with a layer's activations, which are averaged over positions.

    With `cosine` above 0, the product is multiplied by the cosine between the two to this power.
    That rewards the direction more than the size (Carter et al. 2019).
    """

    layer: LayerName
    vector: Annotated[
        Tensor,
        Field(
            description="a number for each channel of the layer, (C,)",
            json_schema_extra={"type": "array", "items": {"type": "number"}, "format": "vector"},
        ),
    ]
    cosine: Exponent = 0.0

    def bind(self, net: Network) -> Bound:
        unit = whole_layer(net, self.layer)
        channels = net.channel_shape(unit.layer)[0]
        if self.vector.shape != (channels,):
            raise ConvscopeError(
                f"{unit.layer!r} has {channels} channels, and the vector has shape"
                f" {tuple(self.vector.shape)}"
            )

        def score(values: Tensor) -> Tensor:
            mean, vector = tensors.by_position(values).mean(2), self.vector.to(values)
            along = mean @ vector
            if self.cosine:
                alike = F.cosine_similarity(mean, vector[None])
                along = along * alike.clamp_min(0.1) ** self.cosine
            return along

        return of_unit(net, unit, score, by_channel=True)


@dataclass(frozen=True)
class diversity(Objective):
    """How different the images of a batch are to a layer: minus the mean cosine between the Gram
    matrix of an image and those of the others (Olah, Mordvintsev and Schubert 2017); 0 for a
    single image."""

    layer: LayerName

    def bind(self, net: Network) -> Bound:
        def score(values: Tensor) -> Tensor:
            grams = F.normalize(tensors.gram(values).flatten(1))
            alike = grams @ grams.T
            return (alike.diagonal() - alike.sum(1)) / max(1, len(values) - 1)

        return of_unit(net, whole_layer(net, self.layer), score, by_channel=True)
