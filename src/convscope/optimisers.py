"""Optimisers: how far to go along the gradient. Values that make a `torch.optim.Optimizer`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


class Optimiser:
    """How a climb steps."""

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        raise NotImplementedError


@dataclass(frozen=True)
class sgd(Optimiser):
    """Along the gradient by `rate`, with momentum if wanted."""

    rate: float = 1.0
    momentum: float = 0.0

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        return torch.optim.SGD([parameters], lr=self.rate, momentum=self.momentum)


@dataclass(frozen=True)
class adam(Optimiser):
    """Adam (Kingma & Ba 2015)."""

    rate: float = 0.05

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        return torch.optim.Adam([parameters], lr=self.rate)
