"""How a tensor lies: which of its dimensions hold images, rows, columns and channels.

A dimension is a tuple of parts, the slowest first, because views merge and split dimensions: the
tokens of a ViT are rows and columns in one dimension, and behind the window partition of a Swin
the first dimension holds images, and rows and columns of windows. `ordering.arranged` puts values
in the usual order again. What is not known is never guessed from sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from convscope.network.traces.receptive_fields import shifted
from convscope.types import Axis

# "slice" is depth, or one of several parts of an image in a batch. Everything else is "other": the
# channels. "lost" is a dimension that holds positions in an order that is not known.
AxisName = Literal["batch", "slice", "row", "column", "other", "lost"]
_PLACED = ("batch", "row", "column")


@dataclass(frozen=True)
class Factor:
    """Steps along an axis: `size` of them, `step` units apart (negative where it is mirrored)."""

    axis: AxisName
    size: int
    step: int = 1


@dataclass(frozen=True)
class Padded:
    """Values between others that have no position: patch tokens behind a class token."""

    core: tuple[Factor, ...]
    before: int = 0
    after: int = 0

    @property
    def size(self) -> int:
        return self.before + math.prod(part.size for part in self.core) + self.after


Part = Factor | Padded
Dim = tuple[Part, ...]


# Changes the receptive field of one axis, as a function of `receptive_fields` does; None where the
# result sees the whole image, or is not known.
Change = Callable[[Axis], Axis | None]


@dataclass(frozen=True)
class Span:
    """The units along the rows or the columns of the image.

    Attributes:
        size: how many units there are from the first to the last.
        axis: the input pixels that each unit sees; None for the whole image, or if not known.
        start, stop: which fraction of the image the units cover; padding lies beyond 0 and 1.
        roll: by how many units they are shifted, as by `torch.roll`.
    """

    size: int
    axis: Axis | None
    start: float = 0.0
    stop: float = 1.0
    roll: int = 0

    def changed(self, size: int, change: Change) -> Span:
        """The `size` units behind windows. Padding counts until windows have taken it in."""
        start, stop, one = self.start, self.stop, change(Axis(1, 0, 0))
        if one and (start < 0 or stop > 1):
            unit = (stop - start) / max(1, self.size)
            first = start + unit * (one.start + one.stop + 1 - one.jump) / 2
            start = min(0.0, first) if start < 0 else start
            stop = max(1.0, first + unit * one.jump * size) if stop > 1 else stop
        axis = self.axis and change(self.axis)
        return replace(self, size=size, axis=axis, start=start, stop=stop)

    def cut(self, begin: int, end: int) -> Span:
        """Units `begin` to `end`, where negative numbers are units of padding."""
        unit = (self.stop - self.start) / max(1, self.size)
        start = self.start + begin * unit
        axis = self.axis and shifted(self.axis, begin)
        stop = start + (end - begin) * unit
        return replace(self, size=end - begin, axis=axis, start=start, stop=stop)

    def alike(self, other: Span) -> bool:
        """Whether units lie in the same places, up to what is padded and cut at the border."""
        apart = max(abs(self.start - other.start), abs(self.stop - other.stop))
        return self.roll == other.roll and apart < 0.25


@dataclass(frozen=True)
class Layout:
    """How a tensor that depends on the image lies.

    Attributes:
        dims: the parts of each dimension.
        rows, columns: the units along the two axes of the image.
        lost_in: the operation behind which something is not known; empty if all is known.
    """

    dims: tuple[Dim, ...]
    rows: Span
    columns: Span
    lost_in: str = ""

    def span(self, axis: AxisName) -> Span:
        return self.rows if axis == "row" else self.columns

    def with_span(self, axis: AxisName, span: Span) -> Layout:
        return replace(self, rows=span) if axis == "row" else replace(self, columns=span)

    def has(self, axis: AxisName) -> bool:
        """Whether a dimension holds an axis."""
        return axis in self.axes

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """The factors of all dimensions, in order."""
        return tuple(factor for dim in self.dims for factor in factors(dim))

    @cached_property
    def axes(self) -> frozenset[AxisName]:
        """The axes that a dimension holds."""
        return frozenset(factor.axis for factor in self.factors)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the dimensions."""
        return tuple(map(size_of, self.dims))

    def fields(self) -> tuple[Axis, Axis] | None:
        """The input pixels that a unit sees, down and across, where both are known."""
        if self.rows.axis is None or self.columns.axis is None:
            return None
        return self.rows.axis, self.columns.axis


