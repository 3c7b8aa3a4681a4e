"""Values of layers in the usual order of dimensions: images, channels, rows, columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network.layers import describe
from convscope.network.names import PRE, Names
from convscope.network.prepared.preparing import Prepared
from convscope.network.traces.layouts import Layout
from convscope.network.traces.ordering import (
    arranged,
    covers,
    dim_of_images,
    is_alike,
    is_free,
    problem,
)
from convscope.network.traces.tracing import Call, trace


class Arranger:
    """Knows how the output of each layer lies, for images of any size that the network was given.

    A layout in which no dimension holds two axes is the same for all sizes. Others (tokens,
    windows) are traced once for each size. Layers whose values have the same shape as at another
    size, in another order, are read at the first of the two sizes only.
    """

    def __init__(self, prepared: Prepared, names: Names) -> None:
        self._prepared, self._names = prepared, names
        self._layouts: dict[str, dict[tuple[int, ...], Layout | None]] = {}
        self._mixed_up = {prepared.trace.shape[-2:]: self._add(names.calls)}

    def by_channel(self, name: str, values: Tensor) -> Tensor:
        """Values of a layer as (N, C, rows, columns), or (N, C) where they have no positions.

        Raises:
            ConvscopeError: the order of the layer's values is not known.
        """
        if not name and values.dim() == 2:
            return values  # class scores need no layout
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

    def split(self, name: str, values: Tensor, count: int) -> Sequence[Tensor]:
        """Values of `count` images as those of one image each.

        Raises:
            ConvscopeError: the values of an image do not lie together.
        """
        layout = self._known(name, values)
        dim = dim_of_images(layout) if layout else 0
        parts: Sequence[Tensor]
        if dim is not None and values.shape[dim] == count:
            parts = values.split(1, dim)
        elif layout and layout.factors[0].axis == "batch" and not len(values) % count:
            parts = values.split(len(values) // count)
        else:
            raise ConvscopeError(
                f"the values of {name!r} for several images do not lie image by image; ask for"
                " one image at a time"
            )
        return parts

    def by_image(self, name: str, values: Tensor) -> Tensor:
        """Values with the images in the first dimension; the other dimensions have any order."""
        layout = self._known(name, values)
        dim = dim_of_images(layout) if layout else 0
        return self.by_channel(name, values) if dim is None else values.movedim(dim, 0)

    def follow(self, x: Tensor, names: Collection[str]) -> None:
        """Find out how layers lie for normalized images of this size, if that depends on it."""
        size = x.shape[-2:]
        if self._mixed_up.get(size) == set():
            return
        layers = [_layer(name) for name in names if name]
        layouts = [self._names.calls[name].layout for name in layers]
        if all(layout is None or is_free(layout) for layout in layouts):
            return
        if size not in self._mixed_up:
            images = x.new_zeros((self._prepared.trace.shape[0], *x.shape[1:]))
            traced = trace(self._prepared.plain, images)
            self._mixed_up[size] = self._add(describe(self._prepared.plain, traced).calls)
        for name in layers:
            if name in self._mixed_up[size]:
                raise ConvscopeError(
                    f"{name!r} cannot be read for images of {size[0]}x{size[1]} pixels: its values"
                    " would be taken for those of another size"
                )

    def _add(self, calls: Mapping[str, Call]) -> set[str]:
        """Remember how layers lie.

        Returns:
            The layers whose values lie in another order than is known for their shape.
        """
        mixed_up = set()
        for name, call in calls.items():
            layouts = self._layouts.setdefault(name, {})
            known = layouts[call.shape[1:]] = layouts.get(call.shape[1:]) or call.layout
            if known and call.layout and not is_alike(known, call.layout):
                mixed_up.add(name)
        return mixed_up

    def _known(self, name: str, values: Tensor) -> Layout | None:
        known = self._layouts.get(_layer(name), {})
        return known.get(tuple(values.shape[1:]), next(iter(known.values()), None))

    def _layout(self, name: str, values: Tensor) -> Layout:
        """The layout of the values, which `follow` has met before.

        Raises:
            ConvscopeError: there is none, or it says too little.
        """
        layout = self._known(name, values)
        reason = problem(layout) if layout else "its output does not depend on the image"
        if layout is None or reason:
            raise ConvscopeError(
                f"{name or 'the output'!r} cannot be read channel by channel: {reason}; name"
                " another layer (convscope layers)"
            )
        return layout


def _layer(name: str) -> str:
    return name.removesuffix(PRE)
