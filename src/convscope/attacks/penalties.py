"""The least change as a trade: a weight on the margin against the square of the change."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import torch
from torch import Tensor

from convscope.ascent import Recipe, climb
from convscope.attacks.aims import Aim
from convscope.attacks.attempts import Attempt, Best
from convscope.attacks.boundary import nearest_boundary
from convscope.network import Network
from convscope.vocabulary.norms import NORMS
from convscope.vocabulary.objectives import Activations, Bound, Objective
from convscope.vocabulary.optimizers import lbfgs
from convscope.vocabulary.priors import clamp
from convscope.vocabulary.starts import photo

L2 = NORMS["l2"]


GROWTH = 4.0  # of a weight that is too small


# Of a step: how much of the way to the least change for this weight. It falls from the first to
# the last, so that the search ends at the boundary.
FARTHEST, NEAREST = 0.3, 0.01


MAX_EVALS = 10  # of the network, in one step of L-BFGS


# Weights that come first, times those that a linear network needs. From the photograph, where the
# slope is another one than at the boundary, the way is longer than it looks.
FROM_BOUNDARY, FROM_PHOTOGRAPH = 1.5, 3.0


# Minimizes from images, for weights (N, 1, 1, 1); gives whether each image came across, (N,).
Minimize = Callable[[Best, Tensor, Tensor], Generator[None, None, Tensor]]


def carlini_wagner_steps(aim: Aim, rounds: int, steps: int) -> Iterator[Attempt]:
    """The attack of Carlini and Wagner, from the nearest boundary."""
    search = by_gradient_steps(aim, steps)
    return weigh(aim, rounds, steps, search, FROM_BOUNDARY, nearest_boundary(aim))


def lbfgs_steps(aim: Aim, rounds: int, steps: int) -> Iterator[Attempt]:
    """The attack of Szegedy et al., from the photograph."""
    return weigh(aim, rounds, steps, by_lbfgs(aim, steps), FROM_PHOTOGRAPH)


def weigh(
    aim: Aim,
    rounds: int,
    steps: int,
    minimize: Minimize,
    first: float,
    begun: Attempt | None = None,
) -> Iterator[Attempt]:
    """Search, by bisection for each image, the smallest weight on the margin that brings it across
    the boundary.

    Args:
        aim: what to reach.
        rounds: number of weights that are tried, for images with a gradient.
        steps: how often `minimize` yields.
        minimize: looks for the best image for given weights; it records all in a `Best`.
        first: the first weight, times the one that a linear network needs.
        begun: what another attack has found.
    """
    best = Best(aim, L2)
    begun = begun or best.attempt(0)
    margins, gradient = aim.climb(begun.images)
    every = torch.arange(len(aim), device=margins.device)
    best.record(every, begun.images, margins, begun.gradients + 1)
    weights = first * _weights(begun.images - aim.inputs, margins.view(-1, 1, 1, 1), gradient)
    low, high = torch.zeros_like(weights), torch.full_like(weights, torch.inf)
    for _ in range(rounds):
        search = minimize(best, best.images, weights)
        for _ in range(steps):
            next(search)
            yield best.attempt(rounds * steps)
        won = _returned(search).view(-1, 1, 1, 1)
        high = torch.where(won, torch.minimum(high, weights), high)
        low = torch.where(won, low, torch.maximum(low, weights))
        weights = torch.where(high.isinf(), GROWTH * weights, (low + high) / 2)


def _weights(change: Tensor, margins: Tensor, gradient: Tensor) -> Tensor:
    """The weights for which the least change of a linear network is best: at the boundary, the
    gradients of the squared change and of the weighted margin cancel out."""
    slope = L2.slope(gradient)
    least = L2.size(change) + (-margins).clamp_min(0) / slope
    # Without a gradient there is no way.
    return torch.where(slope > 1e-12, 2 * least / slope, 0)


def by_gradient_steps(aim: Aim, steps: int) -> Minimize:
    """Minimize by steps toward the least change; the margin counts only before the boundary."""

    def minimize(best: Best, images: Tensor, weights: Tensor) -> Generator[None, None, Tensor]:
        every = torch.arange(len(aim), device=images.device)
        won = torch.zeros(len(aim), dtype=torch.bool, device=images.device)
        images = images.clone()
        for step in range(steps):
            margins, gradient = aim.climb(images)
            fooled = best.record(every, images, margins)
            won |= fooled
            goal = weights / 2 * torch.where(fooled.view(-1, 1, 1, 1), 0, gradient)
            part = FARTHEST * (NEAREST / FARTHEST) ** (step / max(1, steps - 1))
            images = (images + part * (aim.inputs + goal - images)).clamp(0, 1)
            yield
        return won

    return minimize


def by_lbfgs(aim: Aim, steps: int) -> Minimize:
    """Minimize each image by itself, as the climb of a recipe by L-BFGS."""

    def minimize(best: Best, images: Tensor, weights: Tensor) -> Generator[None, None, Tensor]:
        trades = [_Trade(aim[i : i + 1], weights[i : i + 1]) for i in range(len(aim))]
        climbs = {
            i: climb(aim.net, _recipe(trade, images[i : i + 1], steps))
            for i, trade in enumerate(trades)
            if weights[i] > 0
        }
        won = torch.zeros(len(aim), dtype=torch.bool, device=images.device)
        for _ in range(steps):
            for i, frames in climbs.items():
                trade, image = trades[i], next(frames).image
                one = torch.tensor([i], device=images.device)
                margin = aim[i : i + 1].look(image)
                won[one] |= best.record(one, image, margin, trade.evaluations)
                trade.evaluations = 0
            yield
        return won

    return minimize


class _Trade(Objective):
    """The margin of one image times a weight, minus the square of the change."""

    def __init__(self, aim: Aim, weight: Tensor) -> None:
        self.aim, self.weight = aim, weight.flatten()
        self.evaluations = 0

    def bind(self, net: Network) -> Bound:  # noqa: ARG002
        return Bound(frozenset({""}), self._score)

    def _score(self, activations: Activations, image: Tensor) -> Tensor:
        self.evaluations += 1
        change = (image - self.aim.inputs).square().sum((1, 2, 3))
        return self.weight * self.aim.margins(activations[""]) - change


def _recipe(trade: _Trade, image: Tensor, steps: int) -> Recipe:
    return Recipe(
        start=photo(image),
        objective=trade,
        priors=(clamp(),),
        optimizer=lbfgs(max_evals=MAX_EVALS),
        steps=steps,
    )


def _returned(search: Generator[None, None, Tensor]) -> Tensor:
    """What a generator returns after its last value."""
    try:
        next(search)
    except StopIteration as end:
        found: Tensor = end.value
        return found
    raise AssertionError("it yields no more often than it was told")
