"""TODO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope import tensors
from convscope.errors import ConvscopeError, unknown
from convscope.network import Network
from convscope.types import Target
from convscope.vocabulary.objectives.base import Bound, Objective, of_unit, whole_layer


@dataclass(frozen=True, eq=False)
class match(Objective):
    """Minus how far a layer's activations are from those for another image `of` (1, 3, H, W).

    `by` "l2": their squared distance over the squared norm of what is wanted (Mahendran and
    Vedaldi 2015); "cosine": 1 less their cosine; "gram": the same as l2, of the Gram matrices
    (Gatys et al. 2015); "moments": of every channel's mean and deviation. The last two do not ask
    where things are, so images of any size go together.
    """

    layer: str | Target
    of: Tensor
    by: str = "l2"

    def bind(self, net: Network) -> Bound:
        unit = whole_layer(net, self.layer)
        if self.by not in _SUMMARIES:
            raise unknown("way to match", self.by, _SUMMARIES)
        summary = _SUMMARIES[self.by]
        with torch.no_grad():
            wanted = summary(net.activations(self.of, {unit.layer})[unit.layer])

        def score(values: Tensor) -> Tensor:
            found = summary(values)
            if found.shape[1:] != wanted.shape[1:]:
                raise ConvscopeError(
                    f"{unit.layer!r} gives {tuple(found.shape[1:])} here and"
                    f" {tuple(wanted.shape[1:])} for the image to match: bring both to one size,"
                    " or match by gram or moments"
                )
            if self.by == "cosine":
                return F.cosine_similarity(found, wanted) - 1
            return -(found - wanted).square().sum(1) / wanted.square().sum(1).clamp_min(1e-12)

        return of_unit(net, unit, score)


@dataclass(frozen=True, eq=False)
class caricature(Objective):
    """How far a layer's activations go along those for another image `of` (1, 3, H, W), which
    itself scores 1, times the cosine between the two to the power `cosine`.

    Climbing it exaggerates what is strong in the other image (Olah 2018).
    """

    layer: str | Target
    of: Tensor
    cosine: float = 1.0

    def bind(self, net: Network) -> Bound:
        unit = whole_layer(net, self.layer)
        with torch.no_grad():
            wanted = net.activations(self.of, {unit.layer})[unit.layer].flatten(1)

        def score(values: Tensor) -> Tensor:
            found = values.flatten(1)
            if found.shape[1] != wanted.shape[1]:
                raise ConvscopeError(f"{unit.layer!r}: bring both images to one size")
            along = (found * wanted).sum(1) / wanted.square().sum(1).clamp_min(1e-12)
            return along * F.cosine_similarity(found, wanted).clamp_min(0.1) ** self.cosine

        return of_unit(net, unit, score)


@dataclass(frozen=True, eq=False)
class resemble(Objective):
    """How much every place of a layer looks like some place of another image `of` (1, 3, H, W).

    Of the other image's activations, as directions of unit length, each place takes the one that it
    goes along furthest; how far is the mean over places (Mordvintsev, Olah and Tyka 2015). With
    `cosine` above 0 that is multiplied by the cosine between the two to this power. The paper takes
    no unit length and no cosine: then the other image's strongest place is taken nearly everywhere,
    and what grows is what grows in any dream.
    """

    layer: str | Target
    of: Tensor
    cosine: float = 4.0

    def bind(self, net: Network) -> Bound:
        unit = whole_layer(net, self.layer)
        with torch.no_grad():
            found = net.activations(self.of, {unit.layer})[unit.layer]
        if len(found) != 1:
            raise ConvscopeError(f"resemble takes one image to look like, not {len(found)}")
        there = F.normalize(_places(found)[0], dim=0)

        def score(values: Tensor) -> Tensor:
            here = _places(values)
            with torch.no_grad():
                few = max(1, _PRODUCTS // there.shape[1])
                nearest = [(part.transpose(1, 2) @ there).argmax(2) for part in here.split(few, 2)]
                chosen = there.T[torch.cat(nearest, 1)].transpose(1, 2)
            along = (here * chosen).sum(1)
            if self.cosine:
                alike = along / torch.linalg.vector_norm(here, dim=1).clamp_min(1e-12)
                along = along * alike.clamp_min(0.1) ** self.cosine
            return along.mean(1)

        return of_unit(net, unit, score)


# How many products of places are held at once: an early layer of two photographs has billions.
_PRODUCTS = 2**24


def _places(values: Tensor) -> Tensor:
    """(N, C, ...) as (N, C, places)."""
    return values.reshape(*values.shape[:2], -1)


def _moments(values: Tensor) -> Tensor:
    flat = values.flatten(2)
    return torch.cat([flat.mean(2), (flat.var(2, unbiased=False) + 1e-8).sqrt()], 1)


_SUMMARIES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "l2": lambda values: values.flatten(1),
    "cosine": lambda values: values.flatten(1),
    "gram": lambda values: tensors.gram(values).flatten(1),
    "moments": _moments,
}
