"""The frames that a technique yields, one for each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

from torch import Tensor
from typing_extensions import TypeVar

from convscope.types.panels import MapStyle, Panel

# The type of `Result.summary`: a TypedDict that the technique names in its return annotation.
Summary = TypeVar("Summary", covariant=True, default=Any)


@dataclass(frozen=True, kw_only=True)
class Frame(Generic[Summary]):
    """One step of a run: the numbers, and the panels that show them.

    A technique yields frames; the last one is its result. The first dimension of every tensor is
    the batch.

    Attributes:
        panels: what `Result.picture` draws, in this order.
        step: the number of this step, from 1.
        steps: how many steps the run has.
        image: (N, 3, H, W), RGB in [0, 1].
        gradient: (N, 3, H, W), of the score by the pixels of the network's input.
        heatmap: (N, H, W), over the pixels of the network's input, in units of the score.
        map_style: how the heatmap is drawn.
        score: (N,), what the network gives the target.
        arrays: further tensors by name; the technique documents them.
        summary: the numbers and names that a person would quote, as plain Python values.
        table: rows for a .csv file, if there are more than the summary has.
        activations: the activations that the objective read, by layer.
    """

    panels: tuple[Panel, ...] = ()
    step: int = 1
    steps: int = 1
    image: Tensor | None = None
    gradient: Tensor | None = None
    heatmap: Tensor | None = None
    map_style: MapStyle = field(default_factory=MapStyle)
    score: Tensor | None = None
    arrays: Mapping[str, Tensor] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    table: Sequence[Mapping[str, Any]] = ()
    activations: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ImageFrame(Frame[Summary]):
    """A frame that always has an image and a score."""

    image: Tensor
    score: Tensor

    def with_heatmap(self, heatmap: Tensor, **changes: Any) -> HeatmapFrame:
        """The frame with a heatmap (N, H, W), and with other changes of its fields."""
        return HeatmapFrame(**{**vars(self), "heatmap": heatmap, **changes})


@dataclass(frozen=True, kw_only=True)
class Ascent(ImageFrame[Summary]):
    """A frame that always has an image, a gradient and a score, as every step of a climb has.

    Attributes:
        scores: (step, N), the scores of all steps so far.
        changed: (N,), the fraction of the activations on the way back to the image that the
            backward rule changed; None if it changed all, or is the plain rule.
    """

    gradient: Tensor
    scores: Tensor | None = None
    changed: Tensor | None = None

    def with_heatmap(self, heatmap: Tensor, **changes: Any) -> GradientHeatmapFrame:
        """The frame with a heatmap (N, H, W), and with other changes of its fields."""
        return GradientHeatmapFrame(**{**vars(self), "heatmap": heatmap, **changes})


@dataclass(frozen=True, kw_only=True)
class HeatmapFrame(ImageFrame[Summary]):
    """A frame that always has an image, a heatmap and a score, as most attributions have."""

    heatmap: Tensor


@dataclass(frozen=True, kw_only=True)
class GradientHeatmapFrame(Ascent[Summary], HeatmapFrame[Summary]):
    """A frame with a heatmap and the gradient that it was made from."""
