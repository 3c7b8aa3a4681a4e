"""Optimizers: how far to go along the gradient. Values that make a `torch.optim.Optimizer`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


class Optimizer:
    """How a climb steps."""

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        raise NotImplementedError


@dataclass(frozen=True)
class sgd(Optimizer):
    """Along the gradient by `lr`, with momentum if wanted."""

    lr: float = 1.0
    momentum: float = 0.0

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        return torch.optim.SGD([parameters], lr=self.lr, momentum=self.momentum, fused=True)


@dataclass(frozen=True)
class sign(Optimizer):
    """By `lr` along the sign of the gradient, in every pixel (Goodfellow et al. 2015)."""

    lr: float = 1 / 255

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        return _Sign([parameters], {"lr": self.lr})


@dataclass(frozen=True)
class adam(Optimizer):
    """Adam (Kingma & Ba 2015); after every step the rate is multiplied by `lr_decay`."""

    lr: float = 0.05
    lr_decay: float = 1.0

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        optimizer = torch.optim.Adam([parameters], lr=self.lr, fused=True)
        optimizer.register_step_post_hook(self._decay)
        return optimizer

    def _decay(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        for group in optimizer.param_groups:
            group["lr"] *= self.lr_decay


@dataclass(frozen=True)
class nadam(Optimizer):
    """Adam with Nesterov's momentum (Dozat 2016)."""

    lr: float = 0.05

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        return torch.optim.NAdam([parameters], lr=self.lr)


@dataclass(frozen=True)
class lbfgs(Optimizer):
    """L-BFGS with a line search (Liu and Nocedal 1989); a step looks up to `max_evals` times.

    It takes the score for a fixed function, so it goes with no prior that changes by chance.
    """

    lr: float = 1.0
    history_size: int = 20
    max_evals: int = 5

    def over(self, parameters: Tensor) -> torch.optim.Optimizer:
        return torch.optim.LBFGS(
            [parameters],
            lr=self.lr,
            max_iter=self.max_evals,
            max_eval=self.max_evals,
            history_size=self.history_size,
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
