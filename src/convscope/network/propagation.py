"""What torch's primitive operations do to a receptive field.

`propagate` gives the receptive field of an operation's output, from those of its inputs. None is a
receptive field that is the whole image, or that is not known: that of an operation without a rule,
for instance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from convscope.network.receptive_fields import (
    Pair,
    ReceptiveField,
    reordered,
    shifted,
    spread,
    subsampled,
    union,
    windowed,
)
from convscope.types import Axis


def propagate(
    func: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    inputs: Sequence[tuple[Tensor, ReceptiveField | None]],
    output: Tensor,
) -> ReceptiveField | None:
    """The receptive field of a primitive operation's output.

    Args:
        func, args, kwargs: the operation, as a `TorchDispatchMode` meets it.
        inputs: the tensors among its arguments that depend on the image, with their fields.
        output: one of its results.
    """
    tensors, fields = zip(*inputs, strict=True)
    first, name = fields[0], func.overloadpacket.__name__
    if first is None or None in fields:
        return None
    if torch.Tag.pointwise in func.tags or name in _LIKE_POINTWISE:
        return _pointwise(tensors, fields, output)
    if name == "cat":
        dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
        return None if _from_end(dim, output) in first.dims else union(fields)
    rule = _RULES.get(name)
    return rule(_Operation(first, tensors[0], output, args)) if rule else None


def through_dense(field: ReceptiveField | None) -> ReceptiveField | None:
    """The receptive field after a dense layer, which mixes the last dimension."""
    return field if field and -1 not in field.dims else None


@dataclass(frozen=True)
class _Operation:
    """One operation on a tensor `source` whose receptive field is `field`."""

    field: ReceptiveField
    source: Tensor
    output: Tensor
    args: Sequence[Any]


_Field = ReceptiveField | None
_Rule = Callable[[_Operation], _Field]


def _from_end(dim: int, tensor: Tensor) -> int:
    """The number of a dimension, counted from the end."""
    return dim if dim < 0 else dim - tensor.dim()


def _pair(value: Any, default: Any = None) -> Pair:
    value = default if value is None or value == [] else value
    if isinstance(value, int):
        return value, value
    return (value[0], value[-1])


def _pointwise(tensors: Sequence[Tensor], fields: Sequence[_Field], output: Tensor) -> _Field:
    field = union(fields)
    dims = field.dims if field else ()
    # One value that is broadcast over a whole map has lost the position that it belongs to.
    broadcast = any(t.shape[d] != output.shape[d] for t in tensors for d in dims)
    return None if broadcast else field


def _convolution(op: _Operation) -> _Field:
    stride, padding, dilation, transposed = op.args[3:7]
    if op.output.dim() != 4 or not op.field.of_maps:
        return None
    rule = spread if transposed else windowed
    kernel = list(op.args[1].shape[2:])
    return rule(op.field, _pair(kernel), _pair(stride), _pair(padding), _pair(dilation))


def _pool(op: _Operation) -> _Field:
    stride, padding, dilation = (list(op.args[2:5]) + [None] * 3)[:3]
    if not op.field.of_maps:
        return None
    kernel = _pair(op.args[1])
    return windowed(op.field, kernel, _pair(stride, kernel), _pair(padding, 0), _pair(dilation, 1))


def _average_pool(op: _Operation) -> _Field:
    return _pool(replace(op, args=op.args[:4]))  # the fifth is ceil_mode, not a dilation


def _adaptive_pool(op: _Operation) -> _Field:
    (h, w), (rows, columns) = op.source.shape[-2:], op.output.shape[-2:]
    if h % rows or w % columns or rows == columns == 1 or not op.field.of_maps:
        return None
    window = h // rows, w // columns
    return windowed(op.field, window, window, (0, 0), (1, 1))


def _pad(op: _Operation) -> _Field:
    left, _, top, *_ = list(op.args[1]) + [0, 0, 0, 0]
    return shifted(op.field, (-top, -left)) if op.field.of_maps else None


# An interpolation of one axis, given the number of units before and after it, and a factor or None.
_Resize = Callable[[Axis, int, int, float | None], Axis]


def _nearest(op: _Operation) -> _Field:
    def axis(old: Axis, before: int, after: int, factor: float | None) -> Axis:
        ratio = 1 / factor if factor else before / after
        # Unit i copies unit floor(i * ratio), which is less than one before i * ratio.
        behind = max(i * ratio - math.floor(i * ratio + 1e-6) for i in range(after))
        return Axis(old.jump * ratio, old.start - old.jump * max(0.0, behind), old.stop)

    return _resized(op, op.args[2:4], axis)


def _interpolated(reach: int) -> _Rule:
    """The rule for an interpolation that reads `reach` neighbors on either side."""

    def rule(op: _Operation) -> _Field:
        corners = op.args[2]

        def axis(old: Axis, before: int, after: int, factor: float | None) -> Axis:
            if corners:
                ratio = (before - 1) / max(1, after - 1)
                shift = 0.0
            else:
                ratio = 1 / factor if factor else before / after
                shift = (ratio - 1) / 2
            low, high = (old.jump * (shift + side) for side in (-reach, reach))
            return Axis(old.jump * ratio, old.start + low, old.stop + high)

        return _resized(op, op.args[3:5], axis)

    return rule


def _resized(op: _Operation, factors: Sequence[float | None], axis: _Resize) -> _Field:
    if not op.field.of_maps:
        return None
    down, across = (list(factors) + [None, None])[:2]
    (h, w), (oh, ow) = op.source.shape[-2:], op.output.shape[-2:]
    rows, columns = op.field.rows, op.field.columns
    return ReceptiveField(axis(rows, h, oh, down), axis(columns, w, ow, across))


def _reshape(op: _Operation) -> _Field:
    same = op.output.dim() >= 3 and op.output.shape[-2:] == op.source.shape[-2:]
    return op.field if same and op.field.of_maps else None


def _permute(op: _Operation) -> _Field:
    return reordered(op.field, [_from_end(dim, op.source) for dim in op.args[1]])


def _transpose(op: _Operation) -> _Field:
    order = list(range(-op.source.dim(), 0))
    a, b = op.args[1:3]
    order[a], order[b] = order[b], order[a]
    return reordered(op.field, order)


def _reduce(op: _Operation) -> _Field:
    dims = op.args[1] if len(op.args) > 1 else None
    dims = [dims] if isinstance(dims, int) else dims
    keep = len(op.args) > 2 and op.args[2]
    if not dims or not keep or any(_from_end(d, op.source) in op.field.dims for d in dims):
        return None
    return op.field


def _normalize_last(op: _Operation) -> _Field:
    return op.field if not any(d >= -len(op.args[1]) for d in op.field.dims) else None


def _batch_norm(op: _Operation) -> _Field:
    training = len(op.args) > 5 and op.args[5] is True
    return None if training else op.field


def _slice(op: _Operation) -> _Field:
    dim, start, _end, step = (list(op.args[1:]) + [None] * 4)[:4]
    dim = _from_end(dim or 0, op.source)
    if dim not in op.field.dims:
        return op.field
    start, step = int(start or 0), int(step or 1)
    start = max(0, start + op.source.shape[dim]) if start < 0 else start
    if dim == op.field.row_dim:
        return subsampled(shifted(op.field, (start, 0)), (step, 1))
    return subsampled(shifted(op.field, (0, start)), (1, step))


def _split(op: _Operation) -> _Field:
    dim = op.args[2] if len(op.args) > 2 else 0
    return None if _from_end(dim, op.source) in op.field.dims else op.field


_LIKE_POINTWISE = {
    "clone", "detach", "alias", "_to_copy", "contiguous", "lift_fresh", "expand", "native_dropout",
    "_native_batch_norm_legit_no_training", "copy_", "_prelu_kernel",
}  # fmt: skip


_RULES: dict[str, _Rule] = {
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
