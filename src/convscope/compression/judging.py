"""How far a compressed network still answers like the network that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.system import BATCH

ROUNDING = 1e-3  # relative difference of scores that folding may make


class Score(NamedTuple):
    """What a network gives for some photographs, beside what the uncompressed one gives.

    Attributes:
        accuracy: the fraction of photographs whose label is the top class; None without labels.
        agreement: the fraction of photographs with the same top class as before.
        divergence: the mean Kullback-Leibler divergence from the answers before, in nats.
    """

    accuracy: float | None
    agreement: float
    divergence: float


def divergence(scores: Tensor, wanted: Tensor) -> Tensor:
    """The mean Kullback-Leibler divergence of the probabilities from those wanted, in nats."""
    return F.kl_div(
        scores.log_softmax(1), wanted.log_softmax(1), log_target=True, reduction="batchmean"
    )


@torch.no_grad()
def scores(module: nn.Module, inputs: Tensor) -> Tensor:
    """The class scores of a module, (N, classes)."""
    return torch.cat([module(part) for part in inputs.split(BATCH)])


class Judge:
    """Measures modules on the same photographs.

    Args:
        module: the uncompressed one.
        inputs: what it gets, (N, C, H, W).
        classes: the class of each photograph, if it is known.
    """

    def __init__(self, module: nn.Module, inputs: Tensor, classes: Sequence[int] | None) -> None:
        self.inputs = inputs
        self.wanted = scores(module, inputs)
        self._classes = None if classes is None else torch.tensor(classes, device=inputs.device)

    def __call__(self, module: nn.Module) -> Score:
        return self.score(self.scores(module))

    def scores(self, module: nn.Module) -> Tensor:
        """The class scores of a module, (N, classes)."""
        return scores(module, self.inputs)

    def score(self, found: Tensor) -> Score:
        """What class scores are worth."""
        top = found.argmax(1)
        labels = self._classes
        return Score(
            None if labels is None else float((top == labels).float().mean()),
            float((top == self.wanted.argmax(1)).float().mean()),
            max(0.0, float(divergence(found, self.wanted))),
        )


def check_scores(technique: str, net: Network, inputs: Tensor, images: Tensor) -> None:
    """Fail if the module's output is not one row of class scores for each photograph.

    Args:
        technique: what needs them.
        net: the network.
        inputs: what its module gets for one photograph.
        images: the photograph itself.
    """
    with torch.no_grad():
        found = net.module(inputs)
    wanted = net.logits(images)
    if not isinstance(found, Tensor) or found.shape != wanted.shape or found.dim() != 2:
        raise ConvscopeError(
            f"{technique} needs a network with one output of class scores: {net.name}"
        )
    if (found - wanted).abs().max() > ROUNDING * wanted.abs().max():
        raise ConvscopeError(
            f"{technique} needs class scores, and {net.name} ends in a softmax or a sigmoid: leave"
            " it out of the module"
        )
