"""One change that is added to every image of a collection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.attacks.aims import Aim
from convscope.attacks.descent import Ball
from convscope.system import BATCH, in_batches


@dataclass(frozen=True)
class Shared:
    """A change of all images, after a pass over them.

    Attributes:
        change: (1, C, h, w).
        logits: (N, classes), of each image with the change.
        fooled: (N,), whether it fools the network on each image.
    """

    change: Tensor
    logits: Tensor
    fooled: Tensor


def shared_change(
    aim: Aim, ball: Ball, passes: int, step_size: float, seed: int = 0
) -> Iterator[Shared]:
    """From noise as large as a step, climb the margins of all images at once, by a step for each
    batch, in a ball around zero.

    Images that are fooled do not pull. The step is the sum of what the others' gradients say, each
    of equal length, so that no image outweighs the rest.

    Args:
        aim: the images, and what to reach.
        ball: where the change stays.
        passes: how often all images are gone through, in another order each time.
        step_size: size of a step, as a fraction of the radius.
        seed: starts the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    change = ball.norm.random(aim.inputs[:1], step_size * ball.radius, generator)
    for _ in range(passes):
        order = torch.randperm(len(aim), generator=generator).to(aim.inputs.device)
        for which in order.split(BATCH):
            part = aim[which]
            margins, gradients = part.climb((part.inputs + change).clamp(0, 1))
            left = gradients[margins <= 0]
            length = left.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
            pull = ball.norm.normalize((left / length).sum(0, keepdim=True))
            change = ball.norm.project(change + step_size * ball.radius * pull, ball.radius)
        yield added(aim, change)


def added(aim: Aim, change: Tensor) -> Shared:
    """A change (1, C, h, w) of all images, and what the network says of them."""
    # A batch at a time, because all changed images together are many.
    logits = torch.cat(
        in_batches(len(aim), lambda at: aim.logits((aim.inputs[at] + change).clamp(0, 1)))
    )
    return Shared(change, logits, aim.margins(logits) > 0)
