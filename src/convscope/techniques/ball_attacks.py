"""Attacks that follow the gradient within a ball around the photograph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field
from torch import Tensor

from convscope.attacks import (
    Ball,
    FoolingSummary,
    Goal,
    Label,
    NormOption,
    StepSize,
    aim_at,
    climb_in_ball,
    fooling_frames,
)
from convscope.network import Network
from convscope.runs import Seed, technique
from convscope.types import ImageFrame
from convscope.vocabulary.norms import NORMS

# Radius of the ball if none is given: below what eyes see on a photograph.
RADIUS = {"inf": 1 / 255, "l2": 0.5}


@technique(
    title="Fast gradient sign",
    paper="Goodfellow, Shlens and Szegedy 2015",
    url="https://arxiv.org/abs/1412.6572",
    chapter="Fooling networks",
)
def fgsm(
    net: Network,
    image: Tensor,
    *,
    target: Goal = None,
    label: Label = None,
    epsilon: Annotated[
        float, Field(gt=0, le=1, description="change of every pixel (pixels run from 0 to 1)")
    ] = 1 / 255,
) -> Iterator[ImageFrame[FoolingSummary]]:
    """Changes every pixel by the same amount, up or down as the gradient says: one step.

    The gradient is that of the margin: the largest logit of another class minus that of the label,
    or, with a target, its logit minus the largest other. One step often goes too far: where it
    fails, a smaller epsilon may succeed, and `pgd` does.
    """
    aim = aim_at(net, image, label, target)
    ball = Ball(NORMS["inf"], epsilon)
    attempts = climb_in_ball(aim, ball, steps=1, step_size=1.0)
    yield from fooling_frames(aim, image, attempts, ball)


@technique(
    title="Projected gradient descent",
    paper="Madry et al. 2018",
    url="https://arxiv.org/abs/1706.06083",
    chapter="Fooling networks",
)
def pgd(
    net: Network,
    image: Tensor,
    *,
    target: Goal = None,
    label: Label = None,
    norm: NormOption = "inf",
    epsilon: Annotated[
        float | None,
        Field(
            gt=0,
            le=1000,
            description="largest size of the change (pixels run from 0 to 1); 1/255 for inf and 0.5"
            " for l2 if not given",
        ),
    ] = None,
    steps: Annotated[
        int, Field(ge=1, le=10_000, description="gradients for each image and climb")
    ] = 40,
    step_size: StepSize = 0.1,
    restarts: Annotated[
        int,
        Field(
            ge=1,
            le=1000,
            description="number of climbs; all but the first begin at random points of the ball",
        ),
    ] = 1,
    seed: Seed = 0,
) -> Iterator[ImageFrame[FoolingSummary]]:
    """Small steps along the gradient that never leave a ball around the photograph.

    The steps climb the margin: the largest logit of another class minus that of the label, or, with
    a target, its logit minus the largest other. The margin needs far fewer steps than the cross
    entropy of the paper. The first climb begins at the photograph, not at a random point. Images
    that fool the network leave the batch.
    """
    aim = aim_at(net, image, label, target)
    ball = Ball(NORMS[norm], RADIUS[norm] if epsilon is None else epsilon)
    attempts = climb_in_ball(aim, ball, steps, step_size, restarts, seed)
    yield from fooling_frames(aim, image, attempts, ball)
