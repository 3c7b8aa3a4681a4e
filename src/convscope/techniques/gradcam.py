"""Grad-CAM and its kin: a layer's maps, weighted by the score's gradients there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from convscope.attribution import (
    BatchSize,
    LayerMapSummary,
    Layers,
    Tokens,
    Upsampling,
    as_maps,
    ask,
    gradients_at,
    layer_map_frame,
)
from convscope.network import Network, default_layers
from convscope.runs import TargetNames, technique
from convscope.system import batched
from convscope.types import HeatmapFrame, ImageFrame, TargetLike

Weigh = Callable[[Tensor, Tensor], Tensor]


@technique(
    title="Grad-CAM",
    paper="Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017",
    url="https://arxiv.org/abs/1610.02391",
    attribution=True,
)
def gradcam(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    layer: Layers = (),
    signed: Annotated[
        bool, Field(description="keep also what speaks against the target, in blue")
    ] = False,
    upsampling: Upsampling = "bicubic",
    tokens: Tokens = None,
    batch_size: BatchSize = 16,
) -> Iterator[HeatmapFrame[LayerMapSummary]]:
    """Where in the photo the last layer finds what speaks for the target.

    Each channel of the layer is weighted by how much the score grows with it, on average over
    places, and their sum is the map; what speaks against the target is cut off. It is as coarse as
    the layer is. Several layers give a strip: deep ones tell classes apart best.
    """

    def weigh(maps: Tensor, gradients: Tensor) -> Tensor:
        summed = (gradients.mean((2, 3), keepdim=True) * maps).sum(1)
        return summed if signed else summed.relu()

    yield _gradient_cam(
        net, image, target, layer, weigh, "Grad-CAM", upsampling, tokens, batch_size
    )


@technique(
    title="Grad-CAM++",
    paper="Chattopadhay, Sarkar, Howlader and Balasubramanian 2018",
    url="https://arxiv.org/abs/1710.11063",
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
    """Grad-CAM that does not forget the second of two things of a kind.

    Where a class shows in several places, their gradients do not average out: each place is
    weighted for itself, by the second and third derivative of the exponential of the score, and
    only gradients that speak for the target count.
    """

    def weigh(maps: Tensor, gradients: Tensor) -> Tensor:
        # The paper's g^2 / (2 g^2 + sum g^3) relu(g), which is made for maps behind a ReLU: with a
        # negative sum it has poles.
        raising, total = gradients.relu(), maps.relu().sum((2, 3), keepdim=True)
        weights = (raising / (2 + total * raising)).sum((2, 3), keepdim=True)
        return (weights * maps).sum(1).relu()

    yield _gradient_cam(
        net, image, target, layer, weigh, "Grad-CAM++", upsampling, tokens, batch_size
    )


@technique(
    title="LayerCAM",
    paper="Jiang, Zhang, Hou, Cheng and Wei 2021",
    url="https://ieeexplore.ieee.org/document/9462463",
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
    """Where a layer speaks for the target, place by place: fine maps from early layers too.

    Every unit is weighted by its own gradient, where that is positive, instead of by its channel's
    mean. So maps of early layers, which Grad-CAM scatters, keep to the object.
    """

    def weigh(maps: Tensor, gradients: Tensor) -> Tensor:
        return (gradients.relu() * maps).sum(1).relu()

    yield _gradient_cam(
        net, image, target, layer, weigh, "LayerCAM", upsampling, tokens, batch_size
    )


def _gradient_cam(
    net: Network,
    image: Tensor,
    target: TargetLike | Sequence[TargetLike] | None,
    layers: str | Sequence[str],
    weigh: Weigh,
    what: str,
    upsampling: str,
    tokens: tuple[int, int] | None,
    batch_size: int,
) -> HeatmapFrame:
    """The maps that `weigh` makes of a layer's values (N, C, h, w) and the score's gradients."""
    question = ask(net, image, target)
    names = list(layers) or default_layers.last_maps(net)

    def work(part: slice) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        some = question[part]
        bound = some.objective.bind(net)
        with torch.enable_grad():
            values, score = bound.read(net, some.inputs, names, leaves=True)
            slopes = gradients_at(some, score, values, names)
        found = {}
        for name, slope in zip(names, slopes, strict=True):
            maps = as_maps(net, values[name].detach(), name, tokens)
            found[name] = weigh(maps, as_maps(net, slope, name, tokens))
        return found, score.detach(), values[""].detach() if "" in values else score

    done = [parts for some in batched(len(question.inputs), batch_size, work) for _, parts in some]
    if not layers:
        # Of a transformer's last tokens only the class token feeds the score: the deepest layer
        # whose other tokens do.
        names = [n for n in names if any(found[n].any() for found, *_ in done)][-1:] or names[-1:]
    maps = {name: torch.cat([found[name] for found, *_ in done]) for name in names}
    frame = ImageFrame(image=question.inputs, score=torch.cat([score for _, score, _ in done]))
    output = torch.cat([output for *_, output in done])
    return layer_map_frame(
        question, replace(frame, activations={"": output}), maps, what, upsampling
    )
