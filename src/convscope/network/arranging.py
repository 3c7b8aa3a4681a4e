"""Values of layers in the usual order of dimensions: images, channels, rows, columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network.layers import describe
from convscope.network.layouts import Layout
from convscope.network.names import PRE, Names
from convscope.network.ordering import arranged, covers, is_free, problem
from convscope.network.preparing import Prepared
from convscope.network.tracing import Call, trace


class Arranger:
    """Knows how the output of each layer lies, for images of any size that the network was given.

    A layout in which no dimension holds two axes is the same for all sizes. Others (tokens,
    windows) are traced once for each size.
    """

    def __init__(self, prepared: Prepared, names: Names) -> None:
        self._prepared, self._names = prepared, names
        self._sizes = {prepared.trace.shape[-2:]}
        self._layouts: dict[str, dict[tuple[int, ...], list[Layout]]] = {}
        self._add(names.calls)

    def by_channel(self, name: str, values: Tensor) -> Tensor:
        """Values of a layer as (N, C, rows, columns), or (N, C) where they have no positions.

        Raises:
            ConvscopeError: the order of the layer's values is not known.
        """
        layout = self._layout(name, values)
        try:
            return arranged(values, layout)
        except RuntimeError as error:
            raise ConvscopeError(
                f"layer {name!r} gives no values of shape {tuple(values.shape)}"
            ) from error

    def feature_maps(self, name: str, values: Tensor) -> Tensor:
        """Values (N, C, rows, columns) of a layer that covers the image."""
        layout = self._layout(name, values)
        if layout.has("lost"):
            raise ConvscopeError(
                f"the maps of layer {name!r} cannot be laid over the image: their positions are not"
                f" known behind {layout.lost_in}; name another layer"
            )
        maps = self.by_channel(name, values)
        if maps.dim() < 4 or maps.shape[-2:].numel() == 1:
            shape = tuple(values.shape[1:])
            raise ConvscopeError(
                f"layer {name!r} has an output of shape {shape} and no feature maps; name a layer"
                " that has some (convscope layers lists them)"
            )
        if not covers(layout, self._prepared.trace.shape[-2:]):
            raise ConvscopeError(
                f"the maps of layer {name!r} cover only a part of the image; name another layer"
            )
        return maps.mean(2) if maps.dim() == 5 else maps

    def follow(self, x: Tensor, names: Collection[str]) -> None:
        """Find out how layers lie for normalized images of this size, if that depends on it."""
        if x.shape[-2:] in self._sizes:
            return
        layouts = [self._names.calls[_layer(name)].layout for name in names if name]
        if all(layout is None or is_free(layout) for layout in layouts):
            return
        self._sizes.add(x.shape[-2:])
        images = x.new_zeros((self._prepared.trace.shape[0], *x.shape[1:]))
        traced = trace(self._prepared.plain, images)
        self._add(describe(self._prepared.plain, traced).calls)

    def _add(self, calls: Mapping[str, Call]) -> None:
        for name, call in calls.items():
            found = self._layouts.setdefault(name, {}).setdefault(call.shape[1:], [])
            if call.layout is not None and call.layout not in found:
                found.append(call.layout)

    def _layout(self, name: str, values: Tensor) -> Layout:
        """The layout of the values, which `follow` has met before.

        Raises:
            ConvscopeError: there is none, or not only one.
        """
        known = self._layouts[_layer(name)]
        layouts = known.get(tuple(values.shape[1:])) or next(iter(known.values()))
        reason = "its output does not depend on the image"
        if len(layouts) > 1:
            reason = "images of several sizes give it values of one shape"
        elif layouts:
            reason = problem(layouts[0])
        if reason:
            raise ConvscopeError(
                f"{name or 'the output'!r} cannot be read channel by channel: {reason}; name"
                " another layer (convscope layers)"
            )
        return layouts[0]


def _layer(name: str) -> str:
    return name.removesuffix(PRE)
