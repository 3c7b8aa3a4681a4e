"""The weights of a convolution, and effective filters: the product of several layers' weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NotRequired, TypeAlias

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from torch.overrides import TorchFunctionMode
from typing_extensions import TypedDict

from convscope.errors import ConvscopeError
from convscope.network import PRE, Network, default_layers, receptive_field_crop
from convscope.runs import technique
from convscope.types import Frame, Grid, Histogram, Target
from convscope.vocabulary.rules import redirected

NEAR_ZERO = 0.01  # relative to the largest weight of the layer


_Pair: TypeAlias = int | tuple[int, int]

SMALL = 11  # pixels a side of the first filters of AlexNet, which made such pictures famous


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
    chapter="What the network sees",
)
def filters(
    net: Network,
    *,
    layer: Annotated[
        str | None,
        Field(
            description="a convolution; if not given, the first one, or for effective filters the"
            f" layer with a receptive field of about {SMALL} pixels",
            json_schema_extra={"format": "layer"},
        ),
    ] = None,
    show: Annotated[
        Literal["kernels", "effective"],
        Field(
            description="kernels are the layer's own weights; effective filters combine them with"
            " all layers below"
        ),
    ] = "kernels",
    scale: Annotated[
        Literal["filter", "layer"],
        Field(
            description="whether each filter has its own full contrast (filter) or all share the"
            " scale of the layer (layer)"
        ),
    ] = "filter",
    limit: Annotated[
        int, Field(ge=1, le=4096, description="maximum number of filters to draw")
    ] = 64,
) -> Iterator[Frame[FiltersSummary]]:
    """The weights of a convolution: the first layer in color, deeper layers in gray.

    The filters of the first layer act on pixels, so each is a small color image. A deeper filter
    has one plane for every channel of the layer below: a row of gray planes is a filter, and only
    the first planes of the first filters are drawn. The histogram shows all weights of the layer.
    Weights below a hundredth of the largest count as near zero.

    Effective filters are in color at any depth. They multiply all weights from the pixels up to a
    unit, as if every ReLU let everything pass. Other activations count by their slope at a plain
    image of the mean color, and max pooling passes the mean of its window. Gray is zero. A cross
    marks a channel that the pixels do not reach.
    """
    draw = _kernels if show == "kernels" else _effective
    yield draw(net, layer, scale, limit)


def _kernels(net: Network, layer: str | None, scale: str, limit: int) -> Frame:
    if layer is None:
        layer = _first_convolution(net)
    weight = net.parameter(layer)
    if weight.dim() != 4:
        raise ConvscopeError(f"layer {layer!r} ({net.layer(layer).type}) has no spatial filters")
    count, channels, height, width = weight.shape
    near_zero = float((weight.abs() < NEAR_ZERO * weight.abs().max()).float().mean())
    low = float(weight.min()) if scale == "layer" else None
    high = float(weight.max()) if scale == "layer" else None
    caption = f"{layer}: {count} filters of {height} x {width} pixels"
    if channels in (1, 3):
        units = _units(layer, min(limit, count))
        grid = Grid(weight[:limit], caption, low=low, high=high, units=units)
    else:
        grid = _planes(weight[: min(limit, 16), :24], caption, channels, low, high)
    return Frame(
        panels=(
            grid,
            Histogram(
                weight, "weight", f"all {weight.numel():,} weights, {near_zero:.1%} near zero"
            ),
        ),
        arrays={"weights": weight},
        summary={"layer": layer, "filters": count, "near_zero": near_zero},
    )


def _units(layer: str, count: int) -> tuple[str, ...]:
    """The names of a layer's first channels."""
    return tuple(f"{layer}:{channel}" for channel in range(count))


def _planes(
    weight: Tensor, caption: str, channels: int, low: float | None, high: float | None
) -> Grid:
    """A row of gray planes for each filter (K, C, h, w), on one scale if `low` is given."""
    count, columns, *size = weight.shape
    if low is None:
        least, largest = (f(weight.flatten(1), 1) for f in (Tensor.amin, Tensor.amax))
        span = (largest - least).clamp_min(1e-12).view(-1, 1, 1, 1)
        weight = (weight - least.view(-1, 1, 1, 1)) / span
        low, high = 0.0, 1.0
    return Grid(
        weight.reshape(-1, 1, *size),
        f"{caption} over {channels} channels; the first {count} filters, {columns} planes each",
        columns=columns,
        rows=tuple(f"{i}" for i in range(count)),
        low=low,
        high=high,
    )


