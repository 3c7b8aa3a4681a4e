"""What happens to a score when parts of the photo are hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
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
    chances,
    map_panels,
    summarize,
)
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import Seed, TargetNames, technique
from convscope.system import batched
from convscope.types import Grid, HeatmapFrame

HidesWith = Annotated[Baseline, Field(description=f"what a hidden part shows: {BASELINES}")]


class OcclusionSummary(AttributionSummary):
    """The target, its score, and the extremes of the map."""

    highest: float
    lowest: float


class RandomOcclusionSummary(AttributionSummary):
    """The target, its score, the number of masks, and how often the class stayed on top.

    `kept` is a fraction of the masks; None for a target that is not a class.
    """

    masks: int
    kept: float | None


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
        int, Field(ge=1, le=4096, description="side of the hiding square, in the network's pixels")
    ] = 56,
    stride: Annotated[
        int, Field(ge=1, le=4096, description="pixels from one position to the next")
    ] = 14,
    baseline: HidesWith = "blur",
    score: Annotated[
        Literal["drop", "logit", "probability"],
        Field(description="what the map shows: how far the score falls, the score, or its softmax"),
    ] = "drop",
    seed: Seed = 0,
    batch_size: BatchSize = 16,
) -> Iterator[HeatmapFrame[OcclusionSummary]]:
    """How much the score falls when a square hides each part of the photo.

    A square slides over what the network sees, and the score is read at every position; at each
    pixel the map shows the mean over all positions that hid it. Red parts speak for the target,
    hiding blue ones makes it more certain. The last row and column of positions lie flush with the
    edge, so that all is hidden at least once. Frames go from coarse to fine.
    """
    question = ask(net, image, target).settled()
    height, width = net.input_size
    if patch > min(height, width):
        raise ConvscopeError(f"a patch of {patch} hides more than the image of {height} x {width}")
    if stride > patch:
        raise ConvscopeError(f"a stride of {stride} leaves gaps between patches of {patch} pixels")
    rows, columns = _positions(height, patch, stride), _positions(width, patch, stride)
    # (R, H) and (C, W): which pixels each position hides, on one axis.
    down, across = (
        torch.stack([_spans(size, at, patch) for at in places]).to(question.inputs)
        for size, places in ((height, rows), (width, columns))
    )
    coverage = torch.outer(down.sum(0), across.sum(0))
    order = _coarse_to_fine(len(rows), len(columns))
    empty = baseline_images(net, question.inputs, baseline, seed)
    probability = score == "probability"
    scores = question.scores(question.inputs, probability)
    found = torch.zeros_like(question.inputs[:, 0])
    steps = -(-len(order) // batch_size)
    for i in range(len(empty)):
        one, values = question[i : i + 1], coverage.new_full((len(rows), len(columns)), torch.nan)

        def work(part: slice, i: int = i, one: Question = one) -> Tensor:
            hidden = one.inputs.expand(part.stop - part.start, -1, -1, -1)
            hidden = hidden.clone(memory_format=torch.channels_last)
            for picture, (r, c) in zip(hidden, order[part], strict=True):
                top, left = rows[r], columns[c]
                window = (..., slice(top, top + patch), slice(left, left + patch))
                picture[window] = empty[i][window]
            return one.score(hidden, probability)

        for step, done in enumerate(batched(len(order), batch_size, work), 1 + i * steps):
            for part, value in done:
                r, c = zip(*order[part], strict=True)
                values[list(r), list(c)] = value
            grid = _preview(values)
            shown = scores[i] - grid if score == "drop" else grid
            found = found.clone()
            found[i] = down.T @ shown @ across / coverage
            yield _occluded(question, found, scores, coverage, score, step, steps * len(empty))


@technique(
    title="Random occlusion",
    paper="Petsiuk, Das and Saenko 2018",
    url="https://arxiv.org/abs/1806.07421",
    attribution=True,
    batch=False,
)
def random_occlusion(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    masks: Annotated[
        Literal["soft", "boxes"],
        Field(description="soft random masks as in RISE, or one box in a random place at a time"),
    ] = "soft",
    count: Annotated[int, Field(ge=2, le=65536, description="how many random masks")] = 512,
    cells: Annotated[
        int, Field(ge=2, le=64, description="cells of a soft mask, down and across")
    ] = 7,
    size: Annotated[
        float, Field(gt=0, lt=1, description="side of the largest box, as a part of the image's")
    ] = 0.5,
    baseline: HidesWith = "mean",
    score: Annotated[
        Literal["probability", "logit"], Field(description="what is read under each mask")
    ] = "probability",
    seed: Seed = 0,
    batch_size: BatchSize = 16,
) -> Iterator[HeatmapFrame[RandomOcclusionSummary]]:
    """What hiding random parts of the photo does to the score, and what it can do without.

    The map shows at each pixel the mean score while the pixel is visible less the mean score while
    it is hidden, over all masks so far. A soft mask hides half of its cells, a box one rectangle of
    random size and place. Nothing but the score is read, so it works on any network, but it wants
    many masks. Beside the map are those under which the score was highest and lowest.
    """
    question = ask(net, image, target).settled()
    inputs, probability = question.inputs, score == "probability"
    whole = question.score(inputs, probability)
    empty, chance = baseline_images(net, inputs, baseline, seed), chances(count, seed)
    boxes = [_box(chance(k), net.input_size, size) for k in range(count)]

    def visible(k: int) -> Tensor:
        if masks == "soft":
            return _soft(chance(k), net.input_size, cells).to(inputs)
        top, left, down, across = boxes[k]
        mask = inputs.new_ones(net.input_size)
        mask[top : top + down, left : left + across] = 0
        return mask

    def work(part: slice) -> tuple[Tensor, Tensor, Tensor]:
        shown = torch.stack([visible(k) for k in range(count)[part]])
        values, tops = _read(question, torch.lerp(empty, inputs, shown[:, None]), probability)
        # Sums over the masks of the score and of 1, each while visible and while hidden.
        pairs = torch.stack([values, torch.ones_like(values)])
        sums = torch.einsum("sk,vkhw->svhw", pairs, torch.stack([shown, 1 - shown]))
        return sums, values, tops

    sums = inputs.new_zeros(2, 2, *net.input_size)
    scores, tops = inputs.new_zeros(count), torch.zeros(count, dtype=torch.long)
    steps = -(-count // batch_size)
    for step, done in enumerate(batched(count, batch_size, work), 1):
        for part, (added, values, top) in done:
            sums += added
            scores[part], tops[part] = values, top.cpu()
        ended = min(step * batch_size, count)
        # A pixel that was never hidden, or never visible, says nothing yet.
        means = sums[0] / sums[1].clamp_min(1e-6)
        heatmap = torch.where(sums[1].amin(0) > 1e-6, means[0] - means[1], 0)[None]
        unit, name = question.units[0], question.names({})[0]
        arrays = {"scores": scores[:ended].clone()}
        if masks == "boxes":
            arrays["boxes"] = torch.tensor(boxes[:ended])
        if unit and unit.label is not None and unit.channel is not None:
            arrays["kept"] = tops[:ended].eq(unit.channel)
        caption = f"{name}: {score} while visible less while hidden, {ended} masks"
        panels = list(map_panels(question, heatmap, score, [caption], signed=True))
        if step == steps:
            ranked = scores.argsort(descending=True, stable=True).tolist()
            chosen = ranked[:4] + ranked[4:][-4:]
            tiles = [torch.lerp(empty[0], inputs[0], visible(k)) for k in chosen]
            captions = tuple(
                f"{scores[k]:.3g}" + (f": {net.label(int(tops[k]))}" if "kept" in arrays else "")
                for k in chosen
            )
            caption = f"{score} of {name} highest (above) and lowest (below), and what is on top"
            panels.append(Grid(torch.stack(tiles), caption, 4, captions, low=0.0, high=1.0))
        frame = HeatmapFrame(image=inputs, heatmap=heatmap, score=whole, arrays=arrays)
        kept = float(arrays["kept"].float().mean()) if "kept" in arrays else None
        quoted = {**summarize([name], frame), "masks": ended, "kept": kept}
        yield replace(frame, panels=tuple(panels), summary=quoted, step=step, steps=steps)


def _read(question: Question, images: Tensor, probability: bool) -> tuple[Tensor, Tensor]:
    """The score of each image and, where it is a class's, which class is on top."""
    (unit,) = question.units
    if unit is None or unit.label is None:
        return question.score(images, probability), torch.zeros(len(images), dtype=torch.long)
    with torch.no_grad():
        logits = question.net.activations(images, {""})[""]
    values = (logits.softmax(1) if probability else logits)[:, unit.channel]
    return question.finite(values, images), logits.argmax(1)


