"""TODO."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.types import Target
from convscope.vocabulary.rules import RuleMode

Activations = Mapping[str, Tensor]


@dataclass(frozen=True)
class Bound:
    """An objective that knows its network: the layers it reads and the score (N,) it makes of them.

    `score(activations, image)` gets what was read and the image (N, 3, H, W) itself.
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
            ConvscopeError: the rule met no activation that it could change.
        """
        layers = self.layers | set(more)
        activations: dict[str, Tensor] = {}
        if layers:
            with mode or nullcontext():
                seen = image if view is None else view
                activations = net.activations(seen, layers, leaves=leaves)
            if mode:
                mode.check()
        return activations, self.score(activations, image)


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


def of_class(
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


def whole_layer(net: Network, words: str | Target) -> Target:
    """A whole layer with channels."""
    target = as_layer(net, words)
    if target.channel is not None or not net.shape(target.layer):
        raise ConvscopeError(f"{target} is no whole layer: name one without channel or position")
    return target


def of_unit(net: Network, words: str | int | Target, score: Callable[[Tensor], Tensor]) -> Bound:
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
