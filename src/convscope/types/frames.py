"""TODO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from convscope.types.panels import Panel


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One moment of a run: the numbers, and the panels that show them.

    A technique yields these; the last one is its result. Tensors lead with the batch:
    `image` (N, 3, H, W) RGB in [0, 1], `gradient` (N, 3, H, W) of the score by the image that the
    network saw, `heatmap` (N, H, W) in score units, `score` (N,). `arrays` holds what has no name
    of its own, `summary` what a person would quote. `activations` are those the objective read.
    """

    panels: tuple[Panel, ...] = ()
    step: int = 1
    steps: int = 1
    image: Tensor | None = None
    gradient: Tensor | None = None
    heatmap: Tensor | None = None
    score: Tensor | None = None
    arrays: Mapping[str, Tensor] = field(default_factory=dict)
    summary: Mapping[str, object] = field(default_factory=dict)
    activations: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ascent(Frame):
    """A frame of a climb, where image, gradient and score are always there.

    `scores` (step, N) are those of all steps so far.
    """

    image: Tensor
    gradient: Tensor
    score: Tensor
    scores: Tensor | None = None