def of_images(shape: Sequence[int]) -> Layout:
    """The layout of the network's input (N, C, H, W)."""
    n, c, h, w = shape
    dims = (Factor("batch", n),), other(c), (Factor("row", h),), (Factor("column", w),)
    pixel = Axis(1, 0, 0)
    return Layout(dims, Span(h, pixel), Span(w, pixel))


def unknown(shape: Sequence[int], operation: str) -> Layout:
    """A layout of which nothing is known since an operation."""
    dims = tuple(lost(size) for size in shape)
    nowhere = Span(0, None)
    return Layout(dims, nowhere, nowhere, operation)


def other(size: int) -> Dim:
    """A dimension of channels."""
    return (Factor("other", size),) if size > 1 else ()


def lost(size: int) -> Dim:
    """A dimension of which nothing is known."""
    return (Factor("lost", size),) if size > 1 else ()


def factors(dim: Dim) -> list[Factor]:
    found: list[Factor] = []
    for part in dim:
        found += part.core if isinstance(part, Padded) else (part,)
    return found


def size_of(dim: Dim) -> int:
    return math.prod(part.size for part in dim)


def axes_of(dim: Dim) -> set[AxisName]:
    return {factor.axis for factor in factors(dim)}


def is_other(dim: Dim) -> bool:
    """Whether a dimension holds channels only, or nothing."""
    return axes_of(dim) <= {"other"}


def padded(dim: Dim) -> Padded | None:
    """A dimension of positions as one part, to which others can be added; None for others."""
    if len(dim) == 1 and isinstance(dim[0], Padded):
        return dim[0]
    core = tuple(part for part in dim if isinstance(part, Factor))
    placed = axes_of(dim) & {"batch", "row", "column"} and "lost" not in axes_of(dim)
    return Padded(core) if placed and len(core) == len(dim) else None


def surrounded(core: tuple[Factor, ...], before: int, after: int) -> Dim:
    """Positions between others that have none; the positions alone if there are no others."""
    return (Padded(core, before, after),) if before or after else joined(core)


def joined(parts: Iterable[Part]) -> Dim:
    """Parts in one dimension. Factors that continue each other become one."""
    found: list[Part] = []
    for part in parts:
        if found and (both := _continued(found[-1], part)):
            found[-1] = both
        elif part.size > 1 or (isinstance(part, Factor) and part.axis == "batch"):
            found.append(part)
    return tuple(found)


def _continued(outer: Part, inner: Part) -> Factor | None:
    if isinstance(outer, Padded) or isinstance(inner, Padded) or outer.axis != inner.axis:
        return None
    if outer.axis not in _PLACED:
        return Factor(outer.axis, outer.size * inner.size)
    if outer.step != inner.step * inner.size:
        return None
    return Factor(outer.axis, outer.size * inner.size, inner.step)


def regrouped(dims: Sequence[Dim], sizes: Sequence[int]) -> tuple[Dim, ...]:
    """The dimensions of a view with other sizes; lost from where they do not fit."""
    left = [part for dim in dims for part in dim][::-1]
    found: list[Dim] = []
    for size in sizes:
        dim = _taken(left, size)
        if dim is None:
            return (*found, *(lost(n) for n in sizes[len(found) :]))
        found.append(dim)
    return tuple(found)


def _taken(left: list[Part], size: int) -> Dim | None:
    """The next dimension, of this size, off a stack of parts; None where no parts make it."""
    parts: list[Part] = []
    while size > 1:
        if not left:
            return None
        part = left.pop()
        if part.size > size and isinstance(part, Factor) and part.size % size == 0:
            inner = part.size // size
            left.append(replace(part, size=inner))
            step = part.step * inner if part.axis in _PLACED else 1
            part = replace(part, size=size, step=step)
        if size % part.size:
            return None
        parts.append(part)
        size //= part.size
    if not parts and left and left[-1].size == 1:
        parts.append(left.pop())  # a batch of one image
    return joined(parts)


def merged(dims: Sequence[Dim]) -> Dim | None:
    """What a dimension holds where tensors meet element by element; None where they contradict.

    What has positions wins over what has none: a branch that mixes tokens is added to the tokens.
    """
    placed = {dim for dim in dims if axes_of(dim) & {"batch", "slice", "row", "column"}}
    placed = {dim for dim in placed if "lost" not in axes_of(dim)} or placed
    if len(placed) > 1:
        return None
    if placed:
        return placed.pop()
    longest = [dim for dim in dims if not is_other(dim)] or list(dims)
    return longest[0] if longest else ()


def without(dims: Iterable[Dim], axis: AxisName) -> tuple[Dim, ...]:
    """The dimensions, with those that hold an axis lost."""
    return tuple(lost(size_of(dim)) if axis in axes_of(dim) else dim for dim in dims)
