"""Putting the values of a layer in the usual order: images, channels, rows, columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from convscope.network.traces.layouts import (
    AxisName,
    Dim,
    Factor,
    Layout,
    Padded,
    Part,
    Span,
    axes_of,
)


def tiled(parts: Sequence[Factor]) -> bool:
    """Whether factors, the outermost first, count through an axis without gaps."""
    return all(abs(a.step) == abs(b.step) * b.size for a, b in pairwise(parts))


def in_order(layout: Layout, axis: AxisName) -> list[int] | None:
    """The numbers of the factors of an axis, outermost first; None if they do not make it up."""
    found = [(abs(f.step), i) for i, f in enumerate(layout.factors) if f.axis == axis]
    order = [i for _, i in sorted(found, reverse=True)]
    parts = [layout.factors[i] for i in order]
    if axis == "batch":
        return order if len(order) == 1 else None
    if not parts:
        return []
    complete = parts[0].size * abs(parts[0].step) == layout.span(axis).size
    return order if tiled(parts) and complete else None


def flat(values: Tensor, layout: Layout) -> Tensor:
    """Values with a dimension for each factor, without those that have no position."""
    sizes: list[int] = []
    for dim, size in zip(layout.dims, values.shape, strict=True):
        known = [1 if f.axis == "batch" else f.size for f in dim if isinstance(f, Factor)]
        alone = len(dim) == 1 and isinstance(dim[0], Factor)
        rest = size // max(1, math.prod(known) * math.prod(_padding(dim)))
        for part in dim:
            if isinstance(part, Padded):
                sizes.append(part.size)
            else:
                sizes.append(size if alone else rest if part.axis == "batch" else part.size)
    values = values.reshape(sizes)
    return _cored(values, [part for dim in layout.dims for part in dim])


def _padding(dim: Dim) -> list[int]:
    return [part.size for part in dim if isinstance(part, Padded)]


def _cored(values: Tensor, parts: Sequence[Part]) -> Tensor:
    """Values with a dimension for each part, with padded parts narrowed to their factors."""
    for i in reversed(range(len(parts))):
        part = parts[i]
        if isinstance(part, Padded):
            count = part.size - part.before - part.after
            values = values.narrow(i, part.before, count)
            values = values.unflatten(i, [f.size for f in part.core])
    return values


def _is_vector(layout: Layout) -> bool:
    """Whether each image has one vector, maps that were flattened for instance."""
    return len(layout.dims) == 2 and axes_of(layout.dims[0]) == {"batch"}


def problem(layout: Layout) -> str:
    """Why values with this layout cannot be read channel by channel; empty if they can."""
    if _is_vector(layout) and in_order(layout, "batch") is not None:
        return ""
    if in_order(layout, "batch") is None or "batch" in {
        f.axis for dim in layout.dims for p in dim if isinstance(p, Padded) for f in p.core
    }:
        behind = f" behind {layout.lost_in}" if layout.lost_in else ""
        return f"it is not known which of its values belong to which image{behind}"
    if layout.has("lost") and not layout.has("other"):
        return f"the order of its values is not known behind {layout.lost_in}"
    if in_order(layout, "row") is None or in_order(layout, "column") is None:
        return "its values do not belong to single positions in the image"
    return ""


def arranged(values: Tensor, layout: Layout) -> Tensor:
    """Values of that layout as (N, C, rows, columns), or (N, C) where they have no positions.

    Slices, and positions in an order that is not known, come before the rows: (N, C, S, h, w).

    Raises:
        RuntimeError: the values have another shape.
    """
    if _is_vector(layout) or _is_usual(layout):
        return values
    orders = {axis: in_order(layout, axis) or [] for axis in ("batch", "row", "column")}
    number = list(enumerate(layout.factors))
    channels = [i for i, factor in number if factor.axis == "other"]
    slices = [i for i, factor in number if factor.axis in ("slice", "lost")]
    groups = [orders["batch"], channels, slices, orders["row"], orders["column"]]
    values = flat(values, layout)
    values = values.flip([i for i, factor in number if factor.step < 0])
    values = values.permute([i for group in groups for i in group])
    sizes, first = [], 0
    for group in groups:
        sizes.append(math.prod(values.shape[first : first + len(group)]))
        first += len(group)
    if not (orders["row"] or orders["column"]):
        return values.reshape(sizes[:3] if slices else sizes[:2])
    values = values.reshape(sizes if slices else [*sizes[:2], *sizes[3:]])
    rolls = layout.rows.roll, layout.columns.roll
    return values.roll([-n for n in rolls], (-2, -1)) if any(rolls) else values


def _is_usual(layout: Layout) -> bool:
    """Whether the dimensions are images, channels, rows and columns already."""
    axes: list[AxisName] = ["batch", "other", "row", "column"]
    alone = all(dim == () or axes_of(dim) == {a} for dim, a in zip(layout.dims, axes, strict=False))
    in_place = all(layout.has(axis) for axis in axes[2:]) and is_free(layout)
    return alone and len(layout.dims) == 4 and in_place and all(f.step == 1 for f in layout.factors)


def dim_of_images(layout: Layout) -> int | None:
    """The dimension that holds the images and nothing else; the first if no image is found."""
    holding = [d for d, dim in enumerate(layout.dims) if "batch" in axes_of(dim)]
    if not holding:
        return 0
    alone = len(holding) == 1 and layout.dims[holding[0]][0] == layout.dims[holding[0]][-1]
    return holding[0] if alone and isinstance(layout.dims[holding[0]][0], Factor) else None


def is_alike(one: Layout, other: Layout) -> bool:
    """Whether values of both layouts are put in order in the same way."""
    rolls = one.rows.roll == other.rows.roll and one.columns.roll == other.columns.roll
    return rolls and (one.dims == other.dims or (_is_vector(one) and _is_vector(other)))


def is_free(layout: Layout) -> bool:
    """Whether the layout holds for images of any size: each dimension is one axis."""
    alone = all(len(dim) <= 1 and not _padding(dim) for dim in layout.dims)
    return alone and not (layout.rows.roll or layout.columns.roll)


def covers(layout: Layout, size: Sequence[int]) -> bool:
    """Whether the units see all of an image of that size, up to a fifth at its borders."""
    return all(_along(*pair) for pair in zip((layout.rows, layout.columns), size, strict=True))


def _along(span: Span, pixels: int) -> bool:
    start, stop = span.start * pixels, span.stop * pixels
    if span.axis:
        start = min(start, span.axis.span(0)[0])
        stop = max(stop, span.axis.span(span.size - 1)[1] + 1)
    return start < 0.2 * pixels and stop > 0.8 * pixels
