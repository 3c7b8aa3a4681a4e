"""Compositional pattern-producing networks: small networks that draw regular patterns.

K. Stanley, "Compositional Pattern Producing Networks: A Novel Abstraction of Development", 2007, as
A. Nguyen, J. Yosinski and J. Clune evolve them in "Deep Neural Networks are Easily Fooled", 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

INPUTS = ("x", "y", "distance from the center", "bias")

OUTPUTS = ("hue", "saturation", "brightness")


def _gaussian(values: Tensor) -> Tensor:
    return values.square_().neg_().exp_()


# Each changes its argument, a sum that nothing else needs. All values are between -1 and 1.
FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "sine": torch.Tensor.sin_,
    "sigmoid": lambda values: values.div_(2).tanh_(),  # a logistic function from -1 to 1
    "gaussian": _gaussian,
    "linear": lambda values: values.div_(3).clamp_(-1, 1),
}


class Link(NamedTuple):
    """What one node adds to another."""

    source: int
    target: int
    weight: float


class CPPN(NamedTuple):
    """A network from the place of a pixel to its color.

    Attributes:
        functions: of the nodes after the inputs, in the order in which they are computed. The last
            ones are the outputs.
        links: between nodes; the inputs are nodes 0 to 3. Each leads to a later node, and none
            begins at an output.
    """

    functions: tuple[str, ...]
    links: tuple[Link, ...]

    @property
    def nodes(self) -> int:
        """The number of nodes, with inputs and outputs."""
        return len(INPUTS) + len(self.functions)

    @property
    def first_output(self) -> int:
        """The node of the first output."""
        return self.nodes - len(OUTPUTS)


def coordinates(height: int, width: int) -> Tensor:
    """The inputs at each pixel, (4, height * width). Places run from -1 to 1 along both sides."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    inputs = torch.stack([x, y, torch.hypot(x, y), torch.ones_like(x)])
    return inputs.flatten(1)


def outputs(cppn: CPPN, inputs: Tensor) -> Tensor:
    """The values of the outputs at each pixel, (3, pixels), between -1 and 1.

    Args:
        cppn: the network.
        inputs: the values of its inputs, (4, pixels).
    """
    into: dict[int, list[Link]] = {}
    for link in cppn.links:
        into.setdefault(link.target, []).append(link)
    needed = _needed(cppn, into)
    values: dict[int, Tensor] = dict(enumerate(inputs))
    for node, function in enumerate(cppn.functions, len(INPUTS)):
        if node in needed:
            total = torch.zeros_like(inputs[0])
            for link in into.get(node, ()):
                total.add_(values[link.source], alpha=link.weight)
            values[node] = FUNCTIONS[function](total)
    return torch.stack([values[node] for node in range(cppn.first_output, cppn.nodes)])


def _needed(cppn: CPPN, into: Mapping[int, Sequence[Link]]) -> set[int]:
    """The nodes that an output depends on."""
    found = set(range(cppn.first_output, cppn.nodes))
    for node in reversed(range(cppn.nodes)):
        if node in found:
            found.update(link.source for link in into.get(node, ()))
    return found


def colors(values: Tensor) -> Tensor:
    """RGB in [0, 1] from hue, saturation and brightness between -1 and 1; signs do not count.

    Args:
        values: (N, 3, ...).
    """
    hue, saturation, brightness = values.abs().unbind(1)
    channels = []
    for turn in (5, 3, 1):
        place = (hue * 6 + turn) % 6
        share = torch.minimum(place, 4 - place).clamp_(0, 1)
        channels.append(brightness - brightness * saturation * share)
    return torch.stack(channels, 1)
