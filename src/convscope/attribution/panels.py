"""How an attribution is shown: panels of its map or gradient, and the numbers to quote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.attribution.question import Question
from convscope.types import (
    Ascent,
    Box,
    Frame,
    GradientHeatmapFrame,
    HeatMap,
    HeatmapFrame,
    ImageFrame,
    MapStyle,
    Panel,
    Picture,
    SignedPicture,
)

# How a pixelwise map is drawn over a photograph; its values stay as they are.
SATURATION_QUANTILE = 0.995  # values above this quantile get the last color
SMOOTHING = 4.0  # standard deviation of the blur, in pixels


ALL_ZERO = (
    ": zero everywhere (the score is saturated, or nothing in the image contributes; for an"
    " activation layer, try NAME.pre)"
)


class AttributionSummary(TypedDict):
    """The target and its score; for several images, a list of each."""

    target: str
    score: float


@overload
def map_frame(
    question: Question,
    frame: Ascent,
    heatmap: Tensor,
    style: MapStyle,
    captions: Sequence[str] = (),
    **numbers: Tensor,
) -> GradientHeatmapFrame: ...


@overload
def map_frame(
    question: Question,
    frame: ImageFrame,
    heatmap: Tensor,
    style: MapStyle,
    captions: Sequence[str] = (),
    **numbers: Tensor,
) -> HeatmapFrame: ...


def map_frame(
    question: Question,
    frame: ImageFrame,
    heatmap: Tensor,
    style: MapStyle,
    captions: Sequence[str] = (),
    **numbers: Tensor,
) -> HeatmapFrame:
    """The frame of an attribution, with its map, panels and summary.

    Args:
        question: what the attribution explains.
        frame: holds the score, and the activations that it was read off.
        heatmap: (N, H, W).
        style: how the map is drawn.
        captions: one per image; the names of the targets if not given.
        numbers: further numbers for the summary, each (N,).
    """
    names = question.names(frame.activations)
    return frame.with_heatmap(
        heatmap,
        map_style=style,
        panels=map_panels(question, heatmap, style, captions or names),
        summary=summarize(names, frame, **numbers),
    )


def map_panels(
    question: Question, heatmap: Tensor, style: MapStyle, captions: Sequence[str]
) -> tuple[Panel, ...]:
    """Each map (H, W) over its image.

    A pixelwise map of a single image is also drawn by itself, without smoothing.
    """
    panels: list[Panel] = []
    box = question.net.box(question.image)
    for values, image, caption in zip(heatmap, question.image, captions, strict=True):
        if not values.any():
            caption += ALL_ZERO
        if style.pixelwise and len(heatmap) == 1:
            clip = SATURATION_QUANTILE
            panels.append(HeatMap(values, style.label, caption, signed=style.signed, clip=clip))
            caption = f"over the photograph, smoothed over {SMOOTHING:g} pixels"
        panels.append(draw_map(values, style, image, box, caption))
    return tuple(panels)


def draw_map(
    heatmap: Tensor, style: MapStyle, image: Tensor, box: Box, caption: str = ""
) -> HeatMap:
    """A map (H, W) over the part of an image (3, h, w) that the network got."""
    clip = 1.0
    if style.pixelwise:
        heatmap = tensors.blur(heatmap[None, None], SMOOTHING)[0, 0]
        clip = SATURATION_QUANTILE
    return HeatMap(heatmap, style.label, caption, image, box, style.signed, clip)


def gradient_panels(
    question: Question, gradient: Tensor, captions: Sequence[str]
) -> tuple[Panel, ...]:
    """Each gradient (3, H, W) around gray; a single one beside what the network saw."""
    panels: list[Panel] = []
    if len(gradient) == 1:
        box = question.net.box(question.image)
        panels.append(Picture(question.image[0], "what the network saw", box))
    for values, caption in zip(gradient, captions, strict=True):
        panels.append(SignedPicture(values, caption if values.any() else caption + ALL_ZERO))
    return tuple(panels)


def summarize(names: Sequence[str], frame: Frame, **numbers: Tensor) -> dict[str, Any]:
    """The summary of an attribution: targets, scores and `numbers` (N,), by name.

    Each value is a list, one item per image; for a single image it is that item.
    """
    assert frame.score is not None
    columns = {"score": frame.score, **numbers}
    found = {"target": list(names), **{k: v.tolist() for k, v in columns.items()}}
    return {k: v[0] for k, v in found.items()} if len(names) == 1 else dict(found)
