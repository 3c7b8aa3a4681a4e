"""Images of classes, channels and neurons, many of them climbed side by side in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.ascent.loop import climb
from convscope.ascent.recipe import Recipe
from convscope.network import Network
from convscope.system import BATCH
from convscope.types import ImageFrame, Picture, Target
from convscope.vocabulary.objectives import Objective, each

# A score changes with the random view of each step; the mean of this many tells tries apart.
LAST = 16


@dataclass(frozen=True)
class Goal:
    """A target, and the objective that is climbed to draw an image of it."""

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
) -> Iterator[ImageFrame]:
    """Climb one image for each goal, and keep the best of several tries.

    Args:
        net: the network.
        goals: what to draw; image i of the frames (N, C, H, W) belongs to goal i.
        recipe: makes the recipe of one batch from its objective, which scores each image by its own
            goal, and from the batch's goals.
        tries: images climbed for each goal. The one with the highest mean score over its last 16
            steps is kept.
        batch_size: images that are climbed together.
        seed: random seed of the first batch; each further batch adds 1.

    Yields:
        A frame after each step of each batch. Images that have not been started are gray.
        `arrays["tries"]` (N, tries) holds the mean scores, NaN for tries that have not been
        started. `score` (N,) holds the kept tries' mean scores; in the last frame it holds the
        scores of the images themselves, without any change of view.
    """
    attempts = [goal for goal in goals for _ in range(tries)]
    batches = [attempts[i : i + batch_size] for i in range(0, len(attempts), batch_size)]
    done: list[Tensor] = []
    means: list[Tensor] = []
    for number, batch in enumerate(batches):
        for frame in climb(net, recipe(_objective(batch), batch), seed + number):
            assert frame.scores is not None
            mean = frame.scores[-LAST:].mean(0)
            image, best, table = _best_tries(
                torch.cat([*done, frame.image]), torch.cat([*means, mean]), len(goals), tries
            )
            last = number == len(batches) - 1 and frame.step == frame.steps
            yield ImageFrame(
                image=image,
                score=score(net, goals, image) if last else best,
                step=number * frame.steps + frame.step,
                steps=len(batches) * frame.steps,
                arrays={"tries": table},
                panels=tuple(
                    Picture(one, str(goal.target)) for one, goal in zip(image, goals, strict=True)
                ),
            )
        done.append(frame.image)
        means.append(mean)


def _best_tries(
    images: Tensor, means: Tensor, goals: int, tries: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Each goal's best image, its mean score, and the means of all tries (goals, tries).

    Tries that have not been started have no row in `images` yet.
    """
    missing = goals * tries - len(images)
    table = torch.cat([means, means.new_full((missing,), torch.nan)]).view(goals, tries)
    best = table.nan_to_num(-torch.inf).argmax(1)
    chosen = torch.arange(goals, device=best.device) * tries + best
    gray = images.new_full((1, *images.shape[1:]), 0.5)
    return torch.cat([images, gray])[chosen.clamp_max(len(images))], table.flatten()[chosen], table


def score(net: Network, goals: Sequence[Goal], images: Tensor) -> Tensor:
    """The score (N,) of each image (N, C, H, W) by the objective of its goal."""
    found = []
    for first in range(0, len(images), BATCH):
        batch = slice(first, first + BATCH)
        bound = _objective(goals[batch]).bind(net)
        with torch.no_grad():
            found.append(bound.read(net, images[batch])[1])
    return torch.cat(found)


def _objective(goals: Sequence[Goal]) -> Objective:
    return each(tuple(goal.objective for goal in goals))
