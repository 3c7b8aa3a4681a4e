"""What operations on neighborhoods do to a layout: convolution, pooling, padding, interpolation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from convscope.network.traces import receptive_fields
from convscope.network.traces.layouts import (
    Change,
    Dim,
    Factor,
    Layout,
    axes_of,
    factors,
    is_other,
    joined,
    lost,
    other,
    padded,
    regrouped,
    surrounded,
)
from convscope.network.traces.operations import (
    AXES,
    Operation,
    Rule,
    lone,
    mixed,
    mixed_over,
    resized,
)
from convscope.types import Axis

# What happens to the receptive field of one axis: a kernel, a stride, a padding, a dilation.
Window = Callable[[Axis, int, int, int, int], Axis]


def _many(value: Any, count: int, default: Any = 0) -> list[int]:
    value = default if value is None or value == [] else value
    values = [value] if isinstance(value, int) else list(value)
    return values * count if len(values) == 1 else values


def _convolution(op: Operation) -> Layout:
    stride, padding, dilation, transposed = op.args[3:7]
    kernel = list(op.args[1].shape[2:])
    count = len(kernel)
    if op.inputs[0][1] is None:
        return op.lost()  # the kernel comes from the image, and what it slides over does not
    rule = receptive_fields.spread if transposed else receptive_fields.windowed
    numbers = [_many(v, count) for v in (kernel, stride, padding, dilation)]
    layout = mixed_over(op.layout, [op.layout.dims[1]], gone=True)
    layout = op.with_dims((layout.dims[0], other(op.output.shape[1]), *layout.dims[2:]), layout)
    layout = _windows(op, layout, rule, *numbers)
    return mixed(layout, AXES) if len(op.layouts) > 1 else layout


def _pool(op: Operation) -> Layout | None:
    if op.number:
        return None
    count = int(op.name.partition("pool")[2][0])  # max_pool2d_with_indices
    kernel = _many(op.args[1], count)
    stride = _many(op.arg(2), count, kernel)
    padding = _many(op.arg(3), count)
    # The fifth argument of an average pooling is ceil_mode, not a dilation.
    dilation = _many(op.arg(4) if "max" in op.name else None, count, 1)
    return _windows(op, op.layout, receptive_fields.windowed, kernel, stride, padding, dilation)


def _windows(
    op: Operation,
    layout: Layout,
    rule: Window,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Layout:
    """The layout behind windows that slide over the last dimensions."""
    first = op.source.dim() - len(kernel)
    # Pooling over channels, as a local response norm does it, makes no slices of them.
    if len(kernel) == 3 and (op.name == "convolution" or layout.dims[first - 1]):
        layout = replace(layout, dims=_with_slices(layout.dims, first))
    for i, (k, s, p, d) in enumerate(zip(kernel, stride, padding, dilation, strict=True), first):
        if (k, s, p) == (1, 1, 0):
            continue

        def change(axis: Axis, k: int = k, s: int = s, p: int = p, d: int = d) -> Axis:
            return rule(axis, k, s, p, d)

        layout = _along(op, layout, i, change)
    return layout


def _with_slices(dims: Sequence[Dim], number: int) -> tuple[Dim, ...]:
    """The dimensions, where the first of three that windows slide over is one of slices."""
    depth = dims[number]
    slices = joined([Factor("slice", size) for size in [f.size for f in factors(depth)]])
    here = slices if is_other(depth) else depth
    return (*dims[:number], here, *dims[number + 1 :])


def _along(op: Operation, layout: Layout, number: int, change: Change) -> Layout:
    """The layout where the dimension has the output's size, and another receptive field."""
    dim, size = layout.dims[number], op.output.shape[number]
    before = op.source.shape[number]
    factor = lone(layout, dim, mirrored=True)
    if factor:
        layout = resized(layout, factor, size, change)
        new: Dim = (replace(factor, size=size),) if size > 1 else ()
    elif _inner(dim):
        layout, new = _along_tiles(op, mixed_over(layout, [dim]), number)
    else:
        layout = mixed_over(layout, [dim])
        if axes_of(dim) <= {"other", "slice"} and dim:
            new = joined([Factor(factors(dim)[0].axis, size)])
        else:
            new = dim if before == size else lost(size)
    return op.with_dims((*layout.dims[:number], new, *layout.dims[number + 1 :]), layout)


