"""Gradient steps within a ball: FGSM with one step, PGD with several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.attacks.aims import Aim
from convscope.attacks.attempts import Attempt, Best
from convscope.vocabulary.norms import Norm


@dataclass(frozen=True)
class Ball:
    """The images that an attack may make: in [0, 1], and at most `radius` from the input.

    Attributes:
        norm: how the change is measured.
        radius: largest size of the change.
    """

    norm: Norm
    radius: float

    def nearest(self, images: Tensor, inputs: Tensor) -> Tensor:
        """The images, projected onto the ball around the inputs and clipped to [0, 1]."""
        return (inputs + self.norm.project(images - inputs, self.radius)).clamp(0, 1)

    def random(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """A random image of the ball around each input."""
        return (inputs + self.norm.random(inputs, self.radius, generator)).clamp(0, 1)


def climb_in_ball(
    aim: Aim, ball: Ball, steps: int, step_size: float, restarts: int = 1, seed: int = 0
) -> Iterator[Attempt]:
    """Climb the margin by steps of equal size. Images that fool the network leave the batch.

    The first climb begins at the image itself, all others at random points of the ball.

    Args:
        aim: what to reach.
        ball: where the images stay.
        steps: gradients for each image and climb.
        step_size: size of a step, as a fraction of the radius.
        restarts: number of climbs.
        seed: starts the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    best = Best(aim)
    open_ = torch.arange(len(aim), device=aim.inputs.device)
    for climb in range(restarts):
        images = aim.inputs[open_]
        if climb:
            images = ball.random(images, generator)
        for step in range(1, steps + 1):
            margins, gradient = aim[open_].climb(images)
            kept = ~best.record(open_, images, margins)
            open_, images, gradient = open_[kept], images[kept], gradient[kept]
            images = images + step_size * ball.radius * ball.norm.normalize(gradient)
            images = ball.nearest(images, aim.inputs[open_])
            if step == steps:
                kept = ~best.record(open_, images, aim[open_].look(images), gradients=0)
                open_ = open_[kept]
            yield best.attempt(restarts * steps)
            if not len(open_):
                return
