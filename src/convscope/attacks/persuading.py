"""A photograph, changed until a network is sure of a class, and then as little as that takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from convscope import tensors
from convscope.ascent import Recipe, climb
from convscope.attacks.seeing import seen_by
from convscope.network import Network
from convscope.vocabulary.norms import NORMS
from convscope.vocabulary.objectives import log_probability
from convscope.vocabulary.optimizers import sgd
from convscope.vocabulary.priors import Prior, clamp
from convscope.vocabulary.starts import photo

SHRINK, GROW = 0.9, 1.03  # of the largest change: where the network is sure, and where it is not


LAST = 0.1  # size of the last step, as a fraction of the first

L2 = NORMS["l2"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A photograph on its way to a class.

    Attributes:
        image: (1, C, H, W), not rounded.
        saved: the same in whole 255ths.
        size: L2 norm of the change of `saved`.
        logits: (1, classes), of `saved`.
        confidence: the probability of the class, for `saved`.
    """

    image: Tensor
    saved: Tensor
    size: float
    logits: Tensor
    confidence: float

    def better(self, other: Trial | None, wanted: float) -> bool:
        """Whether this one is more confident than another or, if both have the wanted
        confidence, smaller."""
        if other is None:
            return True
        if min(self.confidence, other.confidence) >= wanted:
            return self.size < other.size
        return self.confidence > other.confidence


def persuade(
    net: Network,
    photograph: Tensor,
    target: int,
    confidence: float,
    step: float,
    steps: int,
) -> Iterator[Trial]:
    """Climb the probability of a class, and yield what every step gives.

    Every step changes the photograph along the gradient of the logarithm of the probability. Once
    the rounded photograph reaches the confidence, the largest change shrinks by a tenth every time
    that it does, and grows slowly while it does not; steps become smaller (after Rony et al. 2019).

    Args:
        net: the network.
        photograph: (1, C, H, W) in whole 255ths, of any size; the network sees it preprocessed.
        target: the number of the class.
        confidence: the probability to reach.
        step: root mean square of the change of a step.
        steps: the number of steps.
    """
    smallest = photograph.numel() ** 0.5  # from black to white
    leash = _leash(photograph, *map(torch.tensor, (smallest, step)))
    recipe = Recipe(
        start=photo(photograph),
        objective=seen_by(net, log_probability(target)),
        priors=(leash, clamp()),
        optimizer=sgd(1.0),
        steps=steps,
    )
    for frame in climb(net, recipe):
        trial = _trial(net, photograph, frame.image, target)
        yield trial
        ahead = (1 + math.cos(math.pi * frame.step / steps)) / 2  # from 1 down to 0
        leash.step.fill_(step * (LAST + (1 - LAST) * ahead))
        if trial.confidence >= confidence:
            smallest = min(smallest, trial.size)
            inside = float(L2.size(frame.image - photograph))
            leash.radius.fill_(SHRINK * min(inside, trial.size))
        else:
            leash.radius.copy_((GROW * leash.radius).clamp_max(smallest))


def _trial(net: Network, photograph: Tensor, image: Tensor, target: int) -> Trial:
    saved = tensors.in_255ths(image)
    logits = net.logits(saved)
    return Trial(
        image=image,
        saved=saved,
        size=float(L2.size(saved - photograph)),
        logits=logits,
        confidence=float(net.output.probabilities(logits)[0, target]),
    )


@dataclass(frozen=True, eq=False)
class _leash(Prior):
    """Steps have a root mean square of `step` where there is a gradient, and the change stays in
    an L2 ball of `radius`. Both are single numbers that the loop changes in place."""

    center: Annotated[Tensor, Field(description="the photograph")]
    radius: Annotated[Tensor, Field(description="the largest change")]
    step: Annotated[Tensor, Field(description="the size of a step")]
    needs_pixels = True

    def gradient(self, gradient: Tensor) -> Tensor:
        count = (gradient != 0).sum()  # the network does not see the margins of a photograph
        return L2.normalize(gradient) * count.sqrt() * self.step.to(gradient)

    def pixels(self, image: Tensor, step: int) -> Tensor:  # noqa: ARG002
        change: Tensor = L2.project(image - self.center, self.radius.to(image))
        return self.center + change
