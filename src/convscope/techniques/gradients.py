"""Heat maps from the gradient of a score with respect to the pixels, at one image or averaged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from convscope.attribution import (
    BASELINES,
    AttributionSummary,
    Baseline,
    BatchSize,
    Colors,
    Noise,
    Question,
    Samples,
    ask,
    averaged_gradient,
    baseline_images,
    gradient,
    map_frame,
    noisy_copies,
    over_colors,
)
from convscope.network import Network
from convscope.runs import Seed, TargetNames, technique
from convscope.types import Ascent, GradientHeatmapFrame, MapStyle

# Of maps whose pixels add up to a difference of scores.
ADDITIVE = MapStyle("score", signed=True, pixelwise=True)


class GradientSummary(AttributionSummary):
    """The target, its score, and the largest |value| of the gradient."""

    largest_gradient: float


class IntegratedSummary(GradientSummary):
    """The same, and the relative error of the map's sum."""

    gap: float


@technique(
    title="Saliency map",
    paper="Simonyan, Vedaldi and Zisserman 2014",
    url="https://arxiv.org/abs/1312.6034",
    chapter="Which pixels matter",
    attribution=True,
)
def saliency(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    colors: Colors = "max",
    batch_size: BatchSize = 16,
) -> Iterator[GradientHeatmapFrame[GradientSummary]]:
    """Which pixels change the score most when they change a little.

    The map is the absolute value of the gradient of the score with respect to each pixel, the
    largest over its three colors. The score is the logit of a class, the activation of a neuron,
    the largest activation of a channel, or half the mean square of the activations of a layer.
    """
    question = ask(net, image, target)
    frame = gradient(question, batch_size=batch_size)
    yield _color_map(question, frame, colors, "saliency")


@technique(
    title="SmoothGrad",
    paper="Smilkov, Thorat, Kim, Viegas and Wattenberg 2017",
    url="https://arxiv.org/abs/1706.03825",
    chapter="Which pixels matter",
    attribution=True,
)
def smoothgrad(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    samples: Samples = 32,
    noise: Noise = 0.15,
    colors: Colors = "max",
    seed: Seed = 0,
    batch_size: BatchSize = 16,
) -> Iterator[GradientHeatmapFrame[GradientSummary]]:
    """The saliency map averaged over noisy copies of the image, which removes most of its noise.

    A gradient describes what a small change does to one image, and varies strongly from pixel to
    pixel. The mean over copies with added noise keeps what the network is sensitive to in all of
    them. Without noise the result is the saliency map.
    """
    question = ask(net, image, target).resolved()
    copy = noisy_copies(question.inputs, noise, samples, seed)
    for frame in averaged_gradient(question, torch.ones(samples), copy, batch_size=batch_size):
        yield _color_map(question, frame, colors, "SmoothGrad")


@technique(
    title="Input times gradient",
    paper="Shrikumar, Greenside, Shcherbina and Kundaje 2016",
    url="https://arxiv.org/abs/1605.01713",
    chapter="Which pixels matter",
    attribution=True,
)
def input_x_gradient(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    baseline: Annotated[
        Baseline, Field(description=f"image with which each pixel is compared: {BASELINES}")
    ] = "mean",
    batch_size: BatchSize = 16,
) -> Iterator[GradientHeatmapFrame[GradientSummary]]:
    """How much each pixel would add to the score if the network were linear.

    The gradient at a pixel is multiplied by the pixel's difference from the baseline and summed
    over the colors. Red pixels raise the score of the target, blue ones lower it. For a linear
    network the values add up to the difference in score between the image and the baseline; for
    other networks they are a first approximation.
    """
    question = ask(net, image, target)
    frame = gradient(question, batch_size=batch_size)
    difference = question.inputs - baseline_images(net, question.inputs, baseline)
    heatmap = (difference * frame.gradient).sum(1)
    yield _pixel_map(question, frame, heatmap, ADDITIVE, "input x gradient")


@technique(
    title="Integrated gradients",
    paper="Sundararajan, Taly and Yan 2017",
    url="https://arxiv.org/abs/1703.01365",
    chapter="Which pixels matter",
    attribution=True,
)
def integrated_gradients(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    baseline: Annotated[
        Baseline, Field(description=f"image at which the path begins: {BASELINES}")
    ] = "blur",
    steps: Annotated[
        int, Field(ge=1, le=1024, description="number of images between the baseline and the image")
    ] = 50,
    batch_size: BatchSize = 16,
) -> Iterator[GradientHeatmapFrame[IntegratedSummary]]:
    """How the difference in score between a baseline and the image divides among the pixels.

    The gradient is averaged over images between the baseline and the image (at Gauss-Legendre
    points) and multiplied by the change of each pixel. Red pixels raise the score of the target,
    blue ones lower it. All pixels add up to the difference in score between the image and the
    baseline; `gap` in the summary is the relative error of that sum. A pixel that is the same in
    the baseline gets zero: with the paper's black baseline, dark pixels never matter.
    """
    question = ask(net, image, target).resolved()
    start = baseline_images(net, question.inputs, baseline)
    points, widths = np.polynomial.legendre.leggauss(steps)
    alphas = torch.from_numpy((1 + points) / 2).to(question.inputs)
    weights = torch.from_numpy(widths / 2)
    start_scores = question.scores(start)

    def between(i: int, k: int) -> Tensor:
        return torch.lerp(start[i], question.inputs[i], alphas[k])

    for frame in averaged_gradient(question, weights, between, batch_size=batch_size):
        heatmap = ((question.inputs - start) * frame.gradient).sum(1)
        difference = frame.score - start_scores
        gap = (heatmap.flatten(1).sum(1) - difference) / difference.abs().clamp_min(1e-12)
        yield _pixel_map(question, frame, heatmap, ADDITIVE, "integrated gradients", gap=gap)


def _color_map(question: Question, frame: Ascent, colors: str, method: str) -> GradientHeatmapFrame:
    """The frame with the map of its gradient."""
    label = "change of score per pixel" if colors == "signed" else "|change of score| per pixel"
    style = MapStyle(label, signed=colors == "signed", pixelwise=True)
    return _pixel_map(question, frame, over_colors(frame.gradient, colors), style, method)


def _pixel_map(
    question: Question,
    frame: Ascent,
    heatmap: Tensor,
    style: MapStyle,
    method: str,
    **numbers: Tensor,
) -> GradientHeatmapFrame:
    """The frame with its map, and the largest |gradient| among the numbers."""
    captions = [f"{method} of {name}" for name in question.names(frame.activations)]
    largest = frame.gradient.abs().flatten(1).amax(1)
    numbers = {"largest_gradient": largest, **numbers}
    found: GradientHeatmapFrame = map_frame(question, frame, heatmap, style, captions, **numbers)
    return found
