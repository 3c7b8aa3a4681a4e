"""The weights themselves, and what those of several layers make together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, NotRequired

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.errors import ConvscopeError
from convscope.network import PRE, Network, default_layers, receptive_field_crop
from convscope.runs import technique
from convscope.types import Frame, Grid, Histogram, Target
from convscope.vocabulary.rules import redirected

NEAR_ZERO = 0.01


SMALL = 11  # pixels a side: the first filters of the network that made them famous


class FiltersSummary(TypedDict):
    """The layer, its number of filters, and what was measured of them."""

    layer: str
    filters: int
    near_zero: NotRequired[float]
    size: NotRequired[list[int]]


@technique(
    title="Filters",
    paper="Krizhevsky, Sutskever and Hinton 2012",
    url="https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
)
def filters(
    net: Network,
    *,
    layer: Annotated[
        str | None,
        Field(
            description="a convolution; if not given the first one, for effective filters the"
            f" first layer whose units see about {SMALL} pixels a side"
        ),
    ] = None,
    show: Annotated[
        Literal["kernels", "effective"],
        Field(description="the layer's own weights, or what it and all layers below make together"),
    ] = "kernels",
    scale: Annotated[
        Literal["filter", "layer"],
        Field(description="stretch each filter to black and white by itself, or all alike"),
    ] = "filter",
    limit: Annotated[int, Field(ge=1, le=4096, description="how many filters to draw")] = 64,
) -> Iterator[Frame[FiltersSummary]]:
    """What the weights of a convolution look like: the first layer in color, deeper ones in gray.

    The first layer's filters meet the pixels themselves, so each is a small color image. A deeper
    filter has a plane for every channel below it: a row of gray planes a filter, the first planes
    of the first filters. The histogram shows all weights of the layer; those below a hundredth of
    the largest count as near zero.

    Effective filters are in color at any depth: all weights from the pixels up to a unit,
    multiplied out as if every ReLU on the way let everything pass. Other activations count by their
    slope at a plain image of the mean color, and max pooling passes on one place of its window.
    Gray is zero; a cross marks a channel that the pixels do not reach.
    """
    draw = _kernels if show == "kernels" else _effective
    yield draw(net, layer, scale, limit)


def _kernels(net: Network, layer: str | None, scale: str, limit: int) -> Frame:
    if layer is None:
        layer = _first_convolution(net)
    weight = net.parameter(layer)
    if weight.dim() != 4:
        raise ConvscopeError(f"layer {layer!r} ({net.layer(layer).type}) has no spatial filters")
    count, planes, height, width = weight.shape
    near_zero = float((weight.abs() < NEAR_ZERO * weight.abs().max()).float().mean())
    low = float(weight.min()) if scale == "layer" else None
    high = float(weight.max()) if scale == "layer" else None
    drawn = weight[:limit]
    size = f"{count} filters of {height} x {width}"
    if planes in (1, 3):
        grid = Grid(drawn, f"{layer}: {size}", low=low, high=high)
    else:
        columns = min(planes, 24)
        drawn = weight[: min(limit, 16), :columns]
        tiles = drawn.reshape(-1, 1, height, width)
        if scale == "filter":
            least, largest = (f(drawn.flatten(1), 1) for f in (Tensor.amin, Tensor.amax))
            span = (largest - least).clamp_min(1e-12).view(-1, 1, 1, 1)
            tiles = ((drawn - least.view(-1, 1, 1, 1)) / span).reshape(-1, 1, height, width)
            low, high = 0.0, 1.0
        grid = Grid(
            tiles,
            f"{layer}: {size} over {planes} channels, the first {len(drawn)} filters,"
            f" {columns} planes each",
            columns=columns,
            rows=tuple(f"{i}" for i in range(len(drawn))),
            low=low,
            high=high,
        )
    histogram = Histogram(
        weight, "weight", f"all {weight.numel():,} weights, {near_zero:.1%} near zero"
    )
    return Frame(
        panels=(grid, histogram),
        arrays={"weights": weight},
        summary={"layer": layer, "filters": count, "near_zero": near_zero},
    )


def _effective(net: Network, layer: str | None, scale: str, limit: int) -> Frame:
    if layer is None:
        found = default_layers.receptive_field_near(net, SMALL)
        layer = _first_convolution(net) if found is None else found.name + PRE
    filters = effective_filters(net, layer, limit)
    size = " x ".join(map(str, filters.shape[2:]))
    tops = filters.abs().amax((1, 2, 3), keepdim=True)
    shown = filters / (tops if scale == "filter" else tops.amax()).clamp_min(1e-12)
    count = net.shape(layer)[0]
    return Frame(
        panels=(
            Grid(
                shown,
                f"{layer}: effective filters of {count} channels, {size} pixels",
                marked=frozenset((tops.flatten() == 0).nonzero().flatten().tolist()),
                low=-1.0,
                high=1.0,
            ),
        ),
        arrays={"filters": filters},
        summary={"layer": layer, "filters": count, "size": list(filters.shape[2:])},
    )


def effective_filters(net: Network, layer: str, limit: int) -> Tensor:
    """Of a layer's first channels, what each adds up over the pixels (C, 3, h, w) that a unit sees.

    It is the gradient of a unit by the pixels while ReLUs let everything pass. Where they are the
    only activations a unit's value is, but for them, the sum of the filter times the pixels, and a
    constant.

    Raises:
        ConvscopeError: a layer without maps, or whose units' share of the image is not known.
    """
    shape = net.shape(layer)
    if len(shape) != 3 or net.layer(layer.removesuffix(PRE)).receptive_field is None:
        raise ConvscopeError(
            f"{layer or 'the output'!r} has no effective filters: its units see the whole image, or"
            " it is not known which part of it; name an earlier layer with maps"
        )
    middle = shape[1] // 2, shape[2] // 2
    mean = torch.tensor(net.mean, dtype=net.dtype, device=net.device).view(1, -1, 1, 1)
    with torch.enable_grad():
        plain = mean.expand(-1, -1, *net.input_size).clone().requires_grad_()
        with redirected(leak=1.0).mode():
            values = net.activations(plain, {layer})[layer][0, :, middle[0], middle[1]]
    found = []
    for channel, value in enumerate(values[:limit]):
        with net.numerics():
            (slope,) = torch.autograd.grad(value, plain, retain_graph=True)
        found.append(receptive_field_crop(net, Target(layer, channel, middle), slope[0], 0.0))
    return torch.stack(found)


def _first_convolution(net: Network) -> str:
    for layer in net.layers:
        if layer.leaf and layer.spatial and "Conv" in layer.type:
            return layer.name
    raise ConvscopeError(f"{net.name} has no convolution; name a layer with weights")
