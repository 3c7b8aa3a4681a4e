"""What an objective is, how objectives combine, and the names that they look up in a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from numbers import Real
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from convscope.errors import ConvscopeError, short
from convscope.network import Network, by_class
from convscope.types import Target, TargetLike
from convscope.vocabulary.objectives.others import OtherImages
from convscope.vocabulary.rules import RuleMode
from convscope.vocabulary.word import Word

Activations = Mapping[str, Tensor]

ARITHMETIC = (
    "objectives add to and subtract from objectives, and numbers multiply and divide them, as in"
    " logit('tabby') - 0.1 * tv()"
)

UnitName = Annotated[
    str | int | Target,
    Field(
        description="a class (tabby, 281), a layer (blocks.4), a channel (blocks.4:12) or a neuron"
        " (blocks.4:12@7,7)",
        json_schema_extra={"format": "target"},
    ),
]
ClassName = Annotated[
    str | int | Target,
    Field(
        description="a class, by its name or number (tabby, 281)",
        json_schema_extra={"format": "target"},
    ),
]
LayerName = Annotated[
    str | Target, Field(description="a layer (blocks.4)", json_schema_extra={"format": "layer"})
]
Exponent = Annotated[
    float, Field(ge=0, le=100, description="power of the cosine that the score is multiplied by")
]


@dataclass(frozen=True)
class Bound:
    """An objective bound to a network: the layers that it reads, and how it computes its score.

    `score(activations, image)` gets the activations of the layers by name and the image
    (N, 3, H, W), and returns a score for each image, (N,).
    """

    layers: frozenset[str]
    score: Callable[[Activations, Tensor], Tensor]

    def read(
        self,
        net: Network,
        image: Tensor,
        more: Iterable[str] = (),
        *,
        view: Tensor | None = None,
        mode: RuleMode | None = None,
        leaves: bool = False,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Run the network once.

        Args:
            net: the network that the objective was bound to.
            image: (N, 3, H, W), RGB in [0, 1].
            more: further layers to read.
            view: what the network gets, if this is not the image itself.
            mode: the backward rule under which the network runs.
            leaves: whether gradients begin at the shallowest layer, as in `Network.activations`.

        Returns:
            The activations by layer, and the score (N,).

        Raises:
            ConvscopeError: a layer that the score reads has no gradient by the image, or the rule
                met no activation that it could change.
        """
        layers = self.layers | set(more)
        activations: dict[str, Tensor] = {}
        if layers:
            seen = image if view is None else view
            with mode or nullcontext():
                activations = net.activations(seen, layers, leaves=leaves)
            net.sizes.check_units(activations, seen)
            if mode:
                mode.watch({name: activations[name] for name in sorted(self.layers)}, seen)
        return activations, self.score(activations, image)


class Objective(Word):
    """A score to climb. Subclasses are frozen dataclasses whose fields are their whole meaning.

    Objectives add to and subtract from objectives, and numbers multiply and divide them. Every
    operation gives a new objective.
    """

    def bind(self, net: Network) -> Bound:
        """Look names up in a network; an unknown name raises here, before any work is done."""
        raise NotImplementedError

    def compared(self, net: Network) -> Iterator[tuple[Tensor, str]]:
        """The other images whose activations `bind` reads, each with the name of a layer."""
        yield from ()

    def bind_among(self, net: Network, others: OtherImages) -> Bound:
        """Like `bind`, where other objectives compare with the same images."""
        return self.bind(net)

    @property
    def _terms(self) -> tuple[tuple[float, Objective], ...]:
        return ((1.0, self),)

    def __add__(self, other: Objective) -> Objective:
        if not isinstance(other, Objective):
            raise _refused(self, "+", other)
        return weighted(self._terms + other._terms)

    def __radd__(self, other: int) -> Objective:
        if type(other) is int and other == 0:  # what `sum` begins with
            return self
        raise _refused(other, "+", self)

    def __sub__(self, other: Objective) -> Objective:
        if not isinstance(other, Objective):
            raise _refused(self, "-", other)
        return self + -1.0 * other

    def __rsub__(self, other: object) -> Objective:
        raise _refused(other, "-", self)

    def __mul__(self, factor: float) -> Objective:
        if isinstance(factor, bool) or not isinstance(factor, Real):
            raise _refused(self, "*", factor)
        return weighted(tuple((weight * float(factor), one) for weight, one in self._terms))

    def __rmul__(self, factor: float) -> Objective:
        return self * factor

    def __truediv__(self, divisor: float) -> Objective:
        if isinstance(divisor, bool) or not isinstance(divisor, Real) or divisor == 0:
            raise _refused(self, "/", divisor)
        return weighted(tuple((weight / float(divisor), one) for weight, one in self._terms))

    def __rtruediv__(self, other: object) -> Objective:
        raise _refused(other, "/", self)

    def __neg__(self) -> Objective:
        return self * -1.0


def _refused(left: object, sign: str, right: object) -> ConvscopeError:
    return ConvscopeError(f"cannot compute {short(left)} {sign} {short(right)}: {ARITHMETIC}")


