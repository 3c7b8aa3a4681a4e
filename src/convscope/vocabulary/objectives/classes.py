"""Objectives that are read off the scores of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.vocabulary.objectives.base import Bound, ClassName, Objective, of_class
from convscope.vocabulary.objectives.layers import activation


@dataclass(frozen=True)
class logit(Objective):
    """The score of a class before the softmax or sigmoid; of a map, its mean over the target."""

    target: ClassName

    def bind(self, net: Network) -> Bound:
        target = net.target(self.target)
        if not target.is_class:
            raise ConvscopeError(
                f"logit takes a class, and {target} is not one; climb its activation"
            )
        return activation(target).bind(net)


@dataclass(frozen=True)
class probability(Objective):
    """The probability of a class; of a map, its mean over the target."""

    target: ClassName

    def bind(self, net: Network) -> Bound:
        output = net.outputs.of(net.target(self.target))
        return of_class(net, self.target, lambda scores, i: output.probabilities(scores)[:, i])


@dataclass(frozen=True)
class log_probability(Objective):
    """The logarithm of the probability of a class, which under a softmax also rises when other
    classes fall."""

    target: ClassName

    def bind(self, net: Network) -> Bound:
        output = net.outputs.of(net.target(self.target))
        return of_class(net, self.target, lambda scores, i: output.log_probabilities(scores)[:, i])


@dataclass(frozen=True)
class margin(Objective):
    """The logit of a class minus the mean logit of its strongest rivals, so that the class rises
    and similar classes do not."""

    target: ClassName
    strongest: Annotated[
        int, Field(ge=1, description="number of rivals: the other classes with the largest logits")
    ] = 20

    def bind(self, net: Network) -> Bound:
        if not net.outputs.of(net.target(self.target)).has_rivals:
            raise ConvscopeError(
                f"margin compares a class with others, and {net.name} has none; climb the logit"
            )

        def score(logits: Tensor, index: int) -> Tensor:
            others = torch.cat([logits[:, :index], logits[:, index + 1 :]], 1)
            rivals = others.topk(min(self.strongest, others.shape[1]), 1).values
            return logits[:, index] - rivals.mean(1)

        return of_class(net, self.target, score)
