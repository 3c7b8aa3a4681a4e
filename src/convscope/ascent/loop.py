"""The recipe of a picture, and the one loop that follows it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convscope.ascent import resume_files
from convscope.ascent.recipe import Recipe
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.tensors import all_finite
from convscope.types import Ascent, Picture
from convscope.vocabulary.objectives import Bound
from convscope.vocabulary.priors import Prior
from convscope.vocabulary.rules import Rule, as_rule
from convscope.vocabulary.starts import Canvas


def climb(net: Network, recipe: Recipe, seed: int = 0) -> Iterator[Ascent]:
    """Follow a recipe, a frame a step.

    Each frame has the image (N, C, H, W) after the step, and the score (N,), the gradient by the
    image and the activations that led to it, all from before the step. `scores` (step, N) are those
    of all steps so far.

    Raises:
        ConvscopeError: an unknown name, a prior on pixels where the parameters are none, a rule
            without an activation to act on, a gradient of zero everywhere, a NaN on the way.
    """
    generator = torch.Generator().manual_seed(seed)
    bound, rule = recipe.objective.bind(net), as_rule(recipe.rule)
    canvas = recipe.start.canvas(net, generator)
    for prior in recipe.priors:
        if prior.needs_pixels and canvas.decode:
            raise ConvscopeError(
                f"{prior} works on pixels, and {type(recipe.start).__name__} has none to change"
            )
    eye = _Eye(net, bound, rule, recipe.priors, recipe.tile, generator)
    if recipe.optimizer is None:
        for step in range(1, recipe.steps + 1):
            image = _draw(canvas, canvas.parameters)[1].detach().clone()
            yield _shown(_checked(net, eye.look(image), step), image, step, recipe)
        return

    parameters = canvas.parameters.clone()
    parameters.grad = torch.empty_like(parameters)
    optimizer = recipe.optimizer.over(parameters)
    kept = resume_files.ResumeFile(parameters, optimizer, generator)
    first, history = kept.begin()
    drawn: tuple[Tensor, Tensor] | None = _draw(canvas, parameters)
    looks: list[Ascent] = []

    def look() -> float:
        nonlocal drawn
        leaf, image = drawn or _draw(canvas, parameters)
        drawn = None  # an optimizer that looks again has moved in the meantime
        frame = eye.look(image.detach())
        direction = frame.gradient
        for prior in recipe.priors:
            direction = prior.gradient(direction)
        if image is not leaf:
            (direction,) = torch.autograd.grad(image, leaf, direction)
        torch.neg(direction, out=parameters.grad)
        looks.append(frame)
        return -float(frame.score.sum())

    with kept:
        for step in range(first, recipe.steps + 1):
            kept.before(step, recipe.steps, history)
            looks.clear()
            optimizer.step(look)
            frame = _checked(net, looks[0], step)
            if step == 1 and not frame.gradient.any():
                raise ConvscopeError(
                    "the gradient is zero everywhere, so there is no way up: the target never fires"
                    " here; try the rule 'redirected', another target or another start"
                )
            if canvas.decode is None:
                for prior in recipe.priors:
                    parameters.copy_(prior.pixels(parameters, step))
            drawn = _draw(canvas, parameters)
            history.append(frame.score)
            image = drawn[1].detach().clone()
            yield replace(_shown(frame, image, step, recipe), scores=torch.stack(history))


def _shown(frame: Ascent, image: Tensor, step: int, recipe: Recipe) -> Ascent:
    """The frame as the caller sees it, each image a panel."""
    panels = tuple(Picture(one) for one in image)
    return replace(frame, image=image, step=step, steps=recipe.steps, panels=panels)


def _draw(canvas: Canvas, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """The parameters as a leaf, and the image that they mean (the leaf itself for pixels)."""
    leaf = parameters.detach()
    if canvas.decode is None:
        return leaf, leaf
    with torch.enable_grad():
        return leaf.requires_grad_(), canvas.decode(leaf)


@dataclass(frozen=True)
class _Eye:
    """Scores an image and differentiates: one forward pass and one backward."""

    net: Network
    bound: Bound
    rule: Rule
    priors: tuple[Prior, ...]
    tile: int | None
    generator: torch.Generator

    def look(self, image: Tensor) -> Ascent:
        with torch.enable_grad():
            leaf = image.detach().requires_grad_()
            seen = leaf
            for prior in self.priors:
                seen = prior.view(seen, self.generator)
            if self.tile and max(seen.shape[-2:]) > self.tile:
                score, gradient = self._tiled(seen.detach(), self.tile)
                if seen is not leaf:
                    (gradient,) = torch.autograd.grad(seen, leaf, gradient)
                return Ascent(image=image, gradient=gradient, score=score)
            activations, score, gradient = self._differentiated(seen, leaf)
        return Ascent(
            image=image,
            gradient=gradient,
            score=score,
            activations={name: value.detach() for name, value in activations.items()},
        )

    def _differentiated(
        self, seen: Tensor, leaf: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """What was read of `seen`, the score and its gradient by `leaf`, which `seen` shows."""
        activations, score = self.bound.read(self.net, leaf, view=seen, mode=self.rule.mode())
        with self.net.numerics():
            gradient = _gradient(score, leaf)
        return activations, score.detach(), gradient

    def _tiled(self, seen: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """The score of an image too large to be seen at once, and its gradient by the image."""
        gradient, score = torch.empty_like(seen), seen.new_zeros(len(seen))
        for rows in _cut(seen.shape[-2], side):
            for columns in _cut(seen.shape[-1], side):
                leaf = seen[..., rows, columns].clone().requires_grad_()
                share = leaf.numel() / seen.numel()
                _, one, steep = self._differentiated(leaf, leaf)
                score += share * one
                torch.mul(steep, share, out=gradient[..., rows, columns])
        return score, gradient


def _cut(length: int, side: int) -> list[slice]:
    """Slices of nearly one length, none above `side`."""
    count = -(-length // side)
    edges = [round(length * i / count) for i in range(count + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _gradient(score: Tensor, image: Tensor) -> Tensor:
    gradient = None
    if score.requires_grad:
        (gradient,) = torch.autograd.grad(score.sum(), image, allow_unused=True)
    if gradient is None:
        raise ConvscopeError(
            "no gradient reaches the image: something between it and the target cuts it off"
            " (detach, no_grad, argmax, rounding)"
        )
    return gradient


def _checked(net: Network, frame: Ascent, step: int) -> Ascent:
    if not all_finite(frame.score):
        raise ConvscopeError(
            f"the score is not finite at step {step}; {net.first_not_finite(frame.image)}"
        )
    if not all_finite(frame.gradient):
        raise ConvscopeError(f"the gradient is not finite at step {step}, though the score is")
    return frame
