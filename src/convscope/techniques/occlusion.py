"""Occlusion: a square slides over the image, and the score is read at each position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
from convscope.network import Network, for_passes
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
    chapter="Which pixels matter",
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
            " probability"
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
    positions = _positions(question.inputs, patch, stride)
    empty = baseline_images(net, question.inputs, baseline, seed)
    probability = score == "probability"
    scores = question.scores(question.inputs, probability)
    arrays = {"coverage": positions.coverage}
    frame = ImageFrame(image=question.inputs, score=scores, arrays=arrays)
    found = torch.zeros_like(question.inputs[:, 0])
    step, steps = 0, len(empty) * -(-positions.count // batch_size)
    quick = replace(question, net=for_passes(net, len(empty) * positions.count))
    for i in range(len(empty)):
        for grid in _grids(quick[i : i + 1], empty[i], positions, probability, batch_size):
            step += 1
            found = found.clone()
            found[i] = positions.mean(scores[i] - grid if score == "drop" else grid)
            shown = _occluded(question, frame, found, score)
            yield replace(shown, step=step, steps=steps)


@dataclass(frozen=True)
class _Positions:
    """Where the patch is placed: the rows and columns of its top left corner.

    `down` (rows, H) and `across` (columns, W) are 1 where a patch there hides a pixel.
    """

    rows: list[int]
    columns: list[int]
    down: Tensor
    across: Tensor
    patch: int

    @property
    def count(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def coverage(self) -> Tensor:
        """(H, W): how many positions hide a pixel."""
        return torch.outer(self.down.sum(0), self.across.sum(0))

    def mean(self, grid: Tensor) -> Tensor:
        """(H, W): the mean of a grid (rows, columns) over the positions that hide a pixel."""
        return self.down.T @ grid @ self.across / self.coverage

    def hidden(self, image: Tensor, empty: Tensor, places: list[tuple[int, int]]) -> Tensor:
        """Copies of the image (1, 3, H, W), each with a patch of `empty` at a place of the grid."""
        copies = image.expand(len(places), -1, -1, -1).clone(memory_format=torch.channels_last)
        for copy, (row, column) in zip(copies, places, strict=True):
            top, left = self.rows[row], self.columns[column]
            window = (..., slice(top, top + self.patch), slice(left, left + self.patch))
            copy[window] = empty[window]
        return copies


def _positions(inputs: Tensor, patch: int, stride: int) -> _Positions:
    """All positions on images (N, 3, H, W)."""
    height, width = inputs.shape[-2:]
    if patch > min(height, width):
        raise ConvscopeError(
            f"a patch of {patch} pixels hides more than the image of {height} x {width}"
        )
    if stride > patch:
        raise ConvscopeError(f"a stride of {stride} leaves gaps between patches of {patch} pixels")
    # The last patch ends at the edge.
    rows, columns = (
        sorted({*range(0, size - patch, stride), size - patch}) for size in (height, width)
    )
    down, across = _covered(rows, height, patch), _covered(columns, width, patch)
    return _Positions(rows, columns, down.to(inputs), across.to(inputs), patch)


def _covered(positions: list[int], size: int, patch: int) -> Tensor:
    """(len(positions), size): 1 where a patch at that position hides a pixel, on one axis."""
    pixels, begin = torch.arange(size), torch.tensor(positions)[:, None]
    return ((pixels >= begin) & (pixels < begin + patch)).float()


def _grids(
    question: Question, empty: Tensor, positions: _Positions, probability: bool, batch_size: int
) -> Iterator[Tensor]:
    """The score (rows, columns) at each position so far, after each batch."""
    rows, columns = len(positions.rows), len(positions.columns)
    places = _coarse_to_fine(rows, columns)
    values = empty.new_full((rows, columns), torch.nan)

    def work(part: slice) -> Tensor:
        return question.score(positions.hidden(question.inputs, empty, places[part]), probability)

    for done in batched(len(places), batch_size, work):
        for part, value in done:
            r, c = zip(*places[part], strict=True)
            values[list(r), list(c)] = value
        yield _preview(values)


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