def _soft(chance: torch.Generator, size: tuple[int, int], cells: int) -> Tensor:
    """RISE's mask (H, W): random cells, enlarged smoothly and shifted by a part of a cell."""
    grid = torch.rand(cells, cells, generator=chance).lt(0.5).float()
    steps = [-(-side // cells) for side in size]
    large = [(cells + 1) * step for step in steps]
    mask = F.interpolate(grid[None, None], large, mode="bilinear")[0, 0]
    top, left = (int(torch.randint(step, (), generator=chance)) for step in steps)
    return mask[top : top + size[0], left : left + size[1]]


def _box(chance: torch.Generator, size: tuple[int, int], largest: float) -> tuple[int, ...]:
    """Top, left, height and width of a random box."""
    sides, corners = [], []
    for side in size:
        limit = max(1, round(largest * side))
        length = int(torch.randint(-(-limit // 4), limit + 1, (), generator=chance))
        corners.append(int(torch.randint(side - length + 1, (), generator=chance)))
        sides.append(length)
    return *corners, *sides


def _positions(size: int, patch: int, stride: int) -> list[int]:
    """Where the patch begins on one axis; the last lies flush with the edge."""
    return sorted({*range(0, size - patch, stride), size - patch})


def _spans(size: int, at: int, patch: int) -> Tensor:
    hidden = torch.zeros(size)
    hidden[at : at + patch] = 1
    return hidden


def _coarse_to_fine(rows: int, columns: int) -> list[tuple[int, int]]:
    """All positions of a grid, such that the first few already cover it."""

    def level(place: tuple[int, int]) -> int:
        both = place[0] | place[1] | 8  # its lowest bit: the coarsest grid that has the place
        return both & -both

    places = [(r, c) for r in range(rows) for c in range(columns)]
    return sorted(places, key=lambda place: -level(place))


def _preview(values: Tensor) -> Tensor:
    """The grid with what is still unknown (NaN) filled in from the nearest coarser position."""
    filled_in = values.clone()
    for step in (2, 4, 8):
        rows, columns = (
            ((torch.arange(side) + step // 2) // step * step).clamp_max((side - 1) // step * step)
            for side in values.shape
        )
        filled_in = torch.where(filled_in.isnan(), values[rows][:, columns], filled_in)
    return filled_in.nan_to_num(float(values.nanmean()))


def _occluded(
    question: Question,
    found: Tensor,
    scores: Tensor,
    coverage: Tensor,
    score: str,
    step: int,
    steps: int,
) -> HeatmapFrame:
    names = question.names({})
    drop = score == "drop"
    what = "fall of the score" if drop else score
    captions = [f"{what} of {name} where hidden" for name in names]
    frame = HeatmapFrame(
        image=question.inputs,
        heatmap=found,
        score=scores,
        panels=map_panels(question, found, what, captions, signed=drop),
        arrays={"coverage": coverage},
        step=step,
        steps=steps,
    )
    lowest = found.flatten(1).amin(1)
    return replace(
        frame, summary=summarize(names, frame, highest=found.flatten(1).amax(1), lowest=lowest)
    )
