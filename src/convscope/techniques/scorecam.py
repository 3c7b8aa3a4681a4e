"""Score-CAM: a layer's maps, weighted by the scores of images that they mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from convscope.attribution import (
    BASELINES,
    Baseline,
    BatchSize,
    LayerMapSummary,
    OneLayer,
    Question,
    Tokens,
    Upsampling,
    as_maps,
    ask,
    baseline_images,
    layer_map_frame,
)
from convscope.network import Network, default_layers, for_passes
from convscope.runs import TargetNames, technique
from convscope.system import batched
from convscope.types import HeatmapFrame, ImageFrame

LABEL = "weighted activation"


class ScoreCamSummary(LayerMapSummary):
    """The target, its score, the layer that was read, and the score of the baseline alone."""

    baseline_score: float


@technique(
    title="Score-CAM",
    paper="Wang, Wang, Du, Yang, Zhang, Ding, Mardziel and Hu 2020",
    url="https://arxiv.org/abs/1910.01279",
    chapter="Which pixels matter",
    attribution=True,
)
def scorecam(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    layer: OneLayer = None,
    baseline: Annotated[
        Baseline, Field(description=f"what hidden pixels show: {BASELINES}")
    ] = "mean",
    upsampling: Upsampling = "bicubic",
    tokens: Tokens = None,
    batch_size: BatchSize = 16,
) -> Iterator[HeatmapFrame[ScoreCamSummary]]:
    """Which positions keep the score high, with each channel of a layer as a mask over the image.

    Each channel's map hides the image where it is dark. The weight of a channel is how much higher
    the score then is than for the baseline alone, as a softmax over channels. It needs no
    gradient, but one pass through the network for each channel.
    """
    question = ask(net, image, target).resolved()
    name = layer or default_layers.last_maps(net, question.targets)[-1]
    read = [net.read(one[None], {name})[name] for one in question.inputs]
    maps = as_maps(net, torch.cat(read), name, tokens)
    empty = baseline_images(net, question.inputs, baseline)
    scores, empty_scores = question.scores(question.inputs), question.scores(empty)
    found = torch.zeros_like(maps[:, 0])
    masks = [_distinct_channels(one) for one in maps]
    step, steps = 0, sum(-(-len(channels) // batch_size) for channels in masks)
    quick = replace(question, net=for_passes(net, sum(map(len, masks))))
    for i, channels in enumerate(masks):
        one, increases = quick[i : i + 1], maps.new_zeros(maps.shape[1])
        increases[channels] = -torch.inf  # until it is known

        def work(
            part: slice, i: int = i, one: Question = one, channels: Tensor = channels
        ) -> Tensor:
            visible = _enlarged(maps[i, channels[part]], net.input_size)
            return one.score(torch.lerp(empty[i : i + 1], one.inputs, visible))

        for done in batched(len(channels), batch_size, work):
            step += 1
            for part, value in done:
                increases[channels[part]] = value - empty_scores[i]
            found = found.clone()
            found[i] = torch.einsum("c,chw->hw", increases.softmax(0), maps[i]).relu()
            frame = ImageFrame(image=question.inputs, score=scores, step=step, steps=steps)
            numbers = {"baseline_score": empty_scores}
            yield layer_map_frame(
                question, frame, {name: found}, "Score-CAM", upsampling, LABEL, **numbers
            )


def _distinct_channels(maps: Tensor) -> Tensor:
    """The channels of (C, h, w) that make a mask of their own.

    A constant map hides everything, so its score is that of the baseline. Where all maps are
    constant, the first one stands for them.
    """
    varies = maps.flatten(1).amax(1) > maps.flatten(1).amin(1)
    channels = varies.nonzero()[:, 0]
    return channels if len(channels) else channels.new_zeros(1)


def _enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (K, 1, H, W) from 0 to 1."""
    masks = F.interpolate(maps[:, None], size, mode="bilinear")
    low, high = masks.amin((2, 3), keepdim=True), masks.amax((2, 3), keepdim=True)
    return (masks - low) / (high - low).clamp_min(1e-12)
