"""TODO."""

from __future__ import annotations

from dataclasses import dataclass

from convscope.vocabulary.objectives import Objective
from convscope.vocabulary.optimizers import Optimizer
from convscope.vocabulary.priors import Prior
from convscope.vocabulary.rules import Rule
from convscope.vocabulary.starts import Start


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """From a `start`, climb an `objective` under a backward `rule`, with `priors`, by an
    `optimizer`, for some `steps`. Without an optimizer the gradient is looked at and not followed.

    With `tile`, the network sees large images in tiles of at most so many pixels a side, which
    bounds memory. The score is then the mean of the tiles', each by its area.
    """

    start: Start
    objective: Objective
    rule: str | Rule = "plain"
    priors: tuple[Prior, ...] = ()
    optimizer: Optimizer | None = None
    steps: int = 1
    tile: int | None = None
