"""A layer's feature maps and gradients, and the frame of the heatmap made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope import tensors
from convscope.attribution.panels import AttributionSummary, draw_maps, map_frame
from convscope.attribution.question import Question
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.system import batched
from convscope.types import HeatmapFrame, ImageFrame, MapStyle, Sheet


class LayerMapSummary(AttributionSummary):
    """The target, its score, and the last layer that was read."""

    layer: str


def as_maps(net: Network, values: Tensor, name: str, grid: tuple[int, int] | None = None) -> Tensor:
    """A layer's output, or a gradient of that shape, as feature maps (N, C, h, w).

    Args:
        net: the network.
        values: as the network gives them.
        name: the layer's name.
        grid: rows and columns of tokens (N, T, C), in place of those that the network shows.

    Raises:
        ConvscopeError: the layer has no maps, or the tokens make no such grid.
    """
    if grid is None or values.dim() != 3:
        return net.feature_maps(name, values)
    (rows, columns), count = grid, values.shape[1]
    if rows * columns > count:
        raise ConvscopeError(f"the {count} tokens of {name!r} make no grid of {rows} x {columns}")
    patches = values[:, count - rows * columns :].transpose(1, 2)
    return patches.reshape(len(values), -1, rows, columns)


def upsampled(maps: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Maps (N, h, w) at another size, within their own extremes: cubic curves overshoot."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return F.interpolate(maps[:, None], size, mode=mode)[:, 0].clamp(low, high)


def gradients_at(
    question: Question,
    score: Tensor,
    values: Mapping[str, Tensor],
    names: Sequence[str],
    retain: bool = False,
) -> list[Tensor]:
    """The gradient of the score with respect to the output of each layer.

    Args:
        question: what the score was read for.
        score: (N,), with its graph.
        values: the output of each layer, in that graph.
        names: the layers.
        retain: keep the graph for another way back.

    Raises:
        ConvscopeError: the score or a gradient is not finite, or does not depend on a layer.
    """
    question.check_finite(score, question.inputs)
    layers = [values[name] for name in names]
    gradients: Sequence[Tensor | None] = [None] * len(names)
    if score.requires_grad:
        with question.net.numerics():
            gradients = torch.autograd.grad(
                score.sum(), layers, allow_unused=True, retain_graph=retain
            )
    found = []
    for name, gradient in zip(names, gradients, strict=True):
        if gradient is None:
            raise ConvscopeError(
                f"the target does not depend on layer {name!r}: name a layer before the target (or"
                " the network cuts gradients off between them)"
            )
        if not tensors.all_finite(gradient):
            raise ConvscopeError(f"the gradient at {name!r} is not finite, though the score is")
        found.append(gradient)
    return found


class LayerGradient(NamedTuple):
    """What a layer gives for some images, and the gradient of their scores there.

    Attributes:
        frame: the images as the network gets them, and their scores, for `layer_map_frame`.
        activations: the output of the layer as feature maps, (N, C, h, w).
        gradients: how much the score changes with each of these values, in the same shape.
    """

    frame: ImageFrame
    activations: Tensor
    gradients: Tensor


def layer_gradient(
    question: Question, layer: str, *, tokens: tuple[int, int] | None = None, batch_size: int = 16
) -> LayerGradient:
    """A layer's feature maps, and the gradient of the score with respect to them.

    Args:
        question: the images and their targets, from `ask`.
        layer: the layer's name, as `net.layers` has it.
        tokens: rows and columns of a transformer's tokens, where the network does not show them.
        batch_size: how many images the network gets at a time.

    Raises:
        ConvscopeError: no such layer, or one without maps, or one that the target does not depend
            on.
    """

    def work(part: slice) -> LayerGradient:
        return layer_gradients(question[part], [layer], tokens)[layer]

    done = batched(len(question.inputs), batch_size, work)
    parts = [found for some in done for _, found in some]
    frames = [part.frame for part in parts]
    return LayerGradient(
        ImageFrame(
            image=question.inputs,
            score=torch.cat([frame.score for frame in frames]),
            activations={"": torch.cat([frame.activations[""] for frame in frames])},
        ),
        torch.cat([part.activations for part in parts]),
        torch.cat([part.gradients for part in parts]),
    )


def layer_gradients(
    question: Question, layers: Sequence[str], tokens: tuple[int, int] | None = None
) -> dict[str, LayerGradient]:
    """The same at several layers, from one pass forward and back with all images at once."""
    net = question.net
    with torch.enable_grad():
        bound = question.objective.bind(net)
        values, score = bound.read(net, question.inputs, layers, leaves=True)
        gradients = gradients_at(question, score, values, layers)
    score = score.detach()
    output = values[""].detach() if "" in values else score
    frame = ImageFrame(image=question.inputs, score=score, activations={"": output})
    return {
        name: LayerGradient(
            frame,
            as_maps(net, values[name].detach(), name, tokens),
            as_maps(net, gradient, name, tokens),
        )
        for name, gradient in zip(layers, gradients, strict=True)
    }


def layer_map_frame(
    question: Question,
    frame: ImageFrame,
    maps: Mapping[str, Tensor],
    method: str,
    upsampling: str,
    label: str = "score",
    **numbers: Tensor,
) -> HeatmapFrame:
    """The frame of an attribution that makes a map (N, h, w) of each of some layers.

    `heatmap` is the last layer's map, enlarged; `arrays` has all maps at their own size. Maps of
    several layers are drawn as a strip.
    """
    names = question.names(frame.activations)
    size = question.net.input_size
    enlarged = {layer: upsampled(one, size, upsampling) for layer, one in maps.items()}
    styles = {
        layer: MapStyle(label, signed=bool((one < 0).any())) for layer, one in enlarged.items()
    }
    last = list(maps)[-1]
    captions = [f"{method} of {name} at {last}" for name in names]
    found = map_frame(question, frame, enlarged[last], styles[last], captions, **numbers)
    if len(maps) > 1:
        strips = [
            _strip(question, i, enlarged, styles, f"{method} of {name}")
            for i, name in enumerate(names)
        ]
        found = replace(found, panels=tuple(strips))
    return replace(found, arrays=maps, summary={**found.summary, "layer": last})


def _strip(
    question: Question,
    i: int,
    maps: Mapping[str, Tensor],
    styles: Mapping[str, MapStyle],
    caption: str,
) -> Sheet:
    """The maps of all layers over image i."""
    here, box = slice(i, i + 1), question.net.box(question.image)
    tiles = [
        tile
        for layer, one in maps.items()
        for tile in draw_maps(one[here], styles[layer], question.image[here], box, [layer])
    ]
    return Sheet(tuple(tiles), caption, columns=len(tiles))
