"""Statistics of a layer's activations over all positions: what textures and styles have in common.

A statistic is a tuple of vectors (N, D), whatever the size of the image. The distance between two
is the sum of the squared distances of their vectors, each divided by the squared norm of what is
wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope import tensors

StatisticName = Literal["gram", "centered", "moments", "sliced"]
Parts = Sequence[Tensor]
Statistic = Callable[[Tensor, Tensor | None], Parts]

QUANTILES = 256  # of each direction


def distance(found: Parts, wanted: Parts) -> Tensor:
    """The distance (N,) between two statistics: 0 where they agree, 1 for a found one of zeros in
    each part."""
    parts = [relative_error(one, other) for one, other in zip(found, wanted, strict=True)]
    return torch.stack(parts).sum(0)


def relative_error(found: Tensor, wanted: Tensor) -> Tensor:
    """The squared distance of values (N, ...), divided by the squared norm of the wanted ones."""
    apart: Tensor = _SquaredNorm.apply(found - wanted)
    size: Tensor = _SquaredNorm.apply(wanted)
    return apart / size.clamp_min(1e-12)


class _SquaredNorm(torch.autograd.Function):
    """The squared norm (N,) of values (N, ...), in whatever order they lie: most layers would be
    copied to be flattened. Its gradient takes one pass over them, and autograd's would take three.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.square().sum(tuple(range(1, values.dim())))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        slope: Tensor = values * (2 * gradient).view(-1, *[1] * (values.dim() - 1))
        return slope


def gram(values: Tensor, weights: Tensor | None = None) -> Parts:
    """The mean product of every two channels (Gatys et al. 2015).

    Args:
        values: activations (N, C, ...).
        weights: the weight of each position, (1, 1, ...); None for equal weights.
    """
    return (tensors.gram(_weighted(values, weights)).flatten(1),)


def centered(values: Tensor, weights: Tensor | None = None) -> Parts:
    """The covariance of every two channels, and the mean of each."""
    mean = _means(tensors.by_position(values), weights)
    products = tensors.gram(_weighted(values, weights))
    return (products - mean[:, :, None] * mean[:, None, :]).flatten(1), mean


def moments(values: Tensor, weights: Tensor | None = None) -> Parts:
    """The mean and the standard deviation of every channel, in one vector."""
    flat = tensors.by_position(values)
    mean = _means(flat, weights)
    # A variance is least around the mean, so that it does not change with it.
    variance = _means((flat - mean.detach()[:, :, None]).square(), weights)
    return (torch.cat([mean, (variance + 1e-8).sqrt()], 1),)


def sliced(values: Tensor, weights: Tensor | None = None) -> Parts:
    """How the activations are distributed along random directions, as many as there are channels.

    Along each direction, these are the means of `QUANTILES` groups of equal weight, from the
    smallest activations to the largest. Their squared distance is that of Wasserstein, sliced
    (Heitz et al. 2021), if the number of positions is a multiple of `QUANTILES`. The directions are
    always the same, so that the distance is a fixed function of the image.
    """
    flat = tensors.by_position(values)
    directions = _directions(flat.shape[1]).to(flat)
    ordered, order = (directions @ flat).sort(2)
    sizes = _shares(weights, flat).expand_as(ordered).gather(2, order)
    ends = sizes.cumsum(2)
    edges = torch.linspace(0, 1, QUANTILES + 1, dtype=flat.dtype, device=flat.device)
    edges = edges.expand(*ends.shape[:2], -1).contiguous()
    at = torch.searchsorted(ends, edges).clamp_max(ends.shape[2] - 1)
    # The integral of the quantile function up to each edge: all before, and a part of one position.
    before = (sizes * ordered).cumsum(2) - sizes * ordered
    inside = edges - (ends - sizes).gather(2, at)
    integral = before.gather(2, at) + inside * ordered.gather(2, at)
    return ((integral.diff(dim=2) * QUANTILES).flatten(1),)


STATISTICS: Mapping[str, Statistic] = {
    "gram": gram,
    "centered": centered,
    "moments": moments,
    "sliced": sliced,
}


@lru_cache(maxsize=16)
def _directions(channels: int) -> Tensor:
    """Random unit vectors (channels, channels), the same every time."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    return F.normalize(vectors, dim=1)


def _shares(weights: Tensor | None, flat: Tensor) -> Tensor:
    """The share of each position, (1, 1, positions), of sum 1."""
    if weights is None:
        return flat.new_full((1, 1, flat.shape[2]), 1 / flat.shape[2])
    weights = tensors.by_position(weights).to(flat)
    return weights / weights.sum(2, keepdim=True)


def _means(flat: Tensor, weights: Tensor | None) -> Tensor:
    """The mean of each channel (N, C) over positions."""
    if weights is None:
        return flat.sum(2) / flat.shape[2]  # the gradient of `mean` would be a tensor of its own
    return (flat * _shares(weights, flat)).sum(2)


def _weighted(values: Tensor, weights: Tensor | None) -> Tensor:
    """Activations whose mean products are those of the weighted positions."""
    if weights is None:
        return values
    flat = tensors.by_position(values)
    return flat * (_shares(weights, flat) * flat.shape[2]).sqrt()
