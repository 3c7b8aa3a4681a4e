"""Expanded weights: how much a unit of one layer moves the units of another, and the classes.

Voss et al. 2021, "Visualizing Weights", expand weights through the layers between two layers as if
these were linear. Here the layers between are linearized at the photographs to which the unit
answers most: a mean Jacobian. Where nothing but linear layers lies between, it is the sum of the
kernel, whatever the photographs are (a padded border takes its part of the kernel away).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from convscope.collection import Index
from convscope.errors import ConvscopeError
from convscope.microscope.facts import ClassValue, Connections, UnitValue
from convscope.network import PRE, Network
from convscope.types import Array

PHOTOGRAPHS = 4  # of a unit's strongest, over which its weights are a mean

LINKS, CLASSES = 16, 10  # units and classes kept at each side


@dataclass(frozen=True)
class Around:
    """The indexed layers next to one: the last that it is computed from, the first behind it."""

    before: str | None
    behind: str | None


def around(net: Network, layers: Sequence[str], name: str) -> Around:
    """Which of `layers` are next to the layer `name`, which is one of them."""
    depth = {layer: len(net.layers_below(layer)) for layer in layers}
    before = [other for other in layers if _is_below(net, other, name)]
    behind = [other for other in layers if _is_below(net, name, other)]
    return Around(
        max(before, key=depth.__getitem__, default=None),
        min(behind, key=depth.__getitem__, default=None),
    )


def _is_below(net: Network, one: str, other: str) -> bool:
    """Whether a layer is computed from another one."""
    own = one.removesuffix(PRE)
    return own != other.removesuffix(PRE) and own in {n.name for n in net.layers_below(other)}


def has_scores(net: Network) -> bool:
    """Whether the network gives one score a class for each image."""
    return bool(net.num_classes) and len(net.output.shape) == 1


def connections_of(net: Network, index: Index, layer: str, channel: int) -> Connections:
    """What feeds a unit, what it feeds, and the classes that it pushes up and down.

    Raises:
        ConvscopeError: a photograph is gone, or the network has no second gradients.
    """
    near = around(net, list(index.channels), layer)
    top = index.channels[layer].top
    rows = top.rows[channel][:PHOTOGRAPHS].tolist()
    inputs = torch.cat([net.preprocess(index.photo(row)) for row in rows])
    unit = _Unit(net, layer, channel, top.positions[channel][:PHOTOGRAPHS], inputs)
    outputs = [""] if has_scores(net) else []
    values = unit.read([*filter(None, (near.before, near.behind)), *outputs])
    pushed = unit.moved(values[""], "") if outputs else None
    return Connections(
        layer=layer,
        channel=channel,
        fed_by=_strongest(near.before, near.before and unit.fed_by(values, near.before)),
        feeds=_strongest(near.behind, near.behind and unit.moved(values[near.behind], near.behind)),
        up=_classes(net, pushed, up=True),
        down=_classes(net, pushed, up=False),
        photographs=len(rows),
    )


class _Unit:
    """A unit at its strongest position in each of some inputs (N, 3, H, W)."""

    def __init__(
        self, net: Network, layer: str, channel: int, places: Array, inputs: Tensor
    ) -> None:
        self.net, self.layer, self.channel, self.inputs = net, layer, channel, inputs
        self._places = torch.from_numpy(places.astype("int64")).to(inputs.device)
        self._values: Mapping[str, Tensor] = {}

    def read(self, others: Sequence[str]) -> Mapping[str, Tensor]:
        """The values of the unit's layer and of others, as the network gives them."""
        # Of torch's ways to compute attention, this one has gradients of gradients.
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            names = [*dict.fromkeys([self.layer, *others])]
            self._values = self.net.activations(self.inputs, names, leaves=True)
        return self._values

    def _flat(self, name: str, values: Tensor) -> Tensor:
        """(N, C, positions)."""
        ordered = self.net.by_channel(name, values)
        return ordered.reshape(*ordered.shape[:2], -1)

    def fed_by(self, values: Mapping[str, Tensor], before: str) -> Tensor:
        """How much the unit gains at its strongest position when a channel before it rises: (C,).

        The channel rises by one everywhere.
        """
        with torch.enable_grad(), self.net.numerics():
            own = self._flat(self.layer, values[self.layer])[:, self.channel]
            gradient = _gradient(own.gather(1, self._places[:, None]).sum(), values[before])
        return self._flat(before, gradient).sum(2).mean(0).detach()

    def moved(self, values: Tensor, name: str) -> Tensor:
        """How much the mean of a channel behind, or a score, gains when the unit rises: (C,).

        The unit rises by one everywhere. At its strongest position alone, the activation behind it
        may be flat: a ReLU6 is above 6.
        """
        with torch.enable_grad(), self.net.numerics():
            means = self._flat(name, values).mean(2)
            # The gradient of weighted means, as a function of the weights, is linear in them. Its
            # own gradient has what one unit does to all means, for two ways back instead of many.
            weights = torch.zeros_like(means, requires_grad=True)
            gradient = _gradient((weights * means).sum(), self._values[self.layer], again=True)
            own = self._flat(self.layer, gradient)[:, self.channel].sum()
            return _gradient(own, weights).mean(0).detach()


def _gradient(score: Tensor, inputs: Tensor, *, again: bool = False) -> Tensor:
    """The gradient of a score; zeros where it does not depend on the inputs."""
    if not score.requires_grad:
        return torch.zeros_like(inputs)
    try:
        (found,) = torch.autograd.grad(
            score, inputs, retain_graph=True, create_graph=again, allow_unused=True
        )
    except RuntimeError as error:
        if "not implemented" not in str(error):
            raise
        raise ConvscopeError(
            f"the weights between units need gradients of gradients, which torch does not have"
            f" for a part of this network ({error})"
        ) from error
    return torch.zeros_like(inputs) if found is None else found


def _strongest(layer: str | None, weights: Tensor | str | None) -> tuple[UnitValue, ...]:
    """The units with the largest weights by absolute value, without those that have none."""
    if layer is None or not isinstance(weights, Tensor):
        return ()
    order = weights.abs().argsort(descending=True, stable=True)[:LINKS].tolist()
    return tuple(UnitValue(layer, i, float(weights[i])) for i in order if weights[i])


def _classes(net: Network, pushed: Tensor | None, *, up: bool) -> tuple[ClassValue, ...]:
    """The classes that rise most, or fall most."""
    if pushed is None:
        return ()
    order = pushed.argsort(descending=up, stable=True)[:CLASSES].tolist()
    found = [ClassValue(i, net.label(i), float(pushed[i])) for i in order]
    return tuple(one for one in found if (one.value > 0) == up and one.value)
