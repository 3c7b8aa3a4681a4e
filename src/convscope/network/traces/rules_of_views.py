"""What operations that only move values do to a layout: views, permutations, slices, joins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from torch import Tensor

from convscope.network.traces import receptive_fields
from convscope.network.traces.layouts import (
    AxisName,
    Dim,
    Factor,
    Layout,
    Padded,
    axes_of,
    is_other,
    joined,
    lost,
    merged,
    other,
    padded,
    regrouped,
    size_of,
    surrounded,
)
from convscope.network.traces.operations import (
    AXES,
    Operation,
    Rule,
    in_same_units,
    lone,
    losing,
    mixed,
    mixed_over,
)


def _same(op: Operation) -> Layout:
    return op.layout


def _strided(op: Operation) -> Layout:
    """Torch gives results without rows and columns other strides in place; nothing moves."""
    same = list(op.output.shape) == list(op.layout.shape)
    return op.layout if same and not any(map(op.layout.has, AXES)) else op.lost()


def _view(op: Operation) -> Layout:
    return op.with_dims(regrouped(op.layout.dims, op.output.shape))


def _permute(op: Operation) -> Layout:
    return op.with_dims(op.layout.dims[dim] for dim in op.args[1])


def _transpose(op: Operation) -> Layout:
    dims = list(op.layout.dims)
    a, b = (0, 1) if op.name == "t" else (op.dim(1), op.dim(2))
    if len(dims) > 1:
        dims[a], dims[b] = dims[b], dims[a]
    return op.with_dims(dims)


def _unsqueeze(op: Operation) -> Layout:
    dims = list(op.layout.dims)
    dims.insert(int(op.args[1]) % op.output.dim(), ())
    return op.with_dims(dims)


def _squeeze(op: Operation) -> Layout:
    given = op.args[1] if len(op.args) > 1 else range(op.source.dim())
    chosen = {d % op.source.dim() for d in ([given] if isinstance(given, int) else given)}
    gone = {d for d in chosen if op.source.shape[d] == 1}
    return op.with_dims(dim for d, dim in enumerate(op.layout.dims) if d not in gone)


def _expand(op: Operation) -> Layout:
    new = op.output.dim() - op.source.dim()
    dims = [other(size) for size in op.output.shape[:new]]
    for dim, size, before in zip(
        op.layout.dims, op.output.shape[new:], op.source.shape, strict=True
    ):
        dims.append(dim if size == before else other(size))
    return op.with_dims(dims)


def _repeat(op: Operation) -> Layout:
    times, new = list(op.args[1]), len(op.args[1]) - op.source.dim()
    dims = [other(n) for n in times[:new]]
    for dim, n in zip(op.layout.dims, times[new:], strict=True):
        if n == 1 or is_other(dim):
            dims.append(dim if n == 1 else other(n * size_of(dim)))
        else:
            batch = axes_of(dim) == {"batch"}
            dims.append(joined([Factor("slice", n), *dim]) if batch else lost(n * size_of(dim)))
    return op.with_dims(dims)


def _select(op: Operation) -> Layout:
    number = op.dim(1)
    dims = list(op.layout.dims)
    return op.with_dims(dims[:number] + dims[number + 1 :], _taken_from(op, dims[number]))


def _unbind(op: Operation) -> Layout:
    return _select(replace(op, args=(op.args[0], op.dim(1))))


def _taken_from(op: Operation, dim: Dim) -> Layout:
    """The layout where only one or a few values along a dimension are left."""
    layout = mixed_over(op.layout, [dim])
    if "batch" in axes_of(dim):
        return replace(layout, lost_in=op.name)
    return layout


def _slice(op: Operation) -> Layout:
    number, size = op.dim(1), op.source.shape[op.dim(1)]
    begin, end, step = op.arg(2, default=0), op.arg(3, default=size), op.arg(4, default=1)
    begin, end = (max(0, min(size, n + size if n < 0 else n)) for n in (int(begin), int(end)))
    return _cut(op, op.layout, number, begin, end, int(step))


def _split(op: Operation) -> Layout:
    number, sizes = op.dim(2), op.args[1]
    if isinstance(sizes, int):
        sizes = [sizes] * op.number + [op.output.shape[number]]
    begin = sum(sizes[: op.number])
    return _cut(op, op.layout, number, begin, begin + op.output.shape[number], 1)


def _cut(op: Operation, layout: Layout, number: int, begin: int, end: int, step: int) -> Layout:
    """The layout of values `begin` to `end` of a dimension, with every `step`-th of them."""
    dim, size = layout.dims[number], size_of(layout.dims[number])
    if (begin, end, step) == (0, size, 1):
        return layout
    count = len(range(begin, end, step))
    if is_other(dim):
        return _with_dim(op, layout, number, other(count))
    factor = lone(layout, dim)
    if factor:
        span = layout.span(factor.axis).cut(begin, end)
        axis = span.axis and receptive_fields.subsampled(span.axis, step)
        layout = layout.with_span(factor.axis, replace(span, size=count, axis=axis))
        kept: Dim = (Factor(factor.axis, count),) if count > 1 else ()
        return _with_dim(op, layout, number, kept)
    if len(dim) == 1 and isinstance(dim[0], Padded) and step == 1:
        return _cut_padded(op, layout, number, dim[0], begin, end)
    return _with_dim(op, mixed_over(layout, [dim]), number, lost(count))


def _cut_padded(
    op: Operation, layout: Layout, number: int, part: Padded, begin: int, end: int
) -> Layout:
    """The layout of some of the tokens: without their positions, or without the others."""
    first, last = part.before, part.size - part.after
    if end <= first or begin >= last:
        return _with_dim(op, mixed_over(layout, [part.core]), number, other(end - begin))
    if begin > first or end < last:
        return _with_dim(op, mixed_over(layout, [(part,)]), number, lost(end - begin))
    return _with_dim(op, layout, number, surrounded(part.core, first - begin, end - last))


def _with_dim(op: Operation, layout: Layout, number: int, dim: Dim) -> Layout:
    return op.with_dims((*layout.dims[:number], dim, *layout.dims[number + 1 :]), layout)


def _flip(op: Operation) -> Layout:
    dims, turned = list(op.layout.dims), set()
    for number in (d % op.source.dim() for d in op.args[1]):
        dim = dims[number]
        if any(isinstance(part, Padded) for part in dim) or "batch" in axes_of(dim):
            dims[number] = lost(size_of(dim))
        else:
            dims[number] = tuple(replace(f, step=-f.step) for f in dim if isinstance(f, Factor))
        turned |= axes_of(dim)
    return mixed(op.with_dims(dims), [axis for axis in AXES if axis in turned])


def _roll(op: Operation) -> Layout:
    shifts, dims = (
        [v] if isinstance(v, int) else list(v) for v in (op.args[1], op.arg(2, "dims", []))
    )
    layout = op.layout
    if not dims:
        return op.lost()
    for shift, number in zip(shifts, (d % op.source.dim() for d in dims), strict=True):
        dim = op.layout.dims[number]
        factor = dim[0] if len(dim) == 1 and isinstance(dim[0], Factor) else None
        if factor and factor.axis in AXES and factor.step == 1:
            span = layout.span(factor.axis)
            roll = (span.roll + shift) % factor.size
            span = replace(span, roll=roll, axis=None)
            layout = layout.with_span(factor.axis, span)
        elif not is_other(dim):
            layout = _with_dim(op, mixed_over(layout, [dim]), number, lost(size_of(dim)))
    return layout


def _unfold(op: Operation) -> Layout:
    """Windows along a dimension, as `Tensor.unfold` takes them; tiles where they do not overlap."""
    number, size, step = op.dim(1), *map(int, op.args[2:4])
    dim = op.layout.dims[number]
    factor = lone(op.layout, dim)
    count = op.output.shape[number]
    if factor and size == step and count * size == factor.size:
        windows: tuple[Dim, Dim] = (
            joined([Factor(factor.axis, count, size)]),
            joined([Factor(factor.axis, size)]),
        )
    elif is_other(dim):
        windows = other(count), other(size)
    else:
        windows = lost(count), lost(size)
    layout = mixed_over(op.layout, [dim])
    return op.with_dims((*layout.dims[:number], windows[0], *layout.dims[number + 1 :], windows[1]))


def _index(op: Operation) -> Layout:
    """Values chosen by constant numbers along one dimension; everything else is lost."""
    selecting = op.name == "index_select"
    chosen = [None] * op.dim(1) + [op.args[2]] if selecting else list(op.args[1])
    places = [i for i, one in enumerate(chosen) if one is not None]
    dependent = any(layout is not None for _, layout in op.inputs[1:])
    if len(places) != 1 or dependent or not isinstance(chosen[places[0]], Tensor):
        return op.lost()
    number, count = places[0], chosen[places[0]].dim()
    dims = op.layout.dims
    simple = is_other(dims[number])
    sizes = op.output.shape[number : number + count]
    new = [other(size) if simple else lost(size) for size in sizes]
    layout = mixed_over(op.layout, [dims[number]])
    return op.with_dims((*dims[:number], *new, *dims[number + 1 :]), layout)


def _stack(op: Operation) -> Layout:
    number = int(op.arg(1, "dim", 0)) % op.output.dim()
    layout = meeting(op, [tuple(op.output.shape[:number]) + tuple(op.output.shape[number + 1 :])])
    dims = list(layout.dims)
    dims.insert(number, other(op.output.shape[number]))
    return op.with_dims(dims, layout)


def _cat(op: Operation) -> Layout:
    number = int(op.arg(1, "dim", 0)) % op.output.dim()
    filled = [(t, one) for t, one in op.inputs if t.dim() == op.output.dim()]
    inputs = [(t, one) for t, one in filled if t.shape[number]]  # no class token is no token
    if not any(one for _, one in inputs):
        return op.lost()
    rest = list(op.output.shape)
    rest[number] = 1
    others = [(t, one and _without_dim(one, number)) for t, one in inputs]
    layout = meeting(replace(op, inputs=others), [tuple(rest)], joining=number)
    dim = _cat_dim([(t.shape[number], one.dims[number] if one else None) for t, one in inputs])
    if dim is None:
        return _cat_of_positions(op, layout, number, inputs)
    for axis in axes_of(dim) & set(AXES):
        held = [one.span(axis) for _, one in inputs if one and axis in axes_of(one.dims[number])]
        layout = layout.with_span(axis, held[0])
    return _with_dim(op, layout, number, dim)


def _without_dim(layout: Layout, number: int) -> Layout:
    return replace(layout, dims=(*layout.dims[:number], (), *layout.dims[number + 1 :]))


def _cat_dim(parts: Sequence[tuple[int, Dim | None]]) -> Dim | None:
    """A dimension made of several, one after the other; None where that is not simple."""
    placed = [i for i, (_, dim) in enumerate(parts) if dim and not is_other(dim)]
    if not placed:
        return other(sum(size for size, _ in parts))
    dims = {parts[i][1] for i in placed}
    dim = dims.pop()
    assert dim is not None
    if len(placed) == 1:
        before = sum(size for size, _ in parts[: placed[0]])
        after = sum(size for size, _ in parts[placed[0] + 1 :])
        if part := padded(dim):
            return surrounded(part.core, part.before + before, part.after + after)
    if not dims and len(placed) == len(parts) and axes_of(dim) == {"batch"}:
        return joined([Factor("slice", len(parts)), *dim])
    return None


def _cat_of_positions(
    op: Operation,
    layout: Layout,
    number: int,
    inputs: Sequence[tuple[Tensor, Layout | None]],
) -> Layout:
    """Parts of an axis, put together in order; lost where they do not continue each other."""
    size, found = op.output.shape[number], [one for _, one in inputs if one]
    cores = [lone(one, one.dims[number]) for one in found]
    axes = {core.axis for core in cores if core}
    if len(axes) == 1 and len(found) == len(inputs) and all(cores):
        (axis,) = axes
        spans = [one.span(axis) for one in found]
        if all(abs(a.stop - b.start) < 1e-6 for a, b in pairwise(spans)):
            whole = replace(spans[0], size=size, axis=None, stop=spans[-1].stop)
            return _with_dim(op, layout.with_span(axis, whole), number, (Factor(axis, size),))
    dims = [one.dims[number] for one in found]
    return _with_dim(op, mixed_over(layout, dims), number, lost(size))


def meeting(
    op: Operation, shapes: Sequence[Sequence[int]] = (), joining: int | None = None
) -> Layout:
    """The layout where the inputs meet element by element, with broadcasting.

    Args:
        op: the operation.
        shapes: the shape in which they meet, if it is not that of the output.
        joining: a dimension along which they do not meet.
    """
    shape = list(shapes[0] if shapes else op.output.shape)
    if len(op.layouts) == 1 and op.layout.shape == tuple(shape):
        return op.layout
    op = replace(op, inputs=in_same_units(op.inputs))
    dims: list[Dim] = []
    clashing: set[str] = set()
    for d in range(-len(shape), 0):
        met = [
            layout.dims[d]
            for tensor, layout in op.inputs
            if layout and len(layout.dims) >= -d and size_of(layout.dims[d]) == shape[d]
        ]
        dim = merged(met)
        if dim is None:
            clashing |= {axis for one in met for axis in axes_of(one)}
            dim = lost(shape[d])
        elif not met and d % len(shape) != joining:
            dim = other(shape[d])
        dims.append(dim)
    layout = op.with_dims(dims)
    for axis in AXES:
        layout = _meeting_along(op, layout, axis)
    for axis in AXES:
        layout = losing(op, layout, axis) if axis in clashing else layout
    return layout


def _meeting_along(op: Operation, layout: Layout, axis: AxisName) -> Layout:
    """The units along an axis, where several layouts meet."""
    held = [one for one in op.layouts if one.has(axis)]
    spans = [one.span(axis) for one in held]
    seen = receptive_fields.union(
        [one.span(axis).axis if one in held or not held else None for one in op.layouts]
    )
    first = spans[0] if spans else op.layout.span(axis)
    alike = all(one.alike(first) for one in spans)
    layout = layout.with_span(axis, replace(first, axis=seen))
    return layout if alike else losing(op, layout, axis)


VIEWS: dict[str, Rule] = {
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias", "_reshape_copy"), _view),
    **dict.fromkeys(("permute", "permute_copy"), _permute),
    **dict.fromkeys(("transpose", "t"), _transpose),
    **dict.fromkeys(("split", "split_with_sizes", "split_copy"), _split),
    **dict.fromkeys(("index", "index_select"), _index),
    "as_strided": _strided,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "expand": _expand,
    "repeat": _repeat,
    "select": _select,
    "unbind": _unbind,
    "slice": _slice,
    "flip": _flip,
    "roll": _roll,
    "unfold": _unfold,
    "stack": _stack,
    "cat": _cat,
    **dict.fromkeys(
        ("clone", "detach", "alias", "_to_copy", "contiguous", "lift_fresh", "view_as")
        + ("native_channel_shuffle", "channel_shuffle"),
        _same,
    ),
}
