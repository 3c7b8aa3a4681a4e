"""The one loop: it follows a recipe and yields a frame after every step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from convscope.ascent.evaluation import Evaluator
from convscope.ascent.recipe import Recipe
from convscope.ascent.resume_files import ResumeFile
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.types import Ascent, Picture
from convscope.vocabulary.optimizers import Optimizer
from convscope.vocabulary.starts import Canvas


def climb(net: Network, recipe: Recipe, seed: int = 0) -> Iterator[Ascent]:
    """From a start, climb an objective, and yield a frame after every step.

    A frame holds the image (N, C, H, W) after the step. Its score (N,), the gradient of the score
    by the image and the activations are from before the step. `scores` (steps, N) holds the scores
    of all steps so far. Without an optimizer the image stays as it is.

    Args:
        net: the network.
        recipe: the start, the objective, the rule, the priors, the optimizer and the steps.
        seed: starts the random numbers.

    Raises:
        ConvscopeError: an unknown name, a prior on pixels with a start that has none, a rule that
            finds no activation to change, a gradient of zero everywhere, or a number that is not
            finite.
    """
    generator = torch.Generator().manual_seed(seed)
    evaluator = Evaluator(net, recipe, generator)
    canvas = recipe.start.canvas(net, generator)
    _check_priors(recipe, canvas)
    if recipe.optimizer is None:
        for step in range(1, recipe.steps + 1):
            yield _look(evaluator, recipe, canvas, step)
        return
    climber = _Climber(evaluator, recipe, canvas, recipe.optimizer, generator)
    with ResumeFile(climber) as resume_file:
        for step in range(resume_file.restore(), recipe.steps + 1):
            resume_file.before_step(step, recipe.steps)
            yield climber.step(step)


class _Climber:
    """The parameters of an image, the optimizer that changes them, and the scores so far."""

    def __init__(
        self,
        evaluator: Evaluator,
        recipe: Recipe,
        canvas: Canvas,
        optimizer: Optimizer,
        generator: torch.Generator,
    ) -> None:
        self.evaluator, self.recipe, self.canvas = evaluator, recipe, canvas
        self.generator = generator
        self.parameters = canvas.parameters.clone()
        self.parameters.grad = torch.empty_like(self.parameters)
        self.optimizer = optimizer.build(self.parameters)
        self.scores: list[Tensor] = []
        self._drawn: tuple[Tensor, Tensor] | None = None
        self._first: list[Ascent] = []

    def state_dict(self) -> dict[str, Any]:
        """What the next steps depend on."""
        return {
            "parameters": self.parameters,
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "scores": self.scores,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state that `state_dict` gave."""
        self.parameters.copy_(state["parameters"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.scores = [scores.to(self.parameters.device) for scores in state["scores"]]

    def step(self, step: int) -> Ascent:
        """Let the optimizer take one step; the frame has the score from before it."""
        self._first.clear()
        self.optimizer.step(self.evaluate)
        (frame,) = self._first
        self.evaluator.check(frame, step)
        if step == 1 and not frame.gradient.any():
            raise ConvscopeError(
                "the gradient is zero everywhere, so there is no way up: the target never fires"
                " here; try the rule 'redirected', another target or another start"
            )
        if self.canvas.decode is None:
            for prior in self.recipe.priors:
                self.parameters.copy_(prior.pixels(self.parameters, step))
        self._drawn = _draw(self.canvas, self.parameters)
        self.scores.append(frame.score)
        shown = _shown(frame, self._drawn[1].detach().clone(), step, self.recipe)
        return replace(shown, scores=torch.stack(self.scores))

    def evaluate(self) -> float:
        """Leave the gradient at the parameters for the optimizer; give the loss it minimizes."""
        leaf, image = self._drawn or _draw(self.canvas, self.parameters)
        self._drawn = None  # an optimizer that evaluates again has moved in the meantime
        frame = self.evaluator.evaluate(image.detach())
        if not self._first:
            self._first.append(frame)
        direction = frame.gradient
        for prior in self.recipe.priors:
            direction = prior.gradient(direction)
        if image is not leaf:
            (direction,) = torch.autograd.grad(image, leaf, direction)
        torch.neg(direction, out=self.parameters.grad)
        return -float(frame.score.sum())


def _look(evaluator: Evaluator, recipe: Recipe, canvas: Canvas, step: int) -> Ascent:
    """The score and the gradient of the start itself."""
    image = _draw(canvas, canvas.parameters)[1].detach().clone()
    frame = evaluator.evaluate(image)
    evaluator.check(frame, step)
    return _shown(frame, image, step, recipe)


def _check_priors(recipe: Recipe, canvas: Canvas) -> None:
    """Refuse priors on pixels where the parameters are not pixels."""
    for prior in recipe.priors:
        if prior.needs_pixels and canvas.decode:
            raise ConvscopeError(
                f"{prior} works on pixels, and {type(recipe.start).__name__} has none to change;"
                " leave it out, or start from photo(), noise() or zeros()"
            )


def _shown(frame: Ascent, image: Tensor, step: int, recipe: Recipe) -> Ascent:
    """The frame as the caller gets it, with a panel for each image."""
    panels = tuple(Picture(one) for one in image)
    return replace(frame, image=image, step=step, steps=recipe.steps, panels=panels)


def _draw(canvas: Canvas, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """The parameters as a leaf, and the image that they mean (the leaf itself for pixels)."""
    leaf = parameters.detach()
    if canvas.decode is None:
        return leaf, leaf
    with torch.enable_grad():
        return leaf.requires_grad_(), canvas.decode(leaf)
