"""Which units decided: gradient times activation, summed over the positions of a channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from convscope.microscope.facts import Decided, UnitValue
from convscope.network import Network

Score = Callable[[Tensor], Tensor]  # of logits (N, classes), one number (N,)

LARGEST = 24  # parts kept of each layer

EXACT = 1e-4  # of the score's size; gradients that differ less are the same but for rounding


def decided(
    net: Network, layers: Sequence[str], image: Tensor, scores: Sequence[Score]
) -> list[tuple[Decided, ...]]:
    """For each score, what the units of each layer added to it.

    Args:
        net: the network; it gives one score a class.
        layers: the layers.
        image: (1, 3, H, W), as the network gets it.
        scores: what is explained.
    """
    # What follows a layer is linear if a very different image has the same gradient there.
    pair = torch.cat([image, 1 - image])
    with torch.enable_grad(), net.numerics():
        values = net.activations(pair, [*layers, ""], leaves=True)
        asked = [score(values[""]) for score in scores]
        found = []
        for score in asked:
            gradients = torch.autograd.grad(
                score.sum(), [values[name] for name in layers], retain_graph=True, allow_unused=True
            )
            each = zip(layers, gradients, strict=True)
            found.append(tuple(_part(net, name, values[name], one, score) for name, one in each))
    return found


def _part(
    net: Network, layer: str, values: Tensor, gradient: Tensor | None, score: Tensor
) -> Decided:
    gradient = torch.zeros_like(values) if gradient is None else gradient
    flat = [net.by_channel(layer, one.detach()).flatten(1) for one in (values, gradient)]
    channels = net.channel_shape(layer)[0]
    parts = (flat[0].double() * flat[1].double()).reshape(2, channels, -1).sum(2)
    score = score.detach().double()
    rest = score - parts.sum(1)
    units, scale = parts[0], float(score.abs().max()) or 1.0
    order = units.abs().argsort(descending=True, stable=True)[:LARGEST].tolist()
    return Decided(
        layer=layer,
        units=tuple(UnitValue(layer, i, float(units[i])) for i in order if units[i]),
        total=float(units.sum()),
        score=float(score[0]),
        constant=float(rest[0]),
        exact=_same(flat[1]) and float((rest[0] - rest[1]).abs()) <= EXACT * scale,
    )


def _same(gradients: Tensor) -> bool:
    """Whether both images have the same gradient."""
    return bool((gradients[0] - gradients[1]).abs().max() <= EXACT * gradients.abs().max())
