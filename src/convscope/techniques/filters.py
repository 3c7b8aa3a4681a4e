"""The weights themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.registry import technique
from convscope.types import Frame, Grid, Histogram

NEAR_ZERO = 0.01


@technique(
    title="Filters",
    paper="Krizhevsky, Sutskever and Hinton 2012",
    url="https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
)
def filters(
    net: Network,
    *,
    layer: Annotated[
        str | None, Field(description="a convolution; the first one if not given")
    ] = None,
    scale: Annotated[
        Literal["filter", "layer"],
        Field(description="stretch each filter to black and white by itself, or all alike"),
    ] = "filter",
    most: Annotated[int, Field(ge=1, le=4096, description="how many filters to draw")] = 64,
) -> Iterator[Frame]:
    """What the weights of a convolution look like: the first layer in colour, deeper ones in grey.

    The first layer's filters meet the pixels themselves, so each is a small colour image. A deeper
    filter has a plane for every channel below it: a row of grey planes a filter, the first planes
    of the first filters. The histogram shows all weights of the layer; those below a hundredth of
    the largest count as near zero.
    """
    if layer is None:
        layer = _first_convolution(net)
    weight = net.parameter(layer)
    if weight.dim() != 4:
        raise ConvscopeError(f"layer {layer!r} ({net.layer(layer).type}) has no spatial filters")
    count, planes, height, width = weight.shape
    near_zero = float((weight.abs() < NEAR_ZERO * weight.abs().max()).float().mean())
    low = float(weight.min()) if scale == "layer" else None
    high = float(weight.max()) if scale == "layer" else None
    drawn = weight[:most]
    size = f"{count} filters of {height} x {width}"
    if planes in (1, 3):
        grid = Grid(drawn, f"{layer}: {size}", low=low, high=high)
    else:
        columns = min(planes, 24)
        drawn = weight[: min(most, 16), :columns]
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
    yield Frame(
        panels=(grid, histogram),
        arrays={"weights": weight},
        figures={"layer": layer, "filters": count, "near_zero": near_zero},
    )


def _first_convolution(net: Network) -> str:
    for layer in net.layers:
        if layer.leaf and layer.spatial and "Conv" in layer.type:
            return layer.name
    raise ConvscopeError(f"{net.name} has no convolution; name a layer with weights")
