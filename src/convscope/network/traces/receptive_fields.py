"""The algebra of receptive fields along one axis: which input pixels the units depend on.

The functions here know nothing of torch's operations; `propagation` says which of them an operation
is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from convscope.types import Axis


def windowed(axis: Axis, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
    """Behind a sliding window: a convolution or a pooling."""
    start = axis.start - axis.jump * padding
    reach = axis.jump * (dilation * (kernel - 1) - padding)
    return Axis(axis.jump * stride, start, axis.stop + reach)


def spread(axis: Axis, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
    """Behind a transposed convolution."""
    jump = axis.jump / stride
    start = axis.start + jump * (padding - dilation * (kernel - 1))
    return Axis(jump, start, axis.stop + jump * padding)


def shifted(axis: Axis, by: float) -> Axis:
    """Without the first units; with more units before them if `by` is negative."""
    return Axis(axis.jump, axis.start + axis.jump * by, axis.stop + axis.jump * by)


def subsampled(axis: Axis, step: int) -> Axis:
    """With only every `step`-th unit."""
    return replace(axis, jump=axis.jump * step)


def repeated(axis: Axis, before: int, after: int, factor: float | None) -> Axis:
    """Behind a nearest-neighbor interpolation from `before` units to `after`, or by a factor."""
    ratio = 1 / factor if factor else before / after
    # Unit i copies unit floor(i * ratio), which is less than one before i * ratio.
    behind = max(i * ratio - math.floor(i * ratio + 1e-6) for i in range(after))
    return Axis(axis.jump * ratio, axis.start - axis.jump * max(0.0, behind), axis.stop)


def interpolated(
    axis: Axis, before: int, after: int, factor: float | None, reach: int, corners: bool
) -> Axis:
    """Behind an interpolation that reads `reach` neighbors on either side."""
    if corners:
        ratio, shift = (before - 1) / max(1, after - 1), 0.0
    else:
        ratio = 1 / factor if factor else before / after
        shift = (ratio - 1) / 2
    low, high = (axis.jump * (shift + side) for side in (-reach, reach))
    return Axis(axis.jump * ratio, axis.start + low, axis.stop + high)


def union(axes: Sequence[Axis | None]) -> Axis | None:
    """What several branches see together; None where their strides differ or one is not known."""
    known = [axis for axis in axes if axis is not None]
    if len(known) < len(axes) or len({axis.jump for axis in known}) != 1:
        return None
    return Axis(known[0].jump, min(a.start for a in known), max(a.stop for a in known))
