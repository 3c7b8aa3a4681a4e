"""How much what a layer holds at one position pushes every class, to first order."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from convscope import tensors
from convscope.network import Network
from convscope.vocabulary.rules import redirected


class Pushes(NamedTuple):
    """The activations at K positions of N images, and what they do to the scores of the classes.

    Args:
        activations: (N, K, C).
        classes: (N, K, classes), how much they push every class: the sum over channels of the
            activation times the gradient of the class's score there (Carter et al. 2019).
    """

    activations: Tensor
    classes: Tensor


def pushes(net: Network, inputs: Tensor, layer: str, positions: Tensor) -> Pushes:
    """What a layer holds at some positions, and how that pushes the classes, to first order.

    Two backward passes give the pushes of all classes at once, because the gradient is linear in
    the weights of the classes.

    Args:
        net: the network. If it gives no single score for each class, there are no pushes: the last
            dimension of `classes` is empty.
        inputs: (N, C, H, W) in [0, 1], at the size of the network's input.
        layer: the layer.
        positions: (N, K), positions in the layer's maps, row * width + column.
    """
    output = net.output.name if _has_scores(net) else None
    names = [layer] if output is None else [layer, output]
    with torch.enable_grad(), net.numerics():
        read = net.activations(inputs, names, leaves=True)
        maps = tensors.by_position(net.by_channel(layer, read[layer]))
        chosen = positions.to(maps.device)[:, None].expand(-1, maps.shape[1], -1)
        here = maps.gather(2, chosen)
        values = here.detach().transpose(1, 2)
        if output is None:
            return Pushes(values, values[..., :0])
        return Pushes(values, _classes(read[layer], here, chosen, read[output], net, layer))


def score_gradients(net: Network, inputs: Tensor, layer: str, weights: Tensor) -> Tensor:
    """By how much each channel of a layer changes a weighted sum of the class scores: (N, C).

    It is the gradient of that sum, averaged over positions. Where an activation is flat, a tenth of
    it passes, so that a channel that is silent in these images counts too.

    Args:
        net: the network, which gives one score for each class.
        inputs: (N, C, H, W) in [0, 1], at the size of the network's input.
        layer: the layer.
        weights: (N, classes), what each image's scores are multiplied by.
    """
    output = net.output.name
    with torch.enable_grad(), net.numerics(), redirected().mode():
        read = net.activations(inputs, [layer, output], leaves=True)
        total = (read[output] * weights.to(read[output])).sum()
        (gradient,) = torch.autograd.grad(
            total, read[layer], allow_unused=True, materialize_grads=True
        )
    return tensors.by_position(net.by_channel(layer, gradient)).mean(2)


def _has_scores(net: Network) -> bool:
    """Whether the network gives an image one score for each class."""
    return bool(net.num_classes) and len(net.shape(net.output.name)) == 1


def _classes(
    leaf: Tensor, here: Tensor, chosen: Tensor, scores: Tensor, net: Network, layer: str
) -> Tensor:
    """The pushes of each of the values `here` (N, C, K), which `leaf` holds at the `chosen`."""
    weights = torch.zeros_like(scores).requires_grad_()
    (gradient,) = torch.autograd.grad(
        scores, leaf, weights, create_graph=True, allow_unused=True, materialize_grads=True
    )
    back = tensors.by_position(net.by_channel(layer, gradient)).gather(2, chosen)
    classes = []
    for k in range(here.shape[2]):
        only = torch.zeros_like(here)
        only[..., k] = here[..., k].detach()
        (push,) = torch.autograd.grad(
            back, weights, only, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        classes.append(push)
    return torch.stack(classes, 1)