@dataclass(frozen=True)
class weighted(Objective):
    """The sum of several objectives, each multiplied by a weight."""

    terms: Annotated[
        tuple[tuple[float, Objective], ...],
        Field(min_length=1, description="pairs of a weight and an objective"),
    ]

    @property
    def _terms(self) -> tuple[tuple[float, Objective], ...]:
        return self.terms

    def compared(self, net: Network) -> Iterator[tuple[Tensor, str]]:
        for _, objective in self.terms:
            yield from objective.compared(net)

    def bind(self, net: Network) -> Bound:
        return self.bind_among(net, OtherImages(net, self.compared(net)))

    def bind_among(self, net: Network, others: OtherImages) -> Bound:
        bound = [(weight, objective.bind_among(net, others)) for weight, objective in self.terms]

        def score(activations: Activations, image: Tensor) -> Tensor:
            first, *rest = (weight * one.score(activations, image) for weight, one in bound)
            return sum(rest, start=first)

        return Bound(frozenset().union(*(one.layers for _, one in bound)), score)


@dataclass(frozen=True)
class each(Objective):
    """Gives each image of a batch an objective of its own, in order."""

    objectives: Annotated[
        tuple[Objective, ...],
        Field(min_length=1, description="one objective for each image of the batch"),
    ]

    def compared(self, net: Network) -> Iterator[tuple[Tensor, str]]:
        for objective in self.objectives:
            yield from objective.compared(net)

    def bind(self, net: Network) -> Bound:
        return self.bind_among(net, OtherImages(net, self.compared(net)))

    def bind_among(self, net: Network, others: OtherImages) -> Bound:
        bound = [objective.bind_among(net, others) for objective in self.objectives]

        def score(activations: Activations, image: Tensor) -> Tensor:
            if len(image) != len(bound):
                raise ConvscopeError(f"{len(bound)} objectives for {len(image)} images")
            # Split once a layer and not once a row, whose gradients would each be as large as it.
            split = net.layouts.split
            rows = {name: split(name, value, len(image)) for name, value in activations.items()}
            return torch.cat(
                [
                    one.score({name: rows[name][i] for name in one.layers}, image[i : i + 1])
                    for i, one in enumerate(bound)
                ]
            )

        return Bound(frozenset().union(*(one.layers for one in bound)), score)


def of_class(
    net: Network, name: str | int | Target, score: Callable[[Tensor, int], Tensor]
) -> Bound:
    """An objective that reads the scores (N, classes, ...) of an output and the number of a class.

    The score at places of a map, (N, rows, columns), is averaged over the target's own.
    """
    target = net.target(name)
    if not target.is_class or target.channel is None:
        raise ConvscopeError(f"{target} is not a class; climb its activation")
    index = target.channel

    boxes = net.outputs.of(target).boxes

    def read(activations: Activations, _image: Tensor) -> Tensor:
        values = activations[target.layer]
        found = score(by_class(values, target.region) if boxes else values, index)
        return found if found.dim() == 1 else placed(found, target).flatten(1).mean(1)

    return Bound(frozenset({target.layer}), read)


def placed(maps: Tensor, target: Target) -> Tensor:
    """The part of maps (..., rows, columns) that a target is about."""
    if target.position is not None:
        row, column = target.position
        return maps[..., row : row + 1, column : column + 1]
    if target.region is not None:
        top, left, bottom, right = target.region
        return maps[..., top:bottom, left:right]
    return maps


def as_layer(net: Network, name: TargetLike) -> Target:
    """The target that a name means where it must be a layer, such as "3" of a `Sequential`."""
    known = any(layer.name == name for layer in net.layers)
    return net.target(Target(str(name)) if known else name)


def whole_layer(net: Network, name: str | Target) -> Target:
    """The target of a whole layer that has channels."""
    target = as_layer(net, name)
    if target.channel is not None or not net.shape(target.layer):
        raise ConvscopeError(f"{target} is not a whole layer: name one without channel or position")
    return target


def of_unit(
    net: Network,
    name: str | int | Target,
    score: Callable[[Tensor], Tensor],
    by_channel: bool = False,
) -> Bound:
    """An objective that reads the activations (N, ...) of a unit; "" is the network's output.

    Args:
        net: the network.
        name: the unit.
        score: makes a score (N,) of the activations.
        by_channel: whether it needs those of a whole layer as (N, C, ...); those of a channel have
            this order always.
    """
    target = Target("") if name == "" else net.target(name)
    whole = target.channel is None and not by_channel
    boxes = target.layer in net.outputs and net.outputs[target.layer].boxes

    def read(activations: Activations, _image: Tensor) -> Tensor:
        values = activations[target.layer]
        if whole:
            return score(net.layouts.by_image(target.layer, values))
        values = net.by_channel(target.layer, values)
        if boxes:
            values = by_class(values, target.region)
        if target.channel is not None:
            values = values[:, target.channel : target.channel + 1]
        values = values if boxes else placed(values, target)
        if not values.numel():
            raise ConvscopeError(f"images of this size have no {target}; leave the size out")
        return score(values)

    return Bound(frozenset({target.layer}), read)
