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
from convscope.errors import ConvscopeError, unknown
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
            # Cut once a layer and not once a row, whose gradients would each be as large as it.
            rows = {name: value.split(1) for name, value in activations.items()}
            return torch.cat(
                [
                    one.score({name: rows[name][i] for name in one.layers}, image[i : i + 1])
                    for i, one in enumerate(bound)
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
class log_probability(Objective):
    """The logarithm of a class's softmax probability: it also climbs by lowering other classes."""

    target: str | int | Target

    def bind(self, net: Network) -> Bound:
        return _of_class(net, self.target, lambda logits, i: logits.log_softmax(1)[:, i])


@dataclass(frozen=True)
class margin(Objective):
    """A class's logit less the mean of the `strongest` other ones: it, and not its neighbours."""

    target: str | int | Target
    strongest: int = 20

    def bind(self, net: Network) -> Bound:
        def score(logits: Tensor, index: int) -> Tensor:
            others = torch.cat([logits[:, :index], logits[:, index + 1 :]], 1)
            rivals = others.topk(min(self.strongest, others.shape[1]), 1).values
            return logits[:, index] - rivals.mean(1)

        return _of_class(net, self.target, score)


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
        unit = _layer_of(net, self.layer)
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

        return _unit(net, unit, score)


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

        return _unit(net, _layer_of(net, self.layer), score)


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
        unit = _layer_of(net, self.layer)
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

        return _unit(net, unit, score)


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
        unit = _layer_of(net, self.layer)
        with torch.no_grad():
            wanted = net.activations(self.of, {unit.layer})[unit.layer].flatten(1)

        def score(values: Tensor) -> Tensor:
            found = values.flatten(1)
            if found.shape[1] != wanted.shape[1]:
                raise ConvscopeError(f"{unit.layer!r}: bring both images to one size")
            along = (found * wanted).sum(1) / wanted.square().sum(1).clamp_min(1e-12)
            return along * F.cosine_similarity(found, wanted).clamp_min(0.1) ** self.cosine

        return _unit(net, unit, score)


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
        unit = _layer_of(net, self.layer)
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

        return _unit(net, unit, score)


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


@dataclass(frozen=True)
class power(Objective):
    """The mean of |pixel - grey|^exponent; at 6 it bounds contrast (Mahendran and Vedaldi 2015)."""

    exponent: float = 6.0

    def bind(self, net: Network) -> Bound:
        def score(_: Activations, image: Tensor) -> Tensor:
            return (image - 0.5).abs().flatten(1).pow(self.exponent).mean(1)

        return Bound(frozenset(), score)


def _of_class(
    net: Network, words: str | int | Target, score: Callable[[Tensor, int], Tensor]
) -> Bound:
    target = net.target(words)
    if target.layer or target.channel is None:
        raise ConvscopeError(f"{target} is no class; climb its activation")
    index = target.channel
    return Bound(frozenset({""}), lambda activations, _: score(activations[""], index))


def as_layer(net: Network, words: str | Target) -> Target:
    """What the words name where a layer is meant rather than a class: of a `Sequential` "3" too."""
    known = any(layer.name == words for layer in net.layers)
    return net.target(Target(str(words)) if known else words)


def _layer_of(net: Network, words: str | Target) -> Target:
    """A whole layer with channels."""
    target = as_layer(net, words)
    if target.channel is not None or not net.shape(target.layer):
        raise ConvscopeError(f"{target} is no whole layer: name one without channel or position")
    return target


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
