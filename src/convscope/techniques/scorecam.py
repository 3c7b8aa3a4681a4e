"""Score-CAM: a layer's maps, weighted by the scores of images that they mask."""

from __future__ import annotations

from collections.abc import Iterator
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
from convscope.network import Network, default_layers
from convscope.runs import TargetNames, technique
from convscope.system import batched
from convscope.types import HeatmapFrame, ImageFrame


class ScoreCamSummary(LayerMapSummary):
    """The target, its score, the layer that was read, and the score of the baseline alone."""

    baseline_score: float


@technique(
    title="Score-CAM",
    paper="Wang, Wang, Du, Yang, Zhang, Ding, Mardziel and Hu 2020",
    url="https://arxiv.org/abs/1910.01279",
    attribution=True,
)
def scorecam(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    layer: OneLayer = None,
    baseline: Annotated[
        Baseline, Field(description=f"what hidden parts show: {BASELINES}")
    ] = "mean",
    upsampling: Upsampling = "bicubic",
    tokens: Tokens = None,
    batch_size: BatchSize = 16,
) -> Iterator[HeatmapFrame[ScoreCamSummary]]:
    """Which of a layer's maps, each laid over the photo as a mask, keep the score up.

    Every channel's map hides the photo where it is dark; how much more the network then says for
    the target than for the baseline alone becomes, by a softmax over channels, the channel's
    weight. No gradient is used, but a network is run once a channel.
    """
    question = ask(net, image, target).settled()
    name = layer or default_layers.last_maps(net)[-1]
    read = [net.read(one[None], {name})[name] for one in question.inputs]
    maps = as_maps(net, torch.cat(read), name, tokens)
    empty = baseline_images(net, question.inputs, baseline)
    size = net.input_size
    scores, bases = question.scores(question.inputs), question.scores(empty)
    found = torch.zeros_like(maps[:, 0])
    # A map that is the same everywhere hides everything: the baseline's score is known.
    spread = maps.flatten(2).amax(2) - maps.flatten(2).amin(2)
    telling = [row.gt(0).nonzero()[:, 0] if row.any() else row[:1].long() for row in spread]
    step, steps = 0, sum(-(-len(channels) // batch_size) for channels in telling)
    for i, channels in enumerate(telling):
        one, increases = question[i : i + 1], torch.zeros_like(spread[i])
        increases[channels] = -torch.inf  # until it is known

        def work(
            part: slice, i: int = i, one: Question = one, channels: Tensor = channels
        ) -> Tensor:
            masks = F.interpolate(maps[i, channels[part]][:, None], size, mode="bilinear")
            low, high = masks.amin((2, 3), keepdim=True), masks.amax((2, 3), keepdim=True)
            masks = (masks - low) / (high - low).clamp_min(1e-12)
            return one.score(torch.lerp(empty[i : i + 1], question.inputs[i : i + 1], masks))

        for done in batched(len(channels), batch_size, work):
            step += 1
            for part, value in done:
                increases[channels[part]] = value - bases[i]
            found = found.clone()
            found[i] = torch.einsum("c,chw->hw", increases.softmax(0), maps[i]).relu()
            frame = ImageFrame(image=question.inputs, score=scores, step=step, steps=steps)
            yield layer_map_frame(
                question, frame, {name: found}, "Score-CAM", upsampling, baseline_score=bases
            )
