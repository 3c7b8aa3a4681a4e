"""Segmentation of an object by attribution maps and its colors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from convscope import tensors
from convscope.attribution import AttributionSummary, Names, Question, ask, summarize
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import Seed, TargetName, registry, technique
from convscope.trust import attribute
from convscope.types import Array, HeatMap, HeatmapFrame, Panel, Picture

LARGEST = 256  # pixels of the longer side on which GrabCut runs; at more, it follows texture


SMALLEST = 0.01  # fraction of the object; smaller islands are dropped, smaller holes filled


HIGHEST = 0.01  # fraction of the pixels that have the highest values of a map


OUTLINE = (1.0, 0.85, 0.1)  # RGB


class SegmentSummary(AttributionSummary):
    """The target, its score, and the fraction of the image that was cut out."""

    fraction_of_image: float


@technique(
    title="Segmentation",
    paper="Simonyan, Vedaldi and Zisserman 2014",
    url="https://arxiv.org/abs/1312.6034",
    chapter="Which pixels matter",
    batch=False,
)
def segment(
    net: Network,
    image: Tensor,
    *,
    target: TargetName = None,
    methods: Annotated[
        Names,
        Field(
            min_length=1,
            description="names of the attribution techniques whose maps show where the object is",
        ),
    ] = ("smoothgrad", "gradcam"),
    foreground: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="pixels from this fraction of the maps' highest values on are surely"
            " foreground",
        ),
    ] = 0.7,
    background: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="pixels up to this fraction of the maps' highest values are surely"
            " background",
        ),
    ] = 0.2,
    iterations: Annotated[
        int, Field(ge=1, le=100, description="number of iterations of GrabCut")
    ] = 5,
    show: Annotated[
        Literal["all", "cutout", "mask"],
        Field(
            description="what to draw: all steps, the object alone on a transparent background, or"
            " the mask alone"
        ),
    ] = "all",
    seed: Seed = 0,
) -> Iterator[HeatmapFrame[SegmentSummary]]:
    """The object cut out of the image, by a network that was never trained on outlines.

    Attribution maps show where the object is, the gradient where its parts are and the class
    activation map where the whole is. Each is smoothed and divided by its highest value; where
    their mean is high surely belongs to the object, where it is low surely does not. From the
    colors there GrabCut (Rother 2004) finds the outline, so it works where the object's colors
    differ from those around it. If there are several objects of the class, it cuts out those that
    the network responds to.
    """
    if background >= foreground:
        raise ConvscopeError(
            f"background ({background:g}) must be less than foreground ({foreground:g})"
        )
    question = ask(net, image, target).resolved()
    if (channels := question.image.shape[1]) not in (1, 3):
        raise ConvscopeError(f"segment needs a photograph in RGB or gray, not {channels} channels")
    evidence = _evidence(question, methods, seed)
    photo = question.image[0].cpu().float()
    mask = _grab_cut(photo, _seeds(question, evidence, foreground, background), iterations, seed)
    cutout = torch.cat([photo.expand(3, -1, -1), mask.to(photo)[None]])
    panels: tuple[Panel, ...] = (
        Picture(cutout, transparent=True) if show == "cutout" else Picture(cutout[3:]),
    )
    if show == "all":
        panels = _steps(question, evidence, cutout)
    frame = HeatmapFrame(
        image=question.inputs,
        heatmap=evidence[None],
        score=question.score(question.inputs),
        panels=panels,
        arrays={"mask": mask[None], "cutout": cutout[None]},
    )
    numbers = summarize(question.names(), frame)
    yield replace(frame, summary={**numbers, "fraction_of_image": float(cutout[3].mean())})


def _steps(question: Question, evidence: Tensor, cutout: Tensor) -> tuple[Panel, ...]:
    """The evidence (H, W), the outline and the object: RGB and transparency (4, h, w)."""
    photo, inside, (name,) = cutout[:3], cutout[3], question.names()
    box = question.net.box(question.image)
    return (
        HeatMap(
            evidence, "fraction of the highest values", f"where the maps find {name}", photo, box
        ),
        Picture(_outlined(photo, inside), "outline"),
        Picture(_on_checkers(cutout), "cut out"),
    )


def _evidence(question: Question, methods: str | Sequence[str], seed: int) -> Tensor:
    """The mean (H, W) of the methods' maps, each from 0 to 1, its highest values."""
    net, target = question.net, question.target.spec
    evidence = torch.zeros_like(question.inputs[0, 0])
    for method in methods:
        frame = attribute(net, question.inputs, method, target, **_seed_option(method, seed))
        assert frame.heatmap is not None
        smooth = tensors.blur(frame.heatmap[:, None].abs(), min(net.input_size) / 28)[0, 0]
        highest = smooth.flatten().quantile(1 - HIGHEST).clamp_min(1e-30)
        evidence += (smooth / highest).clamp(0, 1) / len(methods)
    return evidence


