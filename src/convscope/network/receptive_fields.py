"""The algebra of receptive fields: which input pixels the units of a tensor depend on.

The functions here know nothing of torch's operations; `propagation` says which of them an operation
is. A result of None is a receptive field that is the whole image, or that is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from convscope.types import Axis

Pair = tuple[int, int]  # one number down, one across


@dataclass(frozen=True)
class ReceptiveField:
    """The input pixels that the units of a tensor depend on, along rows and along columns.

    Attributes:
        rows, columns: the input pixels that each unit sees.
        row_dim, column_dim: the tensor's dimensions that hold rows and columns, counted from the
            end (-2 and -1 for N, C, H, W), so that broadcasting keeps them.
    """

    rows: Axis
    columns: Axis
    row_dim: int = -2
    column_dim: int = -1

    @property
    def dims(self) -> tuple[int, int]:
        return self.row_dim, self.column_dim

    @property
    def of_maps(self) -> bool:
        """Whether rows and columns are the last two dimensions, as in a stack of feature maps."""
        return self.dims == (-2, -1)


def of_pixels() -> ReceptiveField:
    """The receptive field of the input (N, C, H, W): each pixel sees itself."""
    return ReceptiveField(Axis(1, 0, 0), Axis(1, 0, 0))


def union(fields: Sequence[ReceptiveField | None]) -> ReceptiveField | None:
    """The receptive field of several branches together; None where their strides differ."""
    first = fields[0]
    for other in fields[1:]:
        if first is None or other is None or first.dims != other.dims:
            return None
        rows, columns = _widest(first.rows, other.rows), _widest(first.columns, other.columns)
        if rows is None or columns is None:
            return None
        first = replace(first, rows=rows, columns=columns)
    return first


def windowed(
    field: ReceptiveField, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> ReceptiveField:
    """Behind a sliding window: a convolution or a pooling."""
    return _along(field, _windowed, kernel, stride, padding, dilation)


def spread(
    field: ReceptiveField, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> ReceptiveField:
    """Behind a transposed convolution."""
    return _along(field, _spread, kernel, stride, padding, dilation)


def shifted(field: ReceptiveField, by: Pair) -> ReceptiveField:
    """Without the first units of each axis; with more units before them if `by` is negative."""
    return _along(field, _shifted, by)


def subsampled(field: ReceptiveField, step: Pair) -> ReceptiveField:
    """With only every `step`-th unit."""
    return _along(field, lambda axis, n: replace(axis, jump=axis.jump * n), step)


def reordered(field: ReceptiveField, order: Sequence[int]) -> ReceptiveField:
    """With the dimensions in another order, each counted from the end."""
    rows, columns = order.index(field.row_dim), order.index(field.column_dim)
    return replace(field, row_dim=rows - len(order), column_dim=columns - len(order))


def _along(field: ReceptiveField, change: Callable[..., Axis], *pairs: Pair) -> ReceptiveField:
    """Change rows by the first number of each pair, columns by the second."""
    down, across = zip(*pairs, strict=True)
    return replace(field, rows=change(field.rows, *down), columns=change(field.columns, *across))


def _windowed(axis: Axis, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
    start = axis.start - axis.jump * padding
    reach = axis.jump * (dilation * (kernel - 1) - padding)
    return Axis(axis.jump * stride, start, axis.stop + reach)


def _spread(axis: Axis, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
    jump = axis.jump / stride
    start = axis.start + jump * (padding - dilation * (kernel - 1))
    return Axis(jump, start, axis.stop + jump * padding)


def _shifted(axis: Axis, by: int) -> Axis:
    return Axis(axis.jump, axis.start + axis.jump * by, axis.stop + axis.jump * by)


def _widest(a: Axis, b: Axis) -> Axis | None:
    if a.jump != b.jump:
        return None
    return Axis(a.jump, min(a.start, b.start), max(a.stop, b.stop))
