"""Occlusion: a square slides over the image, and the score is read at each position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from convscope.attribution import (
    BASELINES,
    AttributionSummary,
    Baseline,
    BatchSize,
    Question,
    ask,
    baseline_images,
    map_frame,
)
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import Seed, TargetNames, technique
from convscope.system import batched
from convscope.types import HeatmapFrame, ImageFrame, MapStyle


class OcclusionSummary(AttributionSummary):
    """The target, its score, and the extremes of the map."""

    highest: float
    lowest: float


@technique(
    title="Occlusion",
    paper="Zeiler and Fergus 2014",
    url="https://arxiv.org/abs/1311.2901",
    attribution=True,
)
def occlusion(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    patch: Annotated[
        int,
        Field(
            ge=1,
            le=4096,
            description="side of the square that hides a part of the image, in pixels of the"
            " network's input",
        ),
    ] = 56,
    stride: Annotated[
        int,
        Field(
            ge=1,
            le=4096,
            description="distance between positions of the square, in pixels of the network's"
            " input",
        ),
    ] = 14,
    baseline: Annotated[
        Baseline, Field(description=f"what hidden pixels show: {BASELINES}")
    ] = "blur",
    score: Annotated[
        Literal["drop", "logit", "probability"],
        Field(
            description="what the map shows: how far the score falls, the score itself, or the"
            " probability (softmax)"
        ),
    ] = "drop",
    seed: Seed = 0,
    batch_size: BatchSize = 16,
) -> Iterator[HeatmapFrame[OcclusionSummary]]:
    """How much the score falls when a square hides each part of the image.

    A square slides over the network's input, and the score is read at each position. Each pixel of
    the map shows the mean over all positions that hid it. Hiding red parts lowers the score,
    hiding blue parts raises it. The last row and column of positions end at the edge, so each
    pixel is hidden at least once. Frames go from coarse to fine.
    """
    question = ask(net, image, target).resolved()
    height, width = net.input_size
    if patch > min(height, width):
        raise ConvscopeError(
            f"a patch of {patch} pixels hides more than the image of {height} x {width}"
        )
    if stride > patch:
        raise ConvscopeError(f"a stride of {stride} leaves gaps between patches of {patch} pixels")
    rows, columns = _positions(height, patch, stride), _positions(width, patch, stride)
    down, across = (
        _covered(rows, height, patch).to(question.inputs),
        _covered(columns, width, patch).to(question.inputs),
    )
    coverage = torch.outer(down.sum(0), across.sum(0))
    order = _coarse_to_fine(len(rows), len(columns))
    empty = baseline_images(net, question.inputs, baseline, seed)
    probability = score == "probability"
    scores = question.scores(question.inputs, probability)
    frame = ImageFrame(image=question.inputs, score=scores, arrays={"coverage": coverage})
    found = torch.zeros_like(question.inputs[:, 0])
    steps = -(-len(order) // batch_size)
    for i in range(len(empty)):
        one, values = question[i : i + 1], coverage.new_full((len(rows), len(columns)), torch.nan)

        def work(part: slice, i: int = i, one: Question = one) -> Tensor:
            corners = [(rows[r], columns[c]) for r, c in order[part]]
            return one.score(_hidden(one.inputs, empty[i], corners, patch), probability)

        for step, done in enumerate(batched(len(order), batch_size, work), 1 + i * steps):
            for part, value in done:
                r, c = zip(*order[part], strict=True)
                values[list(r), list(c)] = value
            grid = _preview(values)
            shown = scores[i] - grid if score == "drop" else grid
            found = found.clone()
            found[i] = down.T @ shown @ across / coverage
            yield replace(
                _occluded(question, frame, found, score), step=step, steps=steps * len(empty)
            )


def _positions(size: int, patch: int, stride: int) -> list[int]:
    """Where the patch begins on one axis; the last lies flush with the edge."""
    return sorted({*range(0, size - patch, stride), size - patch})


def _covered(positions: list[int], size: int, patch: int) -> Tensor:
    """(len(positions), size): 1 where a patch at that position hides a pixel, on one axis."""
    pixels, begin = torch.arange(size), torch.tensor(positions)[:, None]
    return ((pixels >= begin) & (pixels < begin + patch)).float()


def _hidden(image: Tensor, empty: Tensor, corners: list[tuple[int, int]], patch: int) -> Tensor:
    """Copies of the image (1, 3, H, W), each with a patch of `empty` at one of the corners."""
    copies = image.expand(len(corners), -1, -1, -1).clone(memory_format=torch.channels_last)
    for copy, (top, left) in zip(copies, corners, strict=True):
        window = (..., slice(top, top + patch), slice(left, left + patch))
        copy[window] = empty[window]
    return copies


def _coarse_to_fine(rows: int, columns: int) -> list[tuple[int, int]]:
    """All positions of a grid, such that the first few already cover it."""

    def level(place: tuple[int, int]) -> int:
        both = place[0] | place[1] | 8  # its lowest bit: the coarsest grid that has the place
        return both & -both

    places = [(r, c) for r in range(rows) for c in range(columns)]
    return sorted(places, key=lambda place: -level(place))


def _preview(values: Tensor) -> Tensor:
    """The grid with unknown values (NaN) filled in from the nearest coarser position."""
    filled_in = values.clone()
    for step in (2, 4, 8):
        rows, columns = (
            ((torch.arange(side) + step // 2) // step * step).clamp_max((side - 1) // step * step)
            for side in values.shape
        )
        filled_in = torch.where(filled_in.isnan(), values[rows][:, columns], filled_in)
    return filled_in.nan_to_num(float(values.nanmean()))


def _occluded(question: Question, frame: ImageFrame, heatmap: Tensor, score: str) -> HeatmapFrame:
    """The frame with its map."""
    label = "fall of the score" if score == "drop" else score
    captions = [f"{label} of {name} where hidden" for name in question.names()]
    flat = heatmap.flatten(1)
    numbers = {"highest": flat.amax(1), "lowest": flat.amin(1)}
    style = MapStyle(label, signed=score == "drop")
    return map_frame(question, frame, heatmap, style, captions, **numbers)
