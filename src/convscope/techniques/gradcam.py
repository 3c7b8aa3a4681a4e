"""Grad-CAM and related methods: a layer's maps, weighted by the score's gradients there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from convscope.attribution import (
    BatchSize,
    LayerMapSummary,
    Layers,
    Question,
    Tokens,
    Upsampling,
    ask,
    layer_gradients,
    layer_map_frame,
)
from convscope.network import Network, default_layers
from convscope.runs import TargetNames, technique
from convscope.system import batched
from convscope.types import HeatmapFrame, ImageFrame

Combine = Callable[[Tensor, Tensor], Tensor]


@technique(
    title="Grad-CAM",
    paper="Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017",
    url="https://arxiv.org/abs/1610.02391",
    chapter="Which pixels matter",
    attribution=True,
)
def gradcam(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    layer: Layers = (),
    signed: Annotated[
        bool, Field(description="also show what lowers the score of the target, in blue")
    ] = False,
    upsampling: Upsampling = "bicubic",
    tokens: Tokens = None,
    batch_size: BatchSize = 16,
) -> Iterator[HeatmapFrame[LayerMapSummary]]:
    """Where in the image the last layer finds evidence for the target.

    Each channel of the layer is weighted by the mean of its gradient over all positions. The map is
    the weighted sum of the channels; negative values are set to zero. It is as coarse as the
    layer. For several layers the maps are shown side by side: deep layers separate classes best.
    """

    def combine(maps: Tensor, gradients: Tensor) -> Tensor:
        summed = (gradients.mean((2, 3), keepdim=True) * maps).sum(1)
        return summed if signed else summed.relu()

    question = ask(net, image, target)
    frame, maps = _gradient_cam(question, layer, combine, tokens, batch_size)
    yield layer_map_frame(question, frame, maps, "Grad-CAM", upsampling)


@technique(
    title="Grad-CAM++",
    paper="Chattopadhay, Sarkar, Howlader and Balasubramanian 2018",
    url="https://arxiv.org/abs/1710.11063",
    chapter="Which pixels matter",
    attribution=True,
)
def gradcam_plus_plus(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    layer: Layers = (),
    upsampling: Upsampling = "bicubic",
    tokens: Tokens = None,
    batch_size: BatchSize = 16,
) -> Iterator[HeatmapFrame[LayerMapSummary]]:
    """Where a layer finds the target, also when it appears several times in the image.

    Grad-CAM averages gradients over all positions, which weakens a class that appears several
    times. Here each place has a weight of its own, from the second and third derivatives of the
    exponential of the score, and only positive gradients count.
    """

    def combine(maps: Tensor, gradients: Tensor) -> Tensor:
        # The paper has g^2 / (2 g^2 + sum g^3) relu(g), which is made for maps behind a ReLU: with
        # a negative sum it has poles.
        raising, total = gradients.relu(), maps.relu().sum((2, 3), keepdim=True)
        weights = (raising / (2 + total * raising)).sum((2, 3), keepdim=True)
        return (weights * maps).sum(1).relu()

    question = ask(net, image, target)
    frame, maps = _gradient_cam(question, layer, combine, tokens, batch_size)
    label = "weighted activation"
    yield layer_map_frame(question, frame, maps, "Grad-CAM++", upsampling, label)


@technique(
    title="LayerCAM",
    paper="Jiang, Zhang, Hou, Cheng and Wei 2021",
    url="https://ieeexplore.ieee.org/document/9462463",
    chapter="Which pixels matter",
    attribution=True,
)
def layercam(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    layer: Layers = (),
    upsampling: Upsampling = "bicubic",
    tokens: Tokens = None,
    batch_size: BatchSize = 16,
) -> Iterator[HeatmapFrame[LayerMapSummary]]:
    """Where a layer finds the target, weighted at each position: fine maps from early layers too.

    Each unit is weighted by its own gradient where that is positive, in place of the mean gradient
    of its channel. Maps of early layers are fine and stay on the object, while those of Grad-CAM
    scatter.
    """

    def combine(maps: Tensor, gradients: Tensor) -> Tensor:
        return (gradients.relu() * maps).sum(1).relu()

    question = ask(net, image, target)
    frame, maps = _gradient_cam(question, layer, combine, tokens, batch_size)
    yield layer_map_frame(question, frame, maps, "LayerCAM", upsampling)


def _gradient_cam(
    question: Question,
    layers: str | Sequence[str],
    combine: Combine,
    tokens: tuple[int, int] | None,
    batch_size: int,
) -> tuple[ImageFrame, dict[str, Tensor]]:
    """The scores, and the map (N, h, w) of each layer.

    `combine` makes it of the layer's feature maps and the score's gradients there, (N, C, h, w).
    """
    net = question.net
    names = list(layers) or default_layers.last_maps(net, question.targets)

    def work(part: slice) -> tuple[dict[str, Tensor], ImageFrame]:
        found = layer_gradients(question[part], names, tokens)
        maps = {name: combine(one.activations, one.gradients) for name, one in found.items()}
        return maps, next(iter(found.values())).frame

    done = [parts for some in batched(len(question.inputs), batch_size, work) for _, parts in some]
    if not layers:
        # Of a transformer's last tokens only the class token feeds the score: the deepest layer
        # whose other tokens do.
        names = [n for n in names if any(found[n].any() for found, _ in done)][-1:] or names[-1:]
    maps = {name: torch.cat([found[name] for found, _ in done]) for name in names}
    score = torch.cat([frame.score for _, frame in done])
    output = torch.cat([frame.activations[""] for _, frame in done])
    return ImageFrame(image=question.inputs, score=score, activations={"": output}), maps
