"""Several networks that an attack is to fool at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.attacks.aims import Aim
from convscope.network import Network


@dataclass(frozen=True)
class Together(Aim):
    """An aim of several networks, which see the same photographs, each as it resizes and crops.

    The margin is the mean of theirs. Inputs are photographs at their own size.

    Attributes:
        nets: the networks; `net` is the first of them.
    """

    nets: tuple[Network, ...]

    def measure(self, images: Tensor) -> Tensor:
        each = [Aim(net, net.preprocess(images), self.labels, self.targets) for net in self.nets]
        return torch.stack([aim.measure(aim.inputs) for aim in each]).mean(0)


def fool_together(nets: Sequence[Network], photographs: Tensor, label: int) -> Together:
    """The aim that all networks leave the class of photographs (N, C, H, W)."""
    labels = torch.full((len(photographs),), label, device=photographs.device)
    return Together(nets[0], photographs, labels, None, tuple(nets))
