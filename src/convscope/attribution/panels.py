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
    captions = [
        caption if values.any() else caption + ALL_ZERO
        for values, caption in zip(heatmap, captions, strict=True)
    ]
    panels: list[Panel] = []
    if style.pixelwise and len(heatmap) == 1:
        clip = SATURATION_QUANTILE
        panels.append(HeatMap(heatmap[0], style.label, captions[0], signed=style.signed, clip=clip))
        captions = [f"over the photograph, smoothed over {SMOOTHING:g} pixels"]
    box = question.net.box(question.image)
    return (*panels, *draw_maps(heatmap, style, question.image, box, captions))


def draw_maps(
    heatmap: Tensor, style: MapStyle, image: Tensor, box: Box, captions: Sequence[str]
) -> list[HeatMap]:
    """Maps (N, H, W), each over the part of its image (N, 3, h, w) that the network got."""
    clip = 1.0
    if style.pixelwise:
        # One call for all: as many small ones take five times as long.
        heatmap = tensors.blur(heatmap[:, None], SMOOTHING)[:, 0]
        clip = SATURATION_QUANTILE
    return [
        HeatMap(values, style.label, caption, one, box, style.signed, clip)
        for values, caption, one in zip(heatmap, captions, image, strict=True)
    ]


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
