"""The recipe of an image: the one sentence that most techniques say, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.types import Target
from convscope.vocabulary.objectives import Objective
from convscope.vocabulary.optimizers import Optimizer
from convscope.vocabulary.priors import Prior
from convscope.vocabulary.rules import Rule
from convscope.vocabulary.starts import Start
from convscope.vocabulary.word import check_fields
from convscope.vocabulary.words import WORDS, as_rule, name_of, python_call_of


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """From a `start`, climb an `objective` under a backward `rule`, with `priors`, by an
    `optimizer`, for a number of `steps`.

    Without an optimizer the image stays as it is, and the gradient is the result. With `tile`, the
    network gets large images in tiles of at most this many pixels a side, which limits memory; the
    score is then the mean of the tiles' scores, weighted by area. An image of a size that the
    network does not take then becomes tiles of a size that it takes: they overlap, or the image
    is padded by its reflection.

    Args:
        start: where the climb begins.
        objective: the score to climb.
        rule: how gradients pass activations, as a name or a rule.
        priors: what the climb assumes about images, in the order in which they act; a list or a
            tuple.
        optimizer: how the steps are taken.
        steps: the number of steps, at least 1 and at most a million.
        tile: the largest height and width of a tile, in pixels.

    Raises:
        ConvscopeError: a part has the wrong type or is out of bounds, the rule is unknown, or the
            optimizer needs a fixed score and a prior has a random view.
    """

    start: Start
    objective: Objective
    rule: str | Rule = "plain"
    priors: Sequence[Prior] = ()
    optimizer: Optimizer | None = None
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    tile: Annotated[int | None, Field(ge=1, le=100_000)] = None

    def __post_init__(self) -> None:
        if isinstance(self.priors, Prior):
            raise ConvscopeError(f"recipe: priors: write a list of priors: [{self.priors}]")
        for part in ("start", "objective", "optimizer"):
            _refuse_what_is_not_a_word(part, getattr(self, part))
        for prior in self.priors if isinstance(self.priors, list | tuple) else [self.priors]:
            _refuse_what_is_not_a_word("priors", prior)
        check_fields(self, "recipe")
        as_rule(self.rule)
        self._check_optimizer()

    def _check_optimizer(self) -> None:
        if self.optimizer is None or not self.optimizer.needs_fixed_score:
            return
        for prior in self.priors:
            if prior.random_view:
                raise ConvscopeError(
                    f"recipe: {type(self.optimizer).__name__} needs a score that is a fixed"
                    f" function of the image, and {prior} changes it at random; leave the prior"
                    " out, or take adam()"
                )


def _refuse_what_is_not_a_word(part: str, value: object) -> None:
    """Say what to write, where a name, a class, a target or a photograph stands for a word."""
    name = name_of(value) if isinstance(value, type) else value
    if isinstance(name, str) and name in WORDS:
        raise ConvscopeError(f"recipe: {part}: {name} is only a name: write {python_call_of(name)}")
    if part == "objective" and isinstance(value, str | int | Target) and type(value) is not bool:
        raise ConvscopeError(f"recipe: objective: {value!s} is a target: write {_read_off(value)}")
    if part == "start" and isinstance(value, Tensor):
        raise ConvscopeError("recipe: start: a tensor is not a start: write starts.photo(image)")


def _read_off(target: str | int | Target) -> str:
    """How to write the objective that reads a target's score."""
    name = target.spec if isinstance(target, Target) else target
    logit, activation = f"objectives.logit({name!r})", f"objectives.activation({name!r})"
    if isinstance(name, int):
        return logit
    return activation if ":" in name else f"{logit} for a class, {activation} for a layer"
