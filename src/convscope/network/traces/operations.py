"""One primitive operation of a forward pass, as the rules of `propagation` get it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from convscope.network.traces import receptive_fields
from convscope.network.traces.layouts import (
    AxisName,
    Change,
    Dim,
    Factor,
    Layout,
    Padded,
    Part,
    axes_of,
    factors,
    lost,
    without,
)
from convscope.types import Axis

AXES: tuple[AxisName, AxisName] = ("row", "column")


@dataclass(frozen=True)
class Operation:
    """One operation, and one of its outputs.

    Attributes:
        name: as torch names it.
        args, kwargs: as a `TorchDispatchMode` gets them.
        inputs: the tensors among the arguments, in order, with their layouts; None for tensors that
            do not depend on the image.
        output: one of the results.
        number: which of the results it is.
    """

    name: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    inputs: Sequence[tuple[Tensor, Layout | None]]
    output: Tensor
    number: int = 0

    @property
    def layouts(self) -> list[Layout]:
        """The layouts of the inputs that depend on the image."""
        return [layout for _, layout in self.inputs if layout is not None]

    @property
    def layout(self) -> Layout:
        """The layout of the first input that depends on the image."""
        return self.layouts[0]

    @property
    def source(self) -> Tensor:
        """The first input that depends on the image."""
        return next(tensor for tensor, layout in self.inputs if layout is not None)

    def arg(self, position: int, name: str = "", default: Any = None) -> Any:
        """An argument by its position or name; the default where it is absent or None."""
        value = self.args[position] if len(self.args) > position else self.kwargs.get(name)
        return default if value is None else value

    def dim(self, position: int, name: str = "dim", default: int = 0) -> int:
        """An argument that is a dimension of the source, counted from the front."""
        number = int(self.arg(position, name, default))
        return number % self.source.dim() if self.source.dim() else 0

    def with_dims(self, dims: Iterable[Dim], layout: Layout | None = None) -> Layout:
        """A layout with these dimensions. It remembers in which operation positions were lost."""
        layout, dims = layout or self.layout, tuple(dims)
        gone = any("lost" in axes_of(dim) for dim in dims)
        lost_in = (layout.lost_in or self.name) if gone else ""
        return coarsened(replace(layout, dims=dims, lost_in=lost_in))

    def lost(self) -> Layout:
        """A layout of which nothing is known."""
        layout = mixed(self.layout, AXES)
        return self.with_dims([lost(size) for size in self.output.shape], layout)


Rule = Callable[[Operation], Layout | None]


def mixed(layout: Layout, axes: Iterable[AxisName]) -> Layout:
    """The layout where each unit depends on all positions along some axes."""
    for axis in axes:
        layout = layout.with_span(axis, replace(layout.span(axis), axis=None))
    return layout


def mixed_over(layout: Layout, dims: Sequence[Dim], gone: bool = False) -> Layout:
    """The layout where each unit depends on everything along some dimensions.

    Where these dimensions are gone afterward, and held positions inside windows only, the units see
    their windows: `coarsened` finds that.
    """
    inside = [factor for dim in dims for factor in factors(dim)]
    for axis in AXES:
        steps = [abs(factor.step) for factor in inside if factor.axis == axis]
        outside = [abs(f.step) for f in layout.factors if f.axis == axis and f not in inside]
        local = gone and outside and max(steps, default=0) < min(outside)
        if steps and not local:
            layout = mixed(layout, [axis])
    return layout


def coarsened(layout: Layout) -> Layout:
    """The layout where windows without positions inside count as the units of an axis."""
    if all(factor.step in (1, -1) for factor in layout.factors):
        return layout
    for axis in AXES:
        steps = [abs(factor.step) for factor in layout.factors if factor.axis == axis]
        window, span = min(steps, default=1), layout.span(axis)
        if window > 1 and all(step % window == 0 for step in steps):
            layout = _scaled(layout, axis, window, multiply=False)
            roll = span.roll // window

            def windowed(one: Axis, window: int = window) -> Axis:
                return receptive_fields.windowed(one, window, window, 0, 1)

            span = replace(span, roll=roll).changed(span.size // window, windowed)
            layout = layout.with_span(axis, span)
    return layout


def refined(layout: Layout, axis: AxisName, size: int) -> Layout:
    """The layout with an axis counted in smaller units, `size` in all, if that is possible."""
    before = layout.span(axis).size
    if not before or size % before or size == before or not layout.has(axis):
        return layout
    span, times = layout.span(axis), size // before
    layout = _scaled(layout, axis, times, multiply=True)
    return layout.with_span(axis, replace(span, size=size, roll=span.roll * times))


def in_same_units(
    inputs: Sequence[tuple[Tensor, Layout | None]],
) -> list[tuple[Tensor, Layout | None]]:
    """The inputs, with each axis counted in the smallest units that one of them has."""
    found = list(inputs)
    for axis in AXES:
        sizes = {layout.span(axis).size for _, layout in found if layout and layout.has(axis)}
        if len(sizes) > 1:
            found = [(t, layout and refined(layout, axis, max(sizes))) for t, layout in found]
    return found


def _scaled(layout: Layout, axis: AxisName, times: int, multiply: bool) -> Layout:
    def scaled(part: Part) -> Part:
        if isinstance(part, Padded):
            return replace(part, core=tuple(step(factor) for factor in part.core))
        return step(part)

    def step(factor: Factor) -> Factor:
        if factor.axis != axis:
            return factor
        sign = 1 if factor.step > 0 else -1
        size = abs(factor.step) * times if multiply else abs(factor.step) // times
        return replace(factor, step=sign * size)

    dims = tuple(tuple(map(scaled, dim)) for dim in layout.dims)
    return replace(layout, dims=dims)


def losing(op: Operation, layout: Layout, axis: AxisName) -> Layout:
    """The layout with the positions along an axis lost."""
    return mixed(op.with_dims(without(layout.dims, axis), layout), [axis])


def lone(layout: Layout, dim: Dim, mirrored: bool = False) -> Factor | None:
    """The one factor of a dimension that holds a whole axis of the image, in order.

    With `mirrored`, it may also run backward.
    """
    if len(dim) != 1 or not isinstance(dim[0], Factor) or dim[0].axis not in AXES:
        return None
    span = layout.span(dim[0].axis)
    alone = sum(factor.axis == dim[0].axis for factor in layout.factors) == 1
    straight = dim[0].step == 1 or (mirrored and dim[0].step == -1)
    return dim[0] if alone and straight and not span.roll else None


def resized(layout: Layout, factor: Factor, size: int, change: Change) -> Layout:
    """The layout where an axis, held by one factor, has another size, and units see more."""
    return layout.with_span(factor.axis, layout.span(factor.axis).changed(size, change))