def _effective(net: Network, layer: str | None, scale: str, limit: int) -> Frame:
    if layer is None:
        found = default_layers.receptive_field_near(net, SMALL)
        layer = default_layers.before_activation(found) if found else _first_convolution(net)
    filters = effective_filters(net, layer, limit)
    size = " x ".join(map(str, filters.shape[2:]))
    largest = filters.abs().amax((1, 2, 3), keepdim=True)
    scaled = filters / (largest if scale == "filter" else largest.amax()).clamp_min(1e-12)
    count = net.channel_shape(layer)[0]
    return Frame(
        panels=(
            Grid(
                scaled,
                f"{layer}: effective filters of {count} channels, {size} pixels",
                marked=frozenset((largest.flatten() == 0).nonzero().flatten().tolist()),
                low=-1.0,
                high=1.0,
                units=_units(layer, len(filters)),
            ),
        ),
        arrays={"filters": filters},
        summary={"layer": layer, "filters": count, "size": list(filters.shape[2:])},
    )


def effective_filters(net: Network, layer: str, limit: int) -> Tensor:
    """The effective filters of a layer's first channels, as large as its receptive field.

    An effective filter is the gradient of a unit with respect to the pixels while ReLUs let
    everything pass and max pooling takes means. In a network whose only activations are ReLUs, the
    unit's value would then be the sum of filter times pixels, plus a constant.

    Args:
        net: the network.
        layer: a layer with feature maps.
        limit: maximum number of channels.

    Returns:
        Filters (channels, input channels, rows, columns).

    Raises:
        ConvscopeError: the layer has no feature maps, or its receptive field is not known.
    """
    shape = net.channel_shape(layer)
    if len(shape) != 3 or net.layer(layer.removesuffix(PRE)).receptive_field is None:
        raise ConvscopeError(
            f"{layer or 'the output'!r} has no effective filters: its receptive field is the whole"
            " image, or is not known; name an earlier layer with feature maps"
        )
    middle = shape[1] // 2, shape[2] // 2
    mean = torch.tensor(net.mean, dtype=net.dtype, device=net.device).view(1, -1, 1, 1)
    with torch.enable_grad():
        plain = mean.expand(-1, -1, *net.input_size).clone().requires_grad_()
        with redirected(leak=1.0).mode() as mode, _MeanPooling():
            activations = net.activations(plain, {layer})
        mode.watch(activations, plain)
        values = net.by_channel(layer, activations[layer])[0, :, middle[0], middle[1]]
    filters = []
    for channel, value in enumerate(values[:limit]):
        with net.numerics():
            (slope,) = torch.autograd.grad(value, plain, retain_graph=True)
        filters.append(receptive_field_crop(net, Target(layer, channel, middle), slope[0], 0.0))
    return torch.stack(filters)


class _MeanPooling(TorchFunctionMode):
    """Max pooling takes means: on a plain image all values of a window tie."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in (torch.max_pool2d, F.max_pool2d):
            return func(*args, **(kwargs or {}))
        return _means(*args, **(kwargs or {}))


def _means(
    x: Tensor,
    kernel_size: _Pair,
    stride: _Pair | None = None,
    padding: _Pair = 0,
    dilation: _Pair = 1,
    ceil_mode: bool = False,
    **_: bool,
) -> Tensor:
    """The mean of each window of a max pooling; those with gaps keep their maximum."""
    if dilation not in (1, (1, 1), [1, 1]):
        return F.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode)
    return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad=False)


def _first_convolution(net: Network) -> str:
    for layer in net.layers:
        if layer.leaf and "Conv" in layer.type and net.parameter(layer.name).dim() == 4:
            return layer.name
    raise ConvscopeError(
        f"{net.name} has no convolution over the rows and columns of the image; name a layer with"
        " weights"
    )
