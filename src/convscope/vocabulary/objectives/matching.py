"""Objectives that compare a layer's activations with those for another image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from convscope.vocabulary.objectives.others import OtherImages
from convscope.vocabulary.objectives.statistics import (
    STATISTICS,
    StatisticName,
    distance,
    relative_error,
)

OtherImage = Annotated[
    Tensor, Field(description="the other image, (1, 3, H, W) in [0, 1], as the network gets it")
]


_Score = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class match(Objective):
    """Minus the distance between a layer's activations and those for another image, so that its
    highest value is 0.

    With `by="l2"` the distance is the squared L2 distance of the activations, divided by the
    squared norm of those for the other image (Mahendran and Vedaldi 2015). With `by="cosine"` it is
    1 minus their cosine.

    The other ways compare statistics over all positions, so the two images may have different
    sizes. "gram" is the distance "l2" of the Gram matrices (Gatys et al. 2015). "centered" is that
    of the covariance matrices plus that of the means of all channels. "moments" is that of the mean
    and the standard deviation of every channel. "sliced" is that of the sorted activations along
    fixed random directions (Heitz et al. 2021).

    With a `mask`, only the activations at its bright positions count, in proportion to their
    brightness. Where statistics are compared, `image_mask` does the same for the other image, which
    counts as a whole without it (Gatys et al. 2017).

    A weighted sum of these is a blend of several images. Squared distances make it the distance to
    the weighted mean of what the images give, up to a constant.
    """

    layer: LayerName
    image: OtherImage
    by: Annotated[
        Literal["l2", "cosine", StatisticName], Field(description="which distance is taken")
    ] = "l2"
    mask: Annotated[
        Tensor | None,
        Field(
            description="how much each position of the climbed image counts, (1, 1, H, W) in"
            " [0, 1]; it is stretched to the layer's size"
        ),
    ] = None
    image_mask: Annotated[
        Tensor | None,
        Field(
            description="how much each position of the other image counts, where statistics are"
            " compared"
        ),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image_mask is not None and self.by not in STATISTICS:
            raise ConvscopeError(
                f"match: by={self.by!r} compares the same positions of both images; leave"
                f" image_mask out, or match by one of {', '.join(STATISTICS)}"
            )

    def compared(self, net: Network) -> Iterator[tuple[Tensor, str]]:
        yield self.image, whole_layer(net, self.layer).layer

    def bind(self, net: Network) -> Bound:
        return self.bind_among(net, OtherImages(net, self.compared(net)))

    def bind_among(self, net: Network, others: OtherImages) -> Bound:
        unit = whole_layer(net, self.layer)
        by_channel = self.by in STATISTICS or self.mask is not None
        ordered = net.by_channel if by_channel else net.layouts.by_image
        with torch.no_grad():
            wanted = ordered(unit.layer, others.activations(self.image, unit.layer))
        weights = _Weights(self.mask, unit)
        compare = self._statistics if self.by in STATISTICS else self._values
        return of_unit(net, unit, compare(unit, wanted, weights), by_channel)

    def _statistics(self, unit: Target, there: Tensor, weights: _Weights) -> _Score:
        statistic = STATISTICS[self.by]
        with torch.no_grad():
            wanted = statistic(there, _Weights(self.image_mask, unit).of(there))
        return lambda values: -distance(statistic(values, weights.of(values)), wanted)

    def _values(self, unit: Target, there: Tensor, weights: _Weights) -> _Score:
        def score(values: Tensor) -> Tensor:
            if values.shape[1:] != there.shape[1:]:
                raise ConvscopeError(
                    f"{unit.layer!r} gives {tuple(values.shape[1:])} here and"
                    f" {tuple(there.shape[1:])} for the other image: give both the same size,"
                    f" or match by one of {', '.join(STATISTICS)}"
                )
            found, wanted = values, there
            if (shares := weights.of(values)) is not None:
                found, wanted = found * shares.sqrt(), wanted * shares.sqrt()
            if self.by == "cosine":
                return F.cosine_similarity(found.flatten(1), wanted.flatten(1)) - 1
            return -relative_error(found, wanted)

        return score


class _Weights:
    """The weights of the positions of a layer, from a mask of the size of an image."""

    def __init__(self, mask: Tensor | None, unit: Target) -> None:
        if mask is not None and (mask.dim() != 4 or len(mask) != 1):
            raise ConvscopeError(f"match: a mask is (1, 1, H, W), not {tuple(mask.shape)}")
        # A file in a recipe is opened as a photograph, with three channels.
        self.mask, self.unit = None if mask is None else mask.mean(1, keepdim=True), unit
        self.known: dict[torch.Size, Tensor] = {}

    def of(self, values: Tensor) -> Tensor | None:
        """The mask (1, 1, h, w) at the size of maps (N, C, h, w); None without a mask."""
        if self.mask is None:
            return None
        size = values.shape[2:]
        if size not in self.known:
            if len(size) != 2:
                raise ConvscopeError(f"{self.unit} has no feature maps, which a mask needs")
            self.known[size] = F.interpolate(self.mask.to(values), tuple(size), mode="area")
            if not self.known[size].sum() > 0:
                raise ConvscopeError("match: the mask is 0 everywhere")
        return self.known[size]


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
