"""TODO."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from convscope.types import Axis


@dataclass(frozen=True)
class Field:
    """Where a tensor's two spatial dimensions are and what its units see along each.

    Dimensions count from the end (-2, -1 for N, C, H, W), so that broadcasting keeps them.
    """

    rows: Axis
    columns: Axis
    row_dim: int = -2
    column_dim: int = -1

    @property
    def dims(self) -> tuple[int, int]:
        return self.row_dim, self.column_dim


def from_end(dim: int, tensor: Tensor) -> int:
    return dim if dim < 0 else dim - tensor.dim()


def union(fields: list[Field | None]) -> Field | None:
    """What a unit sees that adds up several branches; None where their grids differ."""
    first = fields[0]
    for other in fields[1:]:
        if first is None or other is None or first.dims != other.dims:
            return None
        rows, columns = _widest(first.rows, other.rows), _widest(first.columns, other.columns)
        if rows is None or columns is None:
            return None
        first = replace(first, rows=rows, columns=columns)
    return first


def _widest(a: Axis, b: Axis) -> Axis | None:
    if a.jump != b.jump:
        return None
    return Axis(a.jump, min(a.start, b.start), max(a.stop, b.stop))


def _windowed(axis: Axis, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
    """The axis behind a sliding window."""
    start = axis.start - axis.jump * padding
    reach = axis.jump * (dilation * (kernel - 1) - padding)
    return Axis(axis.jump * stride, start, axis.stop + reach)


def _pair(value: Any, default: Any = None) -> tuple[int, int]:
    value = default if value is None or value == [] else value
    if isinstance(value, int):
        return value, value
    return (value[0], value[-1])


def _sliding(seen: Field, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Field | None:
    if seen.dims != (-2, -1):
        return None
    k, s, p, d = _pair(kernel), _pair(stride, kernel), _pair(padding, 0), _pair(dilation, 1)
    rows = _windowed(seen.rows, k[0], s[0], p[0], d[0])
    return Field(rows, _windowed(seen.columns, k[1], s[1], p[1], d[1]))


def _convolution(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    kernel = args[1].shape[2:]
    stride, padding, dilation, transposed = args[3:7]
    if output.dim() != 4 or seen.dims != (-2, -1):
        return None
    if not transposed:
        return _sliding(seen, list(kernel), stride, padding, dilation)

    def spread(axis: Axis, k: int, s: int, p: int, d: int) -> Axis:
        jump = axis.jump / s
        return Axis(jump, axis.start + jump * (p - d * (k - 1)), axis.stop + jump * p)

    (kr, kc), (sr, sc), (pr, pc), (dr, dc) = map(_pair, (list(kernel), stride, padding, dilation))
    return Field(spread(seen.rows, kr, sr, pr, dr), spread(seen.columns, kc, sc, pc, dc))


def _pool(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    stride, padding, dilation = (list(args[2:5]) + [None] * 3)[:3]
    return _sliding(seen, args[1], stride, padding, dilation)


def _average_pool(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    return _pool(seen, source, output, args[:4])  # the fifth is ceil_mode, not a dilation


def _adaptive_pool(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    sizes = [(i, o) for i, o in zip(source.shape[-2:], output.shape[-2:], strict=True)]
    if any(i % o for i, o in sizes) or all(o == 1 for _, o in sizes):
        return None
    windows = [i // o for i, o in sizes]
    return _sliding(seen, windows, windows, 0, 1)


def _pad(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    pads = list(args[1]) + [0, 0, 0, 0]
    if seen.dims != (-2, -1):
        return None

    def shift(axis: Axis, by: int) -> Axis:
        return Axis(axis.jump, axis.start - axis.jump * by, axis.stop - axis.jump * by)

    return Field(shift(seen.rows, pads[2]), shift(seen.columns, pads[0]))


def _nearest(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    def axis(old: Axis, before: int, after: int, factor: float | None) -> Axis:
        ratio = 1 / factor if factor else before / after
        # Unit i copies unit floor(i * ratio), which lies behind i * ratio by less than one.
        behind = max(i * ratio - math.floor(i * ratio + 1e-6) for i in range(after))
        return Axis(old.jump * ratio, old.start - old.jump * max(0.0, behind), old.stop)

    return _resized(seen, source, output, args[2:4], axis)


def _interpolated(reach: int) -> Callable[[Field, Tensor, Tensor, Any], Field | None]:
    """Interpolation that reads `reach` neighbors on either side."""

    def rule(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
        corners = args[2]

        def axis(old: Axis, before: int, after: int, factor: float | None) -> Axis:
            if corners:
                ratio = (before - 1) / max(1, after - 1)
                shift = 0.0
            else:
                ratio = 1 / factor if factor else before / after
                shift = (ratio - 1) / 2
            low, high = (old.jump * (shift + side) for side in (-reach, reach))
            return Axis(old.jump * ratio, old.start + low, old.stop + high)

        return _resized(seen, source, output, args[3:5], axis)

    return rule


def _resized(
    seen: Field,
    source: Tensor,
    output: Tensor,
    factors: Any,
    axis: Callable[[Axis, int, int, float | None], Axis],
) -> Field | None:
    if seen.dims != (-2, -1):
        return None
    down, across = (list(factors) + [None, None])[:2]
    (h, w), (oh, ow) = source.shape[-2:], output.shape[-2:]
    return Field(axis(seen.rows, h, oh, down), axis(seen.columns, w, ow, across))


def _reshape(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    same = output.dim() >= 3 and output.shape[-2:] == source.shape[-2:] and seen.dims == (-2, -1)
    return seen if same else None


def _permute(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    order = [from_end(d, source) for d in args[1]]
    n = len(order)
    return replace(
        seen, row_dim=order.index(seen.row_dim) - n, column_dim=order.index(seen.column_dim) - n
    )


def _transpose(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    order = list(range(source.dim()))
    a, b = args[1] % source.dim(), args[2] % source.dim()
    order[a], order[b] = order[b], order[a]
    return _permute(seen, source, output, (source, order))


def _reduce(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    dims = args[1] if len(args) > 1 else None
    dims = [dims] if isinstance(dims, int) else dims
    keep = len(args) > 2 and args[2]
    if not dims or not keep or any(from_end(d, source) in seen.dims for d in dims):
        return None
    return seen


def _normalize_last(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    return seen if not any(d >= -len(args[1]) for d in seen.dims) else None


def _batch_norm(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    training = len(args) > 5 and args[5] is True
    return None if training else seen


def _slice(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    dim, start, _end, step = (list(args[1:]) + [None] * 4)[:4]
    dim = from_end(dim or 0, source)
    if dim not in seen.dims:
        return seen
    start, step = int(start or 0), int(step or 1)
    start = max(0, start + source.shape[dim]) if start < 0 else start

    def cut(axis: Axis) -> Axis:
        return Axis(axis.jump * step, axis.start + axis.jump * start, axis.stop + axis.jump * start)

    if dim == seen.row_dim:
        return replace(seen, rows=cut(seen.rows))
    return replace(seen, columns=cut(seen.columns))


def _split(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    dim = args[2] if len(args) > 2 else 0
    return None if from_end(dim, source) in seen.dims else seen


LIKE_POINTWISE = {
    "clone", "detach", "alias", "_to_copy", "contiguous", "lift_fresh", "expand", "native_dropout",
    "_native_batch_norm_legit_no_training", "copy_", "_prelu_kernel",
}  # fmt: skip


RULES: dict[str, Callable[[Field, Tensor, Tensor, Any], Field | None]] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _pool,
    "avg_pool2d": _average_pool,
    "_adaptive_avg_pool2d": _adaptive_pool,
    "adaptive_max_pool2d": _adaptive_pool,
    "constant_pad_nd": _pad,
    "reflection_pad2d": _pad,
    "replication_pad2d": _pad,
    "upsample_nearest2d": _nearest,
    "upsample_bilinear2d": _interpolated(1),
    "upsample_bicubic2d": _interpolated(2),
    "view": _reshape,
    "_unsafe_view": _reshape,
    "reshape": _reshape,
    "_reshape_alias": _reshape,
    "permute": _permute,
    "transpose": _transpose,
    "mean": _reduce,
    "sum": _reduce,
    "native_layer_norm": _normalize_last,
    "native_batch_norm": _batch_norm,
    "cudnn_batch_norm": _batch_norm,
    "slice": _slice,
    "split": _split,
    "split_with_sizes": _split,
}
