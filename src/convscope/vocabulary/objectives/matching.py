"""Objectives that compare a layer's activations with those for another image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.network import Network, default_layers
from convscope.types import Target
from convscope.vocabulary.objectives.base import (
    Bound,
    Exponent,
    LayerName,
    Objective,
    of_unit,
    whole_layer,
)

OtherImage = Annotated[
    Tensor, Field(description="the other image, (1, 3, H, W) in [0, 1], as the network gets it")
]


@dataclass(frozen=True, eq=False)
class match(Objective):
    """Minus the distance between a layer's activations and those for another image, so that its
    highest value is 0.

    With `by="l2"` the distance is the squared L2 distance of the activations, divided by the
    squared norm of those for the other image (Mahendran and Vedaldi 2015). With `by="cosine"` it is
    1 minus their cosine. With `by="gram"` it is the distance "l2" of their Gram matrices (Gatys et
    al. 2015), and with `by="moments"` that of the mean and the standard deviation of every channel.
    The last two do not depend on positions, so the two images may have different sizes.
    """

    layer: LayerName
    image: OtherImage
    by: Annotated[
        Literal["l2", "cosine", "gram", "moments"], Field(description="which distance is taken")
    ] = "l2"

    def bind(self, net: Network) -> Bound:
        unit = whole_layer(net, self.layer)
        summary, by_channel = _SUMMARIES[self.by], self.by in ("gram", "moments")
        with torch.no_grad():
            wanted = net.activations(self.image, {unit.layer})[unit.layer]
            ordered = net.by_channel if by_channel else net.layouts.by_image
            wanted = summary(ordered(unit.layer, wanted))

        def score(values: Tensor) -> Tensor:
            found = summary(values)
            if found.shape[1:] != wanted.shape[1:]:
                raise ConvscopeError(
                    f"{unit.layer!r} gives {tuple(found.shape[1:])} here and"
                    f" {tuple(wanted.shape[1:])} for the other image: give both the same size,"
                    ' or match by="gram" or by="moments"'
                )
            if self.by == "cosine":
                return F.cosine_similarity(found, wanted) - 1
            return -(found - wanted).square().sum(1) / wanted.square().sum(1).clamp_min(1e-12)

        return of_unit(net, unit, score, by_channel)


@dataclass(frozen=True, eq=False)
class caricature(Objective):
    """The projection of a layer's activations on those for another image, times the cosine between
    the two to the power `cosine`; it exaggerates what is strong in the other image (Olah 2018).

    The other image itself scores 1.
    """

    layer: LayerName
    image: OtherImage
    cosine: Exponent = 1.0

    def bind(self, net: Network) -> Bound:
        unit = whole_layer(net, self.layer)
        with torch.no_grad():
            wanted = net.activations(self.image, {unit.layer})[unit.layer]
            wanted = net.layouts.by_image(unit.layer, wanted).flatten(1)

        def score(values: Tensor) -> Tensor:
            found = values.flatten(1)
            if found.shape[1] != wanted.shape[1]:
                raise ConvscopeError(f"{unit.layer!r}: give both images the same size")
            along = (found * wanted).sum(1) / wanted.square().sum(1).clamp_min(1e-12)
            return along * F.cosine_similarity(found, wanted).clamp_min(0.1) ** self.cosine

        return of_unit(net, unit, score)


@dataclass(frozen=True, eq=False)
class similarity(Objective):
    """The cosine between an image's embedding and that of another image: 1 for the same direction.

    The embedding is the network's output if that is an embedding, and otherwise the output of the
    last layer before the class scores. Maps are averaged over positions.
    """

    image: OtherImage
    layer: Annotated[
        str | Target | None, Field(description="layer that gives the embedding, if another one")
    ] = None

    def bind(self, net: Network) -> Bound:
        unit = whole_layer(net, self._layer(net))

        def embedding(values: Tensor) -> Tensor:
            return tensors.by_position(values).mean(2)

        with torch.no_grad():
            found = net.activations(net.preprocess(self.image), {unit.layer})[unit.layer]
            wanted = embedding(net.by_channel(unit.layer, found))
        if len(wanted) != 1:
            raise ConvscopeError(f"similarity takes one other image, not {len(wanted)}")
        return of_unit(
            net, unit, lambda v: F.cosine_similarity(embedding(v), wanted), by_channel=True
        )

    def _layer(self, net: Network) -> str | Target:
        if self.layer is not None:
            return self.layer
        main = net.outputs.get("")
        alone = main is not None and main.kind == "embedding"
        return Target("") if alone else default_layers.embedding(net)


@dataclass(frozen=True, eq=False)
class resemble(Objective):
    """How closely every position of a layer resembles some position of another image.

    Activations of the other image are scaled to unit length. Every position takes the one with the
    largest dot product, and the score is the mean of these products over positions (Mordvintsev,
    Olah and Tyka 2015). With `cosine` above 0, each product is multiplied by the cosine between the
    two to this power. The paper has neither the unit length nor the cosine. Without them, nearly
    every position takes the strongest position of the other image, and the result looks like any
    other dream.
    """

    layer: LayerName
    image: OtherImage
    cosine: Exponent = 4.0

    def bind(self, net: Network) -> Bound:
        unit = whole_layer(net, self.layer)
        with torch.no_grad():
            found = net.activations(self.image, {unit.layer})[unit.layer]
        if len(found) != 1:
            raise ConvscopeError(f"resemble takes one other image, not {len(found)}")
        found = net.by_channel(unit.layer, found)
        there = F.normalize(tensors.by_position(found)[0], dim=0)

        def score(values: Tensor) -> Tensor:
            here = tensors.by_position(values)
            with torch.no_grad():
                few = max(1, _PRODUCTS // there.shape[1])
                nearest = [(part.transpose(1, 2) @ there).argmax(2) for part in here.split(few, 2)]
                chosen = there.T[torch.cat(nearest, 1)].transpose(1, 2)
            along = (here * chosen).sum(1)
            if self.cosine:
                alike = along / torch.linalg.vector_norm(here, dim=1).clamp_min(1e-12)
                along = along * alike.clamp_min(0.1) ** self.cosine
            return along.mean(1)

        return of_unit(net, unit, score, by_channel=True)


# How many products of positions are held at once: an early layer of two photographs has billions.
_PRODUCTS = 2**24


def _moments(values: Tensor) -> Tensor:
    flat = tensors.by_position(values)
    return torch.cat([flat.mean(2), (flat.var(2, unbiased=False) + 1e-8).sqrt()], 1)


_SUMMARIES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "l2": lambda values: values.flatten(1),
    "cosine": lambda values: values.flatten(1),
    "gram": lambda values: tensors.gram(values).flatten(1),
    "moments": _moments,
}
