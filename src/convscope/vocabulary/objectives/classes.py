"""TODO."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.types import Target
from convscope.vocabulary.objectives.base import Bound, Objective, of_class
from convscope.vocabulary.objectives.layers import activation


@dataclass(frozen=True)
class logit(Objective):
    """A class's score before the softmax."""

    target: str | int | Target

    def bind(self, net: Network) -> Bound:
        target = net.target(self.target)
        if target.layer or target.channel is None:
            raise ConvscopeError(f"logit takes a class, and {target} is none; climb its activation")
        return activation(target).bind(net)


@dataclass(frozen=True)
class log_probability(Objective):
    """The logarithm of a class's softmax probability: it also climbs by lowering other classes."""

    target: str | int | Target

    def bind(self, net: Network) -> Bound:
        return of_class(net, self.target, lambda logits, i: logits.log_softmax(1)[:, i])


@dataclass(frozen=True)
class margin(Objective):
    """A class's logit less the mean of the `strongest` other ones: it, and not its neighbors."""

    target: str | int | Target
    strongest: int = 20

    def bind(self, net: Network) -> Bound:
        def score(logits: Tensor, index: int) -> Tensor:
            others = torch.cat([logits[:, :index], logits[:, index + 1 :]], 1)
            rivals = others.topk(min(self.strongest, others.shape[1]), 1).values
            return logits[:, index] - rivals.mean(1)

        return of_class(net, self.target, score)
