"""The last layer of a network as a matrix, where the scores are linear in a layer's means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convscope.microscope.weights import has_scores
from convscope.network import Network
from convscope.types import Array


@dataclass(frozen=True)
class Head:
    """The scores are `weights @ means + bias` of a layer's channels.

    Args:
        weights: (classes, C) float64.
        bias: (classes,) float64.
    """

    weights: Array
    bias: Array


def head_of(net: Network, layer: str) -> Head | None:
    """How the scores follow from the means of a layer's channels; None where not linearly.

    It is linear if the gradient is the same for two different images, and at all positions, and if
    what it leaves out of the scores is the same.
    """
    if not has_scores(net):
        return None
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, *net.input_size, generator=generator)
    with torch.enable_grad(), net.numerics():
        values = net.activations(images, [layer, ""], leaves=True)
        if not values[""].requires_grad:
            return None
        count = values[""].shape[1]
        if not _is_constant(_at(net, layer, values, torch.randn(count, generator=generator))):
            return None
        each = [_at(net, layer, values, one) for one in torch.eye(count)]
    gradients = torch.stack(each)  # (classes, 2, C, positions)
    means = _flat(net, layer, values[layer]).double().mean(2)
    weights = gradients[:, 0].double().sum(2)
    bias = values[""].detach().double() - means @ weights.T
    if not (_is_constant(gradients.movedim(1, 0)) and _same(bias[0], bias[1])):
        return None
    return Head(weights.numpy(force=True), bias[0].numpy(force=True))


def _flat(net: Network, layer: str, values: Tensor) -> Tensor:
    ordered = net.by_channel(layer, values.detach())
    return ordered.reshape(*ordered.shape[:2], -1)


def _at(net: Network, layer: str, values: dict[str, Tensor], weights: Tensor) -> Tensor:
    """The gradient of the weighted scores of both images, (2, C, positions)."""
    each = weights.to(values[""]).expand_as(values[""])
    (found,) = torch.autograd.grad(
        values[""], values[layer], each, retain_graph=True, allow_unused=True
    )
    return _flat(net, layer, torch.zeros_like(values[layer]) if found is None else found)


def _is_constant(gradients: Tensor) -> bool:
    """Whether gradients (2, ..., positions) are the same for both images and at all positions."""
    return _same(gradients, gradients[:1, ..., :1].expand_as(gradients))


def _same(one: Tensor, other: Tensor) -> bool:
    scale = float(one.abs().max()) or 1.0
    return bool(np.isclose(float((one - other).abs().max()) / scale, 0, atol=1e-4))
