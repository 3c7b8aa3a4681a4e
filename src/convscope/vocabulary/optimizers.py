"""Optimisers: how far to go along the gradient. Values that make a `torch.optim.Optimizer`."""

from __future__ import annotations

from collections.abc import Callable
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
        return torch.optim.SGD([parameters], lr=self.rate, momentum=self.momentum, fused=True)


@dataclass(frozen=True)
class sign(Optimiser):
    """By `rate` along the sign of the gradient, in every pixel (Goodfellow et al. 2015)."""

    rate: float = 1 / 255

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        return _Sign([parameters], {"lr": self.rate})


@dataclass(frozen=True)
class adam(Optimiser):
    """Adam (Kingma & Ba 2015); after every step the rate is multiplied by `fall`."""

    rate: float = 0.05
    fall: float = 1.0

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        optimiser = torch.optim.Adam([parameters], lr=self.rate, fused=True)
        optimiser.register_step_post_hook(self._fall)
        return optimiser

    def _fall(self, optimiser: torch.optim.Optimizer, *_: object) -> None:
        for group in optimiser.param_groups:
            group["lr"] *= self.fall


@dataclass(frozen=True)
class nadam(Optimiser):
    """Adam with Nesterov's momentum (Dozat 2016)."""

    rate: float = 0.05

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        return torch.optim.NAdam([parameters], lr=self.rate)


@dataclass(frozen=True)
class lbfgs(Optimiser):
    """L-BFGS with a line search (Liu and Nocedal 1989); a step looks up to `looks` times.

    It takes the score for a fixed function, so it goes with no prior that changes by chance.
    """

    rate: float = 1.0
    memory: int = 20
    looks: int = 5

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        return torch.optim.LBFGS(
            [parameters],
            lr=self.rate,
            max_iter=self.looks,
            max_eval=self.looks,
            history_size=self.memory,
            line_search_fn="strong_wolfe",
        )


class _Sign(torch.optim.Optimizer):
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        score = None if closure is None else closure()
        for group in self.param_groups:
            for parameters in group["params"]:
                parameters.sub_(group["lr"] * parameters.grad.sign())
        return score