def _seed_option(method: str, seed: int) -> dict[str, int]:
    """The seed as an option, for a method that takes one."""
    return {"seed": seed} if "seed" in registry.get(method).model.model_fields else {}


def _seeds(question: Question, evidence: Tensor, foreground: float, background: float) -> Array:
    """GrabCut's initial mask (H, W) of the whole image.

    No more than half of the pixels are surely background, for a map may be high at a small part of
    the object. What lies outside the network's crop is likely background.
    """
    height, width = question.image.shape[-2:]
    kinds = torch.full_like(evidence, cv2.GC_PR_BGD)
    kinds[evidence > (foreground + background) / 2] = cv2.GC_PR_FGD
    kinds[evidence <= min(background, float(evidence.median()))] = cv2.GC_BGD
    kinds[evidence >= foreground] = cv2.GC_FGD
    box = question.net.box(question.image)
    top, left = max(0, round(box.top)), max(0, round(box.left))
    bottom = min(height, max(top + 1, round(box.top + box.height)))
    right = min(width, max(left + 1, round(box.left + box.width)))
    seeds = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    size = (bottom - top, right - left)
    seeds[top:bottom, left:right] = F.interpolate(kinds[None, None], size)[0, 0].byte().cpu()
    return seeds


def _grab_cut(photo: Tensor, seeds: Array, iterations: int, seed: int) -> Tensor:
    """The object's pixels (H, W), True inside."""
    height, width = seeds.shape
    factor = min(1.0, LARGEST / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    small = tensors.resize(photo[None], size).clamp(0, 1)[0].expand(3, -1, -1)
    pixels = np.ascontiguousarray((small * 255).byte().flip(0).permute(1, 2, 0).numpy())
    kinds = cv2.resize(seeds, size[::-1], interpolation=cv2.INTER_NEAREST)
    likely = np.isin(kinds, (cv2.GC_FGD, cv2.GC_PR_FGD))
    cv2.setRNGSeed(seed % 2**31)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.grabCut(pixels, kinds, (0, 0, 1, 1), *models, iterations, cv2.GC_INIT_WITH_MASK)
    except cv2.error as error:
        raise ConvscopeError(
            f"GrabCut finds no colors to tell apart: the image ({height} x {width}) is too small or"
            " too plain, or the map too flat"
        ) from error
    inside = np.isin(kinds, (cv2.GC_FGD, cv2.GC_PR_FGD))
    least = SMALLEST * inside.sum()
    inside = _without_specks(inside, least) & _touched(inside, likely)  # islands around it
    inside = ~_without_specks(~inside, least)  # holes in it
    smooth = cv2.resize(inside.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(smooth > 0.5)


def _without_specks(mask: Array, least: float) -> Array:
    """The mask (H, W) without its connected parts of fewer than `least` pixels."""
    _, parts, sizes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    kept: Array = mask & (sizes[:, cv2.CC_STAT_AREA] >= least)[parts]
    return kept


def _touched(mask: Array, likely: Array) -> Array:
    """The connected parts of a mask (H, W) in which something is likely."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8))
    kept: Array = mask & np.isin(parts, np.unique(parts[likely]))
    return kept


def _outlined(photo: Tensor, inside: Tensor) -> Tensor:
    """The image with a line around the object, as wide as a hundredth of the longer side."""
    reach = max(1, round(max(photo.shape[-2:]) / 200))
    around = F.max_pool2d(inside[None], 2 * reach + 1, 1, reach)[0]
    within = -F.max_pool2d(-inside[None], 2 * reach + 1, 1, reach)[0]
    line = around > within
    color = torch.tensor(OUTLINE).view(3, 1, 1)
    return torch.where(line, color, photo.expand(3, -1, -1))


def _on_checkers(cutout: Tensor) -> Tensor:
    """The object on the gray and white squares that usually stand for transparency."""
    height, width = cutout.shape[-2:]
    side = max(4, max(height, width) // 40)
    rows, columns = torch.arange(height) // side, torch.arange(width) // side
    squares = 0.82 + 0.1 * ((rows[:, None] + columns) % 2)
    return torch.lerp(squares.expand(3, -1, -1), cutout[:3], cutout[3:])
