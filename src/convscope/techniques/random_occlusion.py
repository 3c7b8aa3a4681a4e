"""Random occlusion: random masks hide parts of the image, and the score is read under each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
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
    generators,
    map_frame,
)
from convscope.network import Network, for_passes
from convscope.runs import Seed, TargetNames, technique
from convscope.system import batched
from convscope.types import Grid, HeatmapFrame, ImageFrame, MapStyle
from convscope.vocabulary import objectives

Box = tuple[int, ...]  # top, left, height and width, in pixels of the network's input


class RandomOcclusionSummary(AttributionSummary):
    """The target, its score, the number of masks, and how often the class is on top.

    `fraction_on_top` is a fraction of the masks; None for a target that is not one of several
    classes.
    """

    masks: int
    fraction_on_top: float | None


@technique(
    title="Random occlusion",
    paper="Petsiuk, Das and Saenko 2018",
    url="https://arxiv.org/abs/1806.07421",
    chapter="Which pixels matter",
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
        Field(
            description="kind of masks: soft random masks as in RISE, or one box at a random place"
        ),
    ] = "soft",
    count: Annotated[int, Field(ge=2, le=65536, description="number of random masks")] = 512,
    cells: Annotated[
        int, Field(ge=2, le=64, description="number of cells of a soft mask, down and across")
    ] = 7,
    size: Annotated[
        float, Field(gt=0, lt=1, description="largest side of a box, as a fraction of the image")
    ] = 0.5,
    baseline: Annotated[
        Baseline, Field(description=f"what hidden pixels show: {BASELINES}")
    ] = "mean",
    score: Annotated[
        Literal["probability", "logit"], Field(description="score to read under each mask")
    ] = "probability",
    seed: Seed = 0,
    batch_size: BatchSize = 16,
) -> Iterator[HeatmapFrame[RandomOcclusionSummary]]:
    """Which parts of the image the score depends on, found by hiding random parts.

    Each pixel of the map shows the mean score while it is visible minus the mean score while it is
    hidden, over all masks so far. A soft mask hides half of its cells; a box hides one rectangle of
    random size and place. Only the score is read, so it works on any network, but it needs many
    masks. Beside the map are the masks with the highest and the lowest scores.
    """
    question = ask(net, image, target).resolved()
    quick = replace(question, net=for_passes(net, count))
    inputs, probability = question.inputs, score == "probability"
    empty = baseline_images(net, inputs, baseline, seed)
    visible = _Masks(inputs, masks == "boxes", count, cells, size, seed)

    def work(part: slice) -> tuple[Tensor, Tensor, Tensor]:
        shown = visible[part]
        values, tops = _read(quick, torch.lerp(empty, inputs, shown[:, None]), probability)
        return _sums(values, shown), values, tops

    sums = inputs.new_zeros(2, 2, *net.input_size)
    scores, tops = inputs.new_zeros(count), torch.zeros(count, dtype=torch.long)
    whole = ImageFrame(image=inputs, score=question.score(inputs, probability))
    steps = -(-count // batch_size)
    for step, done in enumerate(batched(count, batch_size, work), 1):
        for part, (added, values, top) in done:
            sums += added
            scores[part], tops[part] = values, top.cpu()
        ended = min(step * batch_size, count)
        arrays = _arrays(question, scores[:ended], tops[:ended], visible.boxes[:ended])
        start = replace(whole, arrays=arrays, step=step, steps=steps)
        frame = _masked(question, start, _difference(sums), score)
        if step == steps:
            extremes = _extremes(question, visible, empty, scores, tops, score)
            frame = replace(frame, panels=(*frame.panels, extremes))
        yield frame


@dataclass(frozen=True)
class _Masks:
    """Random masks (H, W) for images (1, 3, H, W), 1 where they are visible."""

    inputs: Tensor
    as_boxes: bool
    count: int
    cells: int
    largest: float
    seed: int

    @cached_property
    def generator(self) -> Callable[[int], torch.Generator]:
        return generators(self.count, self.seed)

    @cached_property
    def boxes(self) -> list[Box]:
        """What each mask hides; none for soft masks."""
        if not self.as_boxes:
            return []
        size = self.inputs.shape[-2:]
        return [_box(self.generator(k), size, self.largest) for k in range(self.count)]

    def mask(self, k: int) -> Tensor:
        """Mask k."""
        if self.as_boxes:
            return _outside(self.boxes[k], self.inputs)
        size = self.inputs.shape[-2:]
        return _soft(self.generator(k), size, self.cells).to(self.inputs)

    def __getitem__(self, part: slice) -> Tensor:
        """Some masks (K, H, W)."""
        return torch.stack([self.mask(k) for k in range(self.count)[part]])


def _read(question: Question, images: Tensor, probability: bool) -> tuple[Tensor, Tensor]:
    """The score of each image and, if the target is a class, the top class."""
    net, target = question.net, question.target
    if not target.is_class:
        return question.score(images, probability), torch.zeros(len(images), dtype=torch.long)
    objective = objectives.probability(target) if probability else objectives.logit(target)
    with torch.no_grad():
        read, values = objective.bind(net).read(net, images)
        tops = net.outputs.of(target).top(read[target.layer])
    return question.check_finite(values, images), tops


def _sums(values: Tensor, shown: Tensor) -> Tensor:
    """Sums (2, 2, H, W) of the score and of 1, each while a pixel is visible and while hidden."""
    pairs = torch.stack([values, torch.ones_like(values)])
    return torch.einsum("sk,vkhw->svhw", pairs, torch.stack([shown, 1 - shown]))


def _difference(sums: Tensor) -> Tensor:
    """(1, H, W): the mean score while a pixel is visible minus that while it is hidden."""
    means = sums[0] / sums[1].clamp_min(1e-6)
    # A pixel that was never hidden, or never visible, has no difference yet.
    return torch.where(sums[1].amin(0) > 1e-6, means[0] - means[1], 0)[None]


def _arrays(
    question: Question, scores: Tensor, tops: Tensor, boxes: list[Box]
) -> dict[str, Tensor]:
    target = question.target
    arrays = {"scores": scores.clone()}
    if boxes:
        arrays["boxes"] = torch.tensor(boxes)
    if target.is_class and question.net.shape(target.layer)[0] > 1:
        arrays["on_top"] = tops.eq(target.channel or 0)
    return arrays


def _masked(question: Question, frame: ImageFrame, heatmap: Tensor, score: str) -> HeatmapFrame:
    """The frame with its map, and with the number of masks in its summary."""
    count, (name,) = len(frame.arrays["scores"]), question.names()
    caption = f"{name}: {score} while visible minus while hidden, {count} masks"
    found = map_frame(question, frame, heatmap, MapStyle(score, signed=True), [caption])
    on_top = frame.arrays.get("on_top")
    fraction = None if on_top is None else float(on_top.float().mean())
    summary = {**found.summary, "masks": count, "fraction_on_top": fraction}
    return replace(found, summary=summary)


def _extremes(
    question: Question, masks: _Masks, empty: Tensor, scores: Tensor, tops: Tensor, score: str
) -> Grid:
    """The images under the masks with the four highest and the four lowest scores."""
    ranked = scores.argsort(descending=True, stable=True).tolist()
    chosen = ranked[:4] + ranked[4:][-4:]
    visible = torch.stack([masks.mask(k) for k in chosen])
    (name,), captions = question.names(), [f"{scores[k]:.3g}" for k in chosen]
    if question.target.is_class:
        output = question.net.outputs.of(question.target)
        labels = [output.label(int(tops[k])) for k in chosen]
        captions = [f"{one}: {label}" for one, label in zip(captions, labels, strict=True)]
    return Grid(
        torch.lerp(empty, question.inputs, visible[:, None]),
        f"{score} of {name} at its highest (above) and lowest (below), and the top class",
        columns=4,
        captions=tuple(captions),
        low=0.0,
        high=1.0,
    )


def _soft(generator: torch.Generator, size: Sequence[int], cells: int) -> Tensor:
    """RISE's mask (H, W): random cells, enlarged smoothly and shifted by a fraction of a cell."""
    grid = torch.rand(cells, cells, generator=generator).lt(0.5).float()
    steps = [-(-side // cells) for side in size]
    large = [(cells + 1) * step for step in steps]
    mask = F.interpolate(grid[None, None], large, mode="bilinear")[0, 0]
    top, left = (int(torch.randint(step, (), generator=generator)) for step in steps)
    return mask[top : top + size[0], left : left + size[1]]


def _box(generator: torch.Generator, size: Sequence[int], largest: float) -> Box:
    """Top, left, height and width of a random box."""
    sides, corners = [], []
    for side in size:
        limit = max(1, round(largest * side))
        length = int(torch.randint(-(-limit // 4), limit + 1, (), generator=generator))
        corners.append(int(torch.randint(side - length + 1, (), generator=generator)))
        sides.append(length)
    return *corners, *sides


def _outside(box: Box, inputs: Tensor) -> Tensor:
    """The mask (H, W) that hides a box."""
    top, left, height, width = box
    mask = inputs.new_ones(inputs.shape[-2:])
    mask[top : top + height, left : left + width] = 0
    return mask
