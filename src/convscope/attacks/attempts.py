"""What an attack has found so far: the best image of each photograph."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.attacks.aims import Aim
from convscope.vocabulary.norms import Norm


@dataclass(frozen=True)
class Attempt:
    """What an attack has found after a step.

    Attributes:
        images: (N, C, h, w), the best so far; the inputs themselves where nothing was tried yet.
        fooled: (N,), whether each fools the network.
        gradients: (N,), forward and backward passes that each image took so far.
        steps: how many attempts there are at most.
    """

    images: Tensor
    fooled: Tensor
    gradients: Tensor
    steps: int


class Best:
    """The best image of each photograph: one that fools the network is better than one that does
    not. Of those that do, the one with the smallest change is best, where a norm measures it.

    Attributes:
        images: (N, C, h, w); the input where nothing else was tried.
        ranks: (N,), above 0 where the image fools the network.
        gradients: (N,), forward and backward passes so far.
    """

    def __init__(self, aim: Aim, norm: Norm | None = None) -> None:
        self.aim, self.norm = aim, norm
        self.images = aim.inputs.clone()
        self.ranks = aim.inputs.new_full((len(aim),), -torch.inf)
        self.gradients = torch.zeros(len(aim), dtype=torch.long, device=aim.inputs.device)

    @property
    def fooled(self) -> Tensor:
        """Whether each image fools the network, (N,)."""
        return self.ranks > 0

    def record(
        self, which: Tensor, images: Tensor, margins: Tensor, gradients: int | Tensor = 1
    ) -> Tensor:
        """Keep those images that are better.

        Args:
            which: (K,), the numbers of the photographs.
            images: (K, C, h, w).
            margins: (K,), see `Aim.margins`.
            gradients: how many each image took since the last call.

        Returns:
            (K,), whether each image fools the network.
        """
        change = images - self.aim.inputs[which]
        ranks, fooled = margins, margins > 0
        if self.norm is not None:
            ranks = torch.where(fooled, 1 / self.norm.size(change).flatten(), ranks)
        # A photograph that fools nobody is no attempt.
        tried = fooled | change.flatten(1).any(1)
        better = tried & (ranks > self.ranks[which])
        self.images[which[better]] = images[better]
        self.ranks[which[better]] = ranks[better]
        self.gradients[which] += gradients
        return fooled

    def attempt(self, steps: int) -> Attempt:
        """What is found so far, of an attack of at most this many steps."""
        return Attempt(self.images.clone(), self.fooled, self.gradients.clone(), steps)
