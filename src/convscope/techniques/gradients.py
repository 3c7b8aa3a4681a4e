"""Gradients of a score by the pixels: as they are, averaged, and with the two classic rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, NotRequired

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
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
    averaged,
    baseline_images,
    gradient,
    map_panels,
    noisy,
    over_colors,
    over_copies,
    summarize,
)
from convscope.errors import ConvscopeError
from convscope.network import (
    PRE,
    Network,
    as_tiles,
    default_layers,
    receptive_field_crop,
    strongest_units,
)
from convscope.runs import Seed, TargetNames, technique
from convscope.types import (
    Ascent,
    GradientHeatmapFrame,
    Grid,
    Panel,
    Picture,
    SignedPicture,
    Target,
)

LABELS = {
    "max": "|change of score| per pixel",
    "absolute": "|change of score| per pixel",
    "signed": "change of score per pixel",
}


class GradientSummary(AttributionSummary):
    """The target, its score, and the largest |value| of the gradient."""

    steepest: float


class IntegratedSummary(GradientSummary):
    """The same, and by how much the map's sum misses the difference of the scores."""

    gap: float


class ReadBackSummary(TypedDict):
    """The target, with its score or, of a whole layer, with the channels that were read back."""

    target: str
    score: NotRequired[float]
    steepest: NotRequired[float]
    channels: NotRequired[list[int]]