def _inner(dim: Dim) -> bool:
    """Whether a dimension holds a part of an axis only: the rows of a tile."""
    return len(dim) == 1 and isinstance(dim[0], Factor) and dim[0].axis in AXES and dim[0].step == 1


def _along_tiles(op: Operation, layout: Layout, number: int) -> tuple[Layout, Dim]:
    """Windows inside the tiles of an image: the tiles keep their places, with other sizes."""
    (factor,) = factors(layout.dims[number])
    size, span = op.output.shape[number], layout.span(factor.axis)

    def scaled(one: Factor) -> Factor:
        same = one.axis == factor.axis and one.step % factor.size == 0
        return replace(one, step=one.step // factor.size * size) if same else one

    dims = tuple(
        tuple(scaled(part) if isinstance(part, Factor) else part for part in dim)
        for dim in layout.dims
    )
    whole = replace(span, size=span.size // factor.size * size, axis=None)
    layout = replace(layout, dims=dims).with_span(factor.axis, whole)
    return layout, ((Factor(factor.axis, size),) if size > 1 else ())


def _adaptive_pool(op: Operation) -> Layout | None:
    if op.number:
        return None
    layout, count = op.layout, len(op.args[1])
    for i in range(op.source.dim() - count, op.source.dim()):
        window, left = divmod(op.source.shape[i], max(1, op.output.shape[i]))

        def change(axis: Axis, window: int = window, exact: bool = not left) -> Axis | None:
            return receptive_fields.windowed(axis, window, window, 0, 1) if exact else None

        if op.output.shape[i] != op.source.shape[i]:
            layout = _along(op, layout, i, change)
    return layout


def _pad(op: Operation) -> Layout:
    layout, pads = op.layout, list(op.args[1])
    for j in range(len(pads) // 2):
        before, after = pads[2 * j : 2 * j + 2]
        number = op.source.dim() - 1 - j
        if before or after:
            layout = _padded_along(op, layout, number, before, after)
    return layout


def _padded_along(op: Operation, layout: Layout, number: int, before: int, after: int) -> Layout:
    dim, size = layout.dims[number], op.output.shape[number]
    factor = lone(layout, dim)
    if factor:
        span = layout.span(factor.axis).cut(-before, factor.size + after)
        layout = layout.with_span(factor.axis, span)
        new: Dim = (replace(factor, size=size),)
    elif is_other(dim):
        new = other(size)
    elif min(before, after) >= 0 and (around := padded(dim)):
        new = surrounded(around.core, around.before + before, around.after + after)
    else:
        layout, new = mixed_over(layout, [dim]), lost(size)
    return op.with_dims((*layout.dims[:number], new, *layout.dims[number + 1 :]), layout)


# An interpolation of one axis, given the units before and after it, and a factor or None.
_Resize = Callable[[Axis, int, int, float | None], Axis]


def _resize(op: Operation, scales: Sequence[float | None], change: _Resize) -> Layout:
    layout, count = op.layout, op.source.dim() - 2
    given = (list(scales) + [None] * count)[:count]
    for i, scale in enumerate(given, 2):
        before, after = op.source.shape[i], op.output.shape[i]

        def along(
            axis: Axis, before: int = before, after: int = after, scale: float | None = scale
        ) -> Axis:
            return change(axis, before, after, scale)

        layout = _along(op, layout, i, along)
    return layout


def _nearest(op: Operation) -> Layout:
    return _resize(op, op.args[2:], receptive_fields.repeated)


def _interpolated(reach: int) -> Rule:
    def rule(op: Operation) -> Layout:
        corners = bool(op.args[2])
        if "_aa" in op.name:  # an antialiasing window is as wide as the image is reduced
            return mixed(_resize(op, [], receptive_fields.repeated), AXES)

        def change(axis: Axis, before: int, after: int, factor: float | None) -> Axis:
            return receptive_fields.interpolated(axis, before, after, factor, reach, corners)

        return _resize(op, op.args[3:], change)

    return rule


def _shuffle_pixels(op: Operation) -> Layout:
    """Channels become pixels (pixel_shuffle), or pixels channels (pixel_unshuffle)."""
    factor, layout = int(op.args[1]), op.layout
    apart = op.name == "pixel_shuffle"
    for i in (-2, -1):
        number = op.source.dim() + i

        def change(axis: Axis, i: int = i) -> Axis:
            if apart:
                return receptive_fields.repeated(axis, op.source.shape[i], op.output.shape[i], None)
            return receptive_fields.windowed(axis, factor, factor, 0, 1)

        layout = _along(op, layout, number, change)
    dims = list(layout.dims)
    dims[-3] = other(op.output.shape[-3])
    return op.with_dims(dims, layout)


def _patches(op: Operation) -> Layout:
    """Windows side by side (N, C * kernel, positions), as `F.unfold` takes them."""
    kernel, dilation, padding, stride = (_many(v, 2) for v in op.args[1:5])
    layout, counts = op.layout, []
    spans = [lone(layout, dim) for dim in layout.dims[2:]]
    for factor, k, d, p, s, n in zip(
        spans, kernel, dilation, padding, stride, op.source.shape[2:], strict=True
    ):
        counts.append((n + 2 * p - d * (k - 1) - 1) // s + 1)
        if factor:
            change = partial(receptive_fields.windowed, kernel=k, stride=s, padding=p, dilation=d)
            layout = resized(layout, factor, counts[-1], change)
    names = [factor.axis if factor else "lost" for factor in spans]
    places = joined(Factor(name, n) for name, n in zip(names, counts, strict=True))
    return op.with_dims((layout.dims[0], other(op.output.shape[1]), places), layout)


def _unpatched(op: Operation) -> Layout:
    """Windows (N, C * kernel, positions) put back into an image, as `F.fold` does."""
    size, kernel, dilation, padding, stride = (_many(v, 2) for v in op.args[1:6])
    counts = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    ]
    layout = op.layout
    dims: list[Dim] = [layout.dims[0], other(op.output.shape[1])]
    for dim, k, d, p, s, n in zip(
        regrouped([layout.dims[2]], counts), kernel, dilation, padding, stride, size, strict=True
    ):
        factor = lone(replace(layout, dims=(dim,)), dim)
        if factor:
            change = partial(receptive_fields.spread, kernel=k, stride=s, padding=p, dilation=d)
            layout = resized(layout, factor, n, change)
        dims.append((Factor(factor.axis, n),) if factor else lost(n))
    return op.with_dims(dims, layout)


WINDOWS: dict[str, Rule] = {
    "convolution": _convolution,
    **dict.fromkeys(
        ("max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool2d", "avg_pool3d"), _pool
    ),
    **dict.fromkeys(
        ("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_max_pool2d")
        + ("adaptive_max_pool3d",),
        _adaptive_pool,
    ),
    **dict.fromkeys(
        ("constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
        + ("replication_pad1d", "replication_pad2d", "replication_pad3d"),
        _pad,
    ),
    **dict.fromkeys(
        ("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d")
        + ("_upsample_nearest_exact1d", "_upsample_nearest_exact2d"),
        _nearest,
    ),
    **dict.fromkeys(
        ("upsample_linear1d", "upsample_bilinear2d", "_upsample_bilinear2d_aa"), _interpolated(1)
    ),
    **dict.fromkeys(("upsample_bicubic2d", "_upsample_bicubic2d_aa"), _interpolated(2)),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle"), _shuffle_pixels),
    "im2col": _patches,
    "col2im": _unpatched,
}
