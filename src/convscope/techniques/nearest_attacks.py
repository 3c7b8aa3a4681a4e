"""Attacks that look for the smallest change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field
from torch import Tensor

from convscope.attacks import (
    FoolingSummary,
    Goal,
    Label,
    NormOption,
    aim_at,
    carlini_wagner_steps,
    cross_boundary,
    fooling_frames,
    lbfgs_steps,
)
from convscope.network import Network
from convscope.runs import technique
from convscope.types import ImageFrame
from convscope.vocabulary.norms import NORMS

Rounds = Annotated[
    int, Field(ge=1, le=100, description="number of weights on the margin that are tried")
]


@technique(
    title="DeepFool",
    paper="Moosavi-Dezfooli, Fawzi and Frossard 2016",
    url="https://arxiv.org/abs/1511.04599",
    chapter="Fooling networks",
)
def deepfool(
    net: Network,
    image: Tensor,
    *,
    target: Goal = None,
    label: Label = None,
    norm: NormOption = "l2",
    classes: Annotated[
        int, Field(ge=1, le=100, description="how many other classes the first step compares")
    ] = 5,
    steps: Annotated[
        int, Field(ge=1, le=10_000, description="largest number of steps for each image")
    ] = 50,
    overshoot: Annotated[
        float,
        Field(
            ge=0, le=1, description="how far to go beyond the boundary, as a fraction of the way"
        ),
    ] = 0.1,
) -> Iterator[ImageFrame[FoolingSummary]]:
    """A small change that just crosses the nearest boundary between two classes.

    Each step goes where the boundary would be if the network were linear. The first step compares
    several classes, and later ones follow the strongest, which the paper does not. Once the image
    is across, the nearest point of the boundary is looked for from the photograph again, as long as
    that makes the change smaller.
    """
    aim = aim_at(net, image, label, target)
    attempts = cross_boundary(aim, NORMS[norm], classes, steps, overshoot)
    yield from fooling_frames(aim, image, attempts)


@technique(
    title="Carlini and Wagner's attack",
    paper="Carlini and Wagner 2017",
    url="https://arxiv.org/abs/1608.04644",
    chapter="Fooling networks",
)
def carlini_wagner(
    net: Network,
    image: Tensor,
    *,
    target: Goal = None,
    label: Label = None,
    rounds: Rounds = 1,
    steps: Annotated[
        int, Field(ge=1, le=10_000, description="gradients for each image and weight")
    ] = 20,
) -> Iterator[ImageFrame[FoolingSummary]]:
    """The smallest change by a trade: its square against the margin of two logits.

    It begins at what `deepfool` finds, where the slope tells the weight on the margin that a linear
    network needs. With more rounds, a bisection looks for a smaller one. The paper optimizes the
    inverse of a tanh by Adam, and begins at the photograph with the same weight for all images.
    Here, pixels are clipped, and the steps go toward the least change for a linear network: that
    finds smaller changes in fewer steps.
    """
    aim = aim_at(net, image, label, target)
    attempts = carlini_wagner_steps(aim, rounds, steps)
    yield from fooling_frames(aim, image, attempts)


@technique(
    title="L-BFGS attack",
    paper="Szegedy et al. 2014",
    url="https://arxiv.org/abs/1312.6199",
    chapter="Fooling networks",
)
def lbfgs_attack(
    net: Network,
    image: Tensor,
    *,
    target: Goal = None,
    label: Label = None,
    rounds: Rounds = 8,
    steps: Annotated[
        int,
        Field(ge=1, le=1000, description="steps of L-BFGS for each weight, of up to 10 gradients"),
    ] = 2,
) -> Iterator[ImageFrame[FoolingSummary]]:
    """The first attack: L-BFGS on a weighted sum of the change and the margin.

    A search finds the smallest weight on the margin that fools the network. The paper minimizes the
    cross entropy of a target; the margin of two logits also works without one.
    """
    aim = aim_at(net, image, label, target)
    attempts = lbfgs_steps(aim, rounds, steps)
    yield from fooling_frames(aim, image, attempts)