@technique(
    title="Saliency map",
    paper="Simonyan, Vedaldi and Zisserman 2014",
    url="https://arxiv.org/abs/1312.6034",
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
    """Which pixels, changed a little, change the score most.

    The map is the largest absolute value over the colors of the gradient of the score by each
    pixel. The score is a class's logit, a neuron's activation, the strongest activation of a
    channel, or half the mean square of a whole layer.
    """
    question = ask(net, image, target)
    frame = gradient(question, batch_size=batch_size)
    yield _mapped(question, frame, over_colors(frame.gradient, colors), "saliency", colors)


@technique(
    title="SmoothGrad",
    paper="Smilkov, Thorat, Kim, Viegas and Wattenberg 2017",
    url="https://arxiv.org/abs/1706.03825",
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
    """The saliency map without its flicker, as the mean gradient over noisy copies of the photo.

    A gradient says what happens next to one image only, and jumps from pixel to pixel. What is left
    of it in the mean over copies with noise is what the network is touchy about in all of them.
    Without noise it is the saliency map.
    """
    question = ask(net, image, target).settled()
    weights = torch.ones(samples)
    versions = noisy(question.inputs, noise, samples, seed)
    for frame in averaged(question, weights, versions, batch_size=batch_size):
        yield _mapped(question, frame, over_colors(frame.gradient, colors), "SmoothGrad", colors)


@technique(
    title="Input times gradient",
    paper="Shrikumar, Greenside, Shcherbina and Kundaje 2016",
    url="https://arxiv.org/abs/1605.01713",
    attribution=True,
)
def input_x_gradient(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    baseline: Annotated[
        Baseline, Field(description=f"what counts as nothing at a pixel: {BASELINES}")
    ] = "mean",
    batch_size: BatchSize = 16,
) -> Iterator[GradientHeatmapFrame[GradientSummary]]:
    """How much each pixel adds to the score, as if the network were linear.

    The gradient at a pixel times how far the pixel is from the baseline, summed over colors: red
    speaks for the target, blue against it. For a linear network these numbers add up to the
    difference in score between the photo and the baseline; for others they are a first guess.
    """
    question = ask(net, image, target)
    frame = gradient(question, batch_size=batch_size)
    heatmap = (
        (question.inputs - baseline_images(net, question.inputs, baseline)) * frame.gradient
    ).sum(1)
    yield _mapped(question, frame, heatmap, "input x gradient", "signed", "score")


@technique(
    title="Integrated gradients",
    paper="Sundararajan, Taly and Yan 2017",
    url="https://arxiv.org/abs/1703.01365",
    attribution=True,
)
def integrated_gradients(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    baseline: Annotated[
        Baseline, Field(description=f"the image that says nothing: {BASELINES}")
    ] = "blur",
    steps: Annotated[
        int, Field(ge=1, le=1024, description="images on the way from the baseline to the photo")
    ] = 50,
    batch_size: BatchSize = 16,
) -> Iterator[GradientHeatmapFrame[IntegratedSummary]]:
    """How much each pixel adds to the score on the way from an image that says nothing.

    The gradient is averaged over images between the baseline and the photo (Gauss-Legendre points)
    and multiplied by how far each pixel went: red speaks for the target, blue against it. All
    pixels together make up the difference in score between photo and baseline; by how much the
    sum misses it is reported as the gap. A pixel that is as in the baseline gets nothing: from
    black, as in the paper, nothing dark counts.
    """
    question = ask(net, image, target).settled()
    start = baseline_images(net, question.inputs, baseline)
    points, weights = np.polynomial.legendre.leggauss(steps)
    alphas = torch.from_numpy((1 + points) / 2).to(question.inputs)
    bases = question.scores(start)

    def version(i: int, k: int) -> Tensor:
        return torch.lerp(start[i], question.inputs[i], alphas[k])

    for frame in averaged(question, torch.from_numpy(weights / 2), version, batch_size=batch_size):
        heatmap = ((question.inputs - start) * frame.gradient).sum(1)
        wanted = frame.score - bases
        gap = (heatmap.flatten(1).sum(1) - wanted) / wanted.abs().clamp_min(1e-12)
        yield _mapped(question, frame, heatmap, "integrated gradients", "signed", "score", gap=gap)


@technique(
    title="Guided backpropagation",
    paper="Springenberg, Dosovitskiy, Brox and Riedmiller 2015",
    url="https://arxiv.org/abs/1412.6806",
    attribution=True,
)
def guided_backprop(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    samples: Samples = 1,
    noise: Noise = 0.08,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
) -> Iterator[Ascent[ReadBackSummary]]:
    """What in the photo excites the target, following only what excites: a crisp picture of parts.

    On the way back every ReLU lets a gradient pass where it is positive and the unit was active.
    The gradient is shown around gray, in the colors that would raise the score. With `samples`
    above 1 it is averaged over noisy copies of the photo, which makes it smoother. For a whole
    layer, nine channels are shown beside the patches of the photo that excite them most.
    """
    yield from _read_back(ask(net, image, target), "guided", samples, noise, seed, batch_size)


@technique(
    title="Deconvnet",
    paper="Zeiler and Fergus 2014",
    url="https://arxiv.org/abs/1311.2901",
    attribution=True,
)
def deconvnet(
    net: Network,
    image: Tensor,
    *,
    target: Annotated[
        str | int | tuple[str | int, ...] | None,
        Field(
            description="a layer (nine of its channels), a channel, a neuron or a class;"
            " an early layer if not given"
        ),
    ] = None,
    samples: Samples = 1,
    noise: Noise = 0.08,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
) -> Iterator[Ascent[ReadBackSummary]]:
    """What in the photo excites a unit, read back by a network that runs in reverse.

    On the way back every ReLU acts on the gradient itself: positive values pass, whatever the unit
    did on the way forward. What the photo contributes are the positions of the strongest units and
    the switches of max pooling. A network that shrinks its maps by strides has no such switches:
    its early layers show what their units look for, its deep ones a checkerboard.
    """
    if target is None:
        target = default_layers.receptive_field_within(net, 1 / 5).name + PRE
    yield from _read_back(ask(net, image, target), "deconv", samples, noise, seed, batch_size)


def _mapped(
    question: Question,
    frame: Ascent,
    heatmap: Tensor,
    what: str,
    colors: str,
    unit: str = "",
    **more: Tensor,
) -> GradientHeatmapFrame:
    """The frame with its map, pictures and figures."""
    names = question.names(frame.activations)
    captions = [f"{what} of {name}" for name in names]
    signed = colors == "signed"
    panels = map_panels(
        question, heatmap, unit or LABELS[colors], captions, signed=signed, pixelwise=True
    )
    steepest = frame.gradient.abs().flatten(1).amax(1)
    quoted = summarize(names, frame, steepest=steepest, **more)
    return frame.with_heatmap(heatmap, panels=panels, summary=quoted)


def _read_back(
    question: Question, rule: str, samples: int, noise: float, seed: int, batch_size: int
) -> Iterator[Ascent]:
    """The picture that guided and deconv share."""
    question = question if samples == 1 else question.settled()
    unit = question.units[0]
    if unit is not None and unit.label is None and unit.channel is None:
        yield from _sheet(question, unit, rule, samples, noise, seed, batch_size)
        return
    for frame in over_copies(question, rule, samples, noise, seed, batch_size):
        names = question.names(frame.activations)
        panels: list[Panel] = []
        for values, photo, name in zip(frame.gradient, question.photo, names, strict=True):
            if len(names) == 1:
                box = question.net.box(question.photo)
                panels.append(Picture(photo, "what the network saw", box))
            caption = f"{rule} gradient of {name}"
            if not values.any():
                caption += ": zero everywhere, the unit is silent or saturated (try its .pre)"
            panels.append(SignedPicture(values, caption))
        steepest = frame.gradient.abs().flatten(1).amax(1)
        quoted = summarize(names, frame, steepest=steepest)
        yield replace(frame, panels=tuple(panels), summary=quoted)


def _sheet(
    question: Question,
    target: Target,
    rule: str,
    samples: int,
    noise: float,
    seed: int,
    batch_size: int,
    limit: int = 9,
) -> Iterator[Ascent]:
    """Of a layer, the channels that this photo excites most, each read back from its strongest
    unit, beside the patch of the photo that the unit sees."""
    net, inputs = question.net, question.inputs
    if len(inputs) != 1:
        raise ConvscopeError("a whole layer is read back for one image at a time; name a channel")
    values = net.read(inputs, {target.layer})[target.layer]
    if values.dim() != 4:
        raise ConvscopeError(f"{target.layer} has no maps; name one of its channels")
    units = strongest_units(net, target.layer, values[0], limit)
    for frame in over_copies(question.of(units), rule, samples, noise, seed, batch_size):
        tiles: list[Tensor] = []
        for unit, slope in zip(units, frame.gradient, strict=True):
            tiles.append(receptive_field_crop(net, unit, inputs[0], 0.5))
            tiles.append(tensors.around_gray(receptive_field_crop(net, unit, slope, 0.0)))
        grid = Grid(
            as_tiles(tiles),
            f"{target.layer}: patches of the photograph, and their {rule} gradient",
            columns=6,
            captions=tuple(caption for unit in units for caption in _captions(unit)),
            low=0.0,
            high=1.0,
        )
        yield replace(
            frame,
            panels=(Picture(inputs[0], "what the network saw"), grid),
            image=inputs,
            summary={"target": target.layer, "channels": [unit.channel for unit in units]},
        )


def _captions(unit: Target) -> tuple[str, str]:
    assert unit.position is not None
    return f"channel {unit.channel}", f"at {unit.position[0]},{unit.position[1]}"
