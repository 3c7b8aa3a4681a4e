"""TODO."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope import tensors
from convscope.attribution.panels import AttributionSummary, map_panels, summarize
from convscope.attribution.question import Question
from convscope.errors import ConvscopeError
from convscope.network import Network, default_layers
from convscope.types import HeatMap, HeatmapFrame, ImageFrame, Panel, Sheet


class LayerMapSummary(AttributionSummary):
    """The target, its score, and the last layer that was read."""

    layer: str


def as_maps(net: Network, values: Tensor, name: str, grid: tuple[int, int] | None = None) -> Tensor:
    """(N, C, h, w), also of a layer in N,H,W,C order or with tokens (N, T, C)."""
    height, width = net.input_size
    if values.dim() == 4:
        *_, h, w = values.shape
        last = abs(h / w - height / width) <= abs(values.shape[1] / h - height / width)
        maps = values if last else values.permute(0, 3, 1, 2)
        if maps.shape[2] * maps.shape[3] > 1:
            return maps
    if values.dim() == 3:
        count = values.shape[1]
        rows, columns = grid or default_layers.token_grid(count, net.input_size) or (0, 0)
        if 0 < rows * columns <= count:
            patches = values[:, count - rows * columns :].transpose(1, 2)
            return patches.reshape(len(values), -1, rows, columns)
        raise ConvscopeError(
            f"the {count} tokens of {name!r} make no grid of the photo's shape: give tokens (rows"
            " and columns)"
        )
    raise ConvscopeError(
        f"layer {name!r} gives {tuple(values.shape[1:])}, no maps: name one that does"
        " (convscope layers)"
    )


def upsampled(maps: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Maps (N, h, w) at another size, within their own extremes: cubic curves overshoot."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return F.interpolate(maps[:, None], size, mode=mode)[:, 0].clamp(low, high)


def gradients_at(
    question: Question,
    score: Tensor,
    values: dict[str, Tensor],
    names: list[str],
    retain: bool = False,
) -> list[Tensor]:
    """The gradient of the score by each layer."""
    question.finite(score, question.inputs)
    layers = [values[name] for name in names]
    slopes: Sequence[Tensor | None] = [None] * len(names)
    if score.requires_grad:
        with question.net.numerics():
            slopes = torch.autograd.grad(
                score.sum(), layers, allow_unused=True, retain_graph=retain
            )
    found = []
    for name, slope in zip(names, slopes, strict=True):
        if slope is None:
            raise ConvscopeError(f"the target does not depend on layer {name!r}: name one above it")
        if not tensors.all_finite(slope):
            raise ConvscopeError(f"the gradient at {name!r} is not finite, though the score is")
        found.append(slope)
    return found


def layer_map_frame(
    question: Question,
    frame: ImageFrame,
    maps: dict[str, Tensor],
    what: str,
    upsampling: str,
    **more: Tensor,
) -> HeatmapFrame:
    """The frame with its maps: `heatmap` is the last layer's, `arrays` has each as it is."""
    unit = "weighted activation" if what in ("Grad-CAM++", "Score-CAM") else "score"
    names = question.names(frame.activations)
    size = question.net.input_size
    enlarged = {name: upsampled(found, size, upsampling) for name, found in maps.items()}
    heatmap = list(enlarged.values())[-1]
    panels: tuple[Panel, ...]
    if len(maps) == 1:
        captions = [f"{what} of {name} at {layer}" for name in names for layer in maps]
        signed = bool((heatmap < 0).any())
        panels = map_panels(question, heatmap, unit, captions, signed=signed)
    else:
        panels = tuple(
            Sheet(
                tuple(
                    HeatMap(
                        one[i],
                        unit,
                        layer,
                        question.photo[i],
                        question.net.box(question.photo),
                        bool((one < 0).any()),
                    )
                    for layer, one in enlarged.items()
                ),
                f"{what} of {name}",
                columns=len(maps),
            )
            for i, name in enumerate(names)
        )
    quoted = {**summarize(names, frame, **more), "layer": list(maps)[-1]}
    return frame.with_heatmap(heatmap, arrays=maps, panels=panels, summary=quoted)
