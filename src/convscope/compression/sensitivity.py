"""How much each layer minds a change of its weights, and what follows from that.

Small changes of a layer's weights change the answers by about c times the sum of their squares
(LeCun, Denker and Solla 1990), where c is measured for each layer alone. The answers then change
least, for a given number of bytes, where a threshold or a distance of levels is proportional to
1 / sqrt(c): the last weight that is pruned, or the last bit that is saved, costs as much in every
layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from convscope.compression.compensating import Compensation, nearest
from convscope.compression.judging import Judge, Score
from convscope.types import Array

COARSE = 0.7  # distance of the levels that a layer's weights are rounded to, in their deviations

SMALLEST = 1e-12


class Sensitivity(NamedTuple):
    """How one layer alone minds a change of its weights.

    Attributes:
        name: the name of the weights.
        scores: what is measured at each sparsity.
        pruned: the divergence for each squared change, where weights are pruned.
        rounded: the same where weights are rounded to coarse levels and make up for each other's
            errors, for each squared change that plain rounding would make.
    """

    name: str
    scores: tuple[Score, ...]
    pruned: float
    rounded: float


@torch.no_grad()
def sensitivities(
    module: nn.Module,
    names: Sequence[str],
    sparsities: Sequence[float],
    judge: Judge,
    compensations: Mapping[str, Compensation],
) -> Iterator[Sensitivity]:
    """Measure each layer alone. The module is as before after each."""
    parameters = dict(module.named_parameters())
    for name in names:
        weights = parameters[name]
        before = weights.clone()

        def measured(value: Tensor, plain: Tensor) -> tuple[Score, float]:
            weights.copy_(value)  # noqa: B023
            score = judge(module)
            squares = float((plain - before).square().sum())  # noqa: B023
            return score, max(score.divergence, SMALLEST) / max(squares, SMALLEST)

        changed = [pruned(before, threshold(before, one)) for one in sparsities]
        found = [measured(value, value) for value in changed]
        step = COARSE * float(before.std())
        plain = nearest(before, step)
        made_up = compensations[name].rounded(before, step) if name in compensations else plain
        _, rounded = measured(made_up, plain)
        weights.copy_(before)
        scores = tuple(score for score, _ in found)
        yield Sensitivity(name, scores, float(np.median([cost for _, cost in found])), rounded)


def threshold(weights: Tensor, sparsity: float) -> float:
    """The magnitude that a fraction of the weights does not exceed; below 0 for none."""
    count = int(sparsity * weights.numel())
    return float(weights.abs().flatten().kthvalue(count).values) if count else -1.0


def pruned(weights: Tensor, least: float) -> Tensor:
    """Weights with zeros in place of those whose magnitude is at most `least`."""
    return weights * (weights.abs() > least)


def thresholds(
    weights: Mapping[str, Tensor], costs: Mapping[str, float], sparsity: float
) -> dict[str, float]:
    """The threshold of each layer, for a fraction of all weights, in proportion to 1 / sqrt(c)."""
    if sparsity == 0:
        return dict.fromkeys(weights, -1.0)
    scaled = torch.cat([w.abs().flatten() * costs[name] ** 0.5 for name, w in weights.items()])
    least = threshold(scaled, sparsity)
    return {name: least / costs[name] ** 0.5 for name in weights}


def adaptive_scores(weights: Tensor) -> Tensor:
    """What a layer would lose with each weight: its square, as a fraction of those not smaller.

    The larger ones are what is left when weights are pruned in order of magnitude. So scores of
    different layers can be compared without a measurement (Lee et al. 2021).
    """
    squares, order = weights.flatten().square().double().sort(descending=True)
    scores = torch.empty_like(squares)
    scores[order] = squares / squares.cumsum(0).clamp_min(torch.finfo(torch.float32).tiny)
    return scores.float().reshape(weights.shape)


@dataclass(frozen=True)
class Spacing:
    """The distance of a layer's levels, in proportion to 1 / sqrt(c) but for a bound.

    Attributes:
        costs: c of each layer.
        most: the largest number of levels.
    """

    costs: Mapping[str, float]
    most: int = 1024

    def levels(self, name: str, values: Array, scale: float) -> Array:
        """The levels of a layer, evenly spaced, with zero among them.

        The largest weight has another level than zero.

        Args:
            name: the layer.
            values: its weights that are not pruned.
            scale: what 1 / sqrt(c) is multiplied with.
        """
        low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
        wanted = scale / self.costs[name] ** 0.5
        step = min(max(wanted, (high - low) / (self.most - 2)), max(-low, high))
        found: Array = np.arange(np.rint(low / step), np.rint(high / step) + 1) * step
        return found


def smallest(fits: Callable[[float], bool], low: float, high: float, steps: int = 18) -> float:
    """The smallest number in a range, to a factor, for which something holds, as for all larger."""
    for _ in range(steps):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high
