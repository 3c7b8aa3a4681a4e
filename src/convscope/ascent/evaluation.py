"""The score of an image and its gradient: one forward pass and one backward pass."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.ascent.recipe import Recipe
from convscope.ascent.tiles import Tiling, reflected, tiling
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.tensors import all_finite
from convscope.types import Ascent
from convscope.vocabulary.backward.audit import no_gradient
from convscope.vocabulary.words import as_rule


class Evaluator:
    """Reads a recipe's objective and its gradient off a network, under the rule and the views."""

    def __init__(self, net: Network, recipe: Recipe, generator: torch.Generator) -> None:
        self.net, self.generator = net, generator
        self.objective, self.mode = recipe.objective.bind(net), as_rule(recipe.rule).mode()
        self.priors, self.tile = recipe.priors, recipe.tile
        self._tilings: dict[tuple[int, int], Tiling] = {}

    def evaluate(self, image: Tensor) -> Ascent:
        """The score (N,) of an image (N, C, H, W) and its gradient by that image.

        The priors choose the view that the network gets. With a recipe's `tile`, a view that is
        larger, or that the network does not take, is scored tile by tile. The frame then holds no
        activations.
        """
        with torch.enable_grad():
            leaf = image.detach().requires_grad_()
            view = leaf
            for prior in self.priors:
                view = prior.view(view, self.generator)
            tiling = self._tiling(view)
            if tiling:
                view = reflected(view, tiling.size)
                score, gradient = self._evaluate_tiles(view.detach(), tiling)
                if view is not leaf:
                    (gradient,) = torch.autograd.grad(view, leaf, gradient)
                activations: dict[str, Tensor] = {}
            else:
                activations, score, gradient = self._differentiate(view, leaf)
        return Ascent(
            image=image,
            gradient=gradient,
            score=score,
            changed=self.mode.changed(),
            activations={name: value.detach() for name, value in activations.items()},
        )

    def check(self, frame: Ascent, step: int) -> None:
        """Raise a ConvscopeError if the score or the gradient of a frame is not finite."""
        if not all_finite(frame.score):
            raise ConvscopeError(
                f"the score is not finite at step {step}; {self.net.first_not_finite(frame.image)}"
            )
        if not all_finite(frame.gradient):
            raise ConvscopeError(f"the gradient is not finite at step {step}, though the score is")

    def _differentiate(
        self, view: Tensor, leaf: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """The activations of a view, its score, and the gradient by the leaf it was made from."""
        activations, score = self.objective.read(self.net, leaf, view=view, mode=self.mode)
        with self.net.numerics():
            gradient = _gradient(score, leaf)
        return activations, score.detach(), gradient

    def _tiling(self, view: Tensor) -> Tiling | None:
        """The tiles of a view; None if the network gets it as a whole."""
        size = view.shape[-2], view.shape[-1]
        if self.tile is None:
            return None
        if size not in self._tilings:
            self._tilings[size] = tiling(self.net, self.objective.layers, size, self.tile)
        found = self._tilings[size]
        return None if found.whole else found

    def _evaluate_tiles(self, view: Tensor, tiling: Tiling) -> tuple[Tensor, Tensor]:
        """The mean score of a view's tiles, weighted by area, and its gradient by the view."""
        gradient, score = torch.zeros_like(view), view.new_zeros(len(view))
        for rows, columns in tiling.tiles:
            leaf = view[..., rows, columns].clone().requires_grad_()
            fraction = leaf[0, 0].numel() / tiling.pixels
            _, tile_score, tile_gradient = self._differentiate(leaf, leaf)
            score += fraction * tile_score
            gradient[..., rows, columns].add_(tile_gradient, alpha=fraction)
        return score, gradient


def _gradient(score: Tensor, image: Tensor) -> Tensor:
    gradient = None
    if score.requires_grad:
        (gradient,) = torch.autograd.grad(score.sum(), image, allow_unused=True)
    if gradient is None:
        raise no_gradient()
    return gradient
