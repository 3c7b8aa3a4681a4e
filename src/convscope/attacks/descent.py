"""Gradient steps within a ball: FGSM with one step, PGD with several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convscope.attacks.aims import Aim
from convscope.attacks.attempts import Attempt, Best
from convscope.vocabulary.norms import Norm, Radius


@dataclass(frozen=True)
class Ball:
    """The images that an attack may make: in [0, 1], and at most `radius` from the input.

    Attributes:
        norm: how the change is measured.
        radius: largest size of the change, for all images or for each, (N, 1, 1, 1).
    """

    norm: Norm
    radius: Radius

    def __getitem__(self, which: Tensor) -> Ball:
        """The ball of some of the images."""
        return replace(self, radius=self.radius[which]) if isinstance(self.radius, Tensor) else self

    def nearest(self, images: Tensor, inputs: Tensor) -> Tensor:
        """The images, projected onto the ball around the inputs and clipped to [0, 1]."""
        return (inputs + self.norm.project(images - inputs, self.radius)).clamp(0, 1)

    def random(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """A random image of the ball around each input."""
        return (inputs + self.norm.random(inputs, self.radius, generator)).clamp(0, 1)


def climb_in_ball(
    aim: Aim,
    ball: Ball,
    steps: int,
    step_size: float,
    restarts: int = 1,
    seed: int = 0,
    wanted: float = 0.0,
) -> Iterator[Attempt]:
    """Climb the margin by steps of equal size. Images that have the wanted margin leave the batch.

    The first climb begins at the image itself, all others at random points of the ball.

    Args:
        aim: what to reach.
        ball: where the images stay.
        steps: gradients for each image and climb.
        step_size: size of a step, as a fraction of the radius.
        restarts: number of climbs.
        seed: starts the random numbers.
        wanted: margin to exceed; with 0, an image is done as soon as it fools the network.
    """
    generator = torch.Generator().manual_seed(seed)
    best = Best(aim)
    open_ = torch.arange(len(aim), device=aim.inputs.device)
    for climb in range(restarts):
        images = aim.inputs[open_]
        if climb:
            images = ball[open_].random(images, generator)
        for step in range(1, steps + 1):
            margins, gradient = aim[open_].climb(images)
            best.record(open_, images, margins)
            kept = margins <= wanted
            open_, images, gradient = open_[kept], images[kept], gradient[kept]
            inside = ball[open_]
            images = images + step_size * inside.radius * inside.norm.normalize(gradient)
            images = inside.nearest(images, aim.inputs[open_])
            if step == steps:
                margins = aim[open_].look(images)
                best.record(open_, images, margins, gradients=0)
                open_ = open_[margins <= wanted]
            yield best.attempt(restarts * steps)
            if not len(open_):
                return
