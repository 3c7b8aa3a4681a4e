"""Portraits: images of what units want, many of them climbed side by side in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.ascent.loop import climb
from convscope.ascent.recipe import Recipe
from convscope.network import Network
from convscope.types import Frame, Picture, Target
from convscope.vocabulary.objectives import Objective, each

BATCH = 16


# The score changes with the view of every step; the mean of so many tells which image is better.
LAST = 16


@dataclass(frozen=True)
class Goal:
    """What an image is wanted of, and the objective to climb for it."""

    target: Target
    objective: Objective


def climb_goals(
    net: Network,
    goals: Sequence[Goal],
    recipe: Callable[[Objective, Sequence[Goal]], Recipe],
    *,
    tries: int = 1,
    batch_size: int = BATCH,
    seed: int = 0,
) -> Iterator[Frame]:
    """An image (N, C, H, W) of every subject, in order; those not begun are gray.

    `recipe` makes one for the images of a batch, each with an objective and a subject of its own.
    Of several `tries` the best is kept: the one with the highest mean score over the last 16 steps,
    each of which shows it to the network in another view. `arrays["tries"]` (N, tries) are those
    means, NaN where not begun; the score of the last frame is that of the images as they are.
    """
    jobs = [goal for goal in goals for _ in range(tries)]
    parts = [jobs[i : i + batch_size] for i in range(0, len(jobs), batch_size)]
    done: list[Tensor] = []
    means: list[Tensor] = []
    for number, part in enumerate(parts):
        plan = recipe(_objective(part), part)
        for frame in climb(net, plan, seed + number):
            assert frame.scores is not None
            mean = frame.scores[-LAST:].mean(0)
            images = torch.cat([*done, frame.image])
            ranks = torch.cat([*means, mean, mean.new_full((len(jobs) - len(images),), torch.nan)])
            best = ranks.view(len(goals), tries).nan_to_num(-torch.inf).argmax(1)
            chosen = torch.arange(len(goals), device=best.device) * tries + best
            gray = images.new_full((1, *images.shape[1:]), 0.5)
            image = torch.cat([images, gray])[chosen.clamp_max(len(images))]
            last = number == len(parts) - 1 and frame.step == frame.steps
            yield Frame(
                image=image,
                score=score(net, goals, image) if last else ranks[chosen],
                step=number * frame.steps + frame.step,
                steps=len(parts) * frame.steps,
                arrays={"tries": ranks.view(len(goals), tries)},
                panels=tuple(
                    Picture(one, str(goal.target)) for one, goal in zip(image, goals, strict=True)
                ),
            )
        done.append(frame.image)
        means.append(mean)


def score(net: Network, goals: Sequence[Goal], images: Tensor) -> Tensor:
    """What each objective gives its image (N, C, H, W) as it is, (N,)."""
    found = []
    for first in range(0, len(images), BATCH):
        part = slice(first, first + BATCH)
        bound = _objective(goals[part]).bind(net)
        with torch.no_grad():
            found.append(bound.read(net, images[part])[1])
    return torch.cat(found)


def _objective(goals: Sequence[Goal]) -> Objective:
    return each(tuple(goal.objective for goal in goals))
