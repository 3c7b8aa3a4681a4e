"""Optimizers: how far to step along the gradient. Values that make a `torch.optim.Optimizer`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from convscope.vocabulary.word import Word

LearningRate = Annotated[float, Field(gt=0, description="learning rate: the size of a step")]


class Optimizer(Word):
    """How a climb takes its steps. A subclass builds an optimizer of torch's kind."""

    # Whether the score must be a fixed function of the image, so that no view may be random.
    needs_fixed_score = False

    def build(self, parameters: Tensor) -> torch.optim.Optimizer:
        """An optimizer that minimizes; the climb gives it the negative gradient."""
        raise NotImplementedError


@dataclass(frozen=True)
class sgd(Optimizer):
    """Steps along the gradient, multiplied by `lr`, with optional momentum."""

    lr: LearningRate = 1.0
    momentum: Annotated[
        float, Field(ge=0, lt=1, description="fraction of the last step added to the next")
    ] = 0.0

    def build(self, parameters: Tensor) -> torch.optim.Optimizer:
        return torch.optim.SGD([parameters], lr=self.lr, momentum=self.momentum, fused=True)


@dataclass(frozen=True)
class sign(Optimizer):
    """Changes every value by `lr` along the sign of its gradient (Goodfellow et al. 2015)."""

    lr: LearningRate = 1 / 255

    def build(self, parameters: Tensor) -> torch.optim.Optimizer:
        return _Sign([parameters], {"lr": self.lr})


@dataclass(frozen=True)
class adam(Optimizer):
    """Adam (Kingma and Ba 2015), whose learning rate is multiplied by `lr_decay` every step."""

    lr: LearningRate = 0.05
    lr_decay: Annotated[
        float, Field(gt=0, le=1, description="factor of the learning rate after every step")
    ] = 1.0
    momentum: Annotated[
        float, Field(ge=0, lt=1, description="how slowly the mean of the gradients forgets")
    ] = 0.9

    def build(self, parameters: Tensor) -> torch.optim.Optimizer:
        betas = (self.momentum, 0.999)
        optimizer = torch.optim.Adam([parameters], lr=self.lr, betas=betas, fused=True)
        optimizer.register_step_post_hook(self._decay)
        return optimizer

    def _decay(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        for group in optimizer.param_groups:
            group["lr"] *= self.lr_decay


@dataclass(frozen=True)
class nadam(Optimizer):
    """Adam with Nesterov's momentum (Dozat 2016)."""

    lr: LearningRate = 0.05

    def build(self, parameters: Tensor) -> torch.optim.Optimizer:
        return torch.optim.NAdam([parameters], lr=self.lr)


@dataclass(frozen=True)
class lbfgs(Optimizer):
    """L-BFGS with a line search (Liu and Nocedal 1989), which evaluates the score up to `max_evals`
    times a step.

    It needs a score that is a fixed function of the image, so it refuses priors with a random view.
    """

    lr: LearningRate = 1.0
    history_size: Annotated[
        int, Field(ge=1, le=1000, description="number of past steps that it remembers")
    ] = 20
    max_evals: Annotated[
        int, Field(ge=1, le=1000, description="largest number of evaluations in one step")
    ] = 5
    needs_fixed_score = True

    def build(self, parameters: Tensor) -> torch.optim.Optimizer:
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
