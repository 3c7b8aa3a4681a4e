"""Layers worth looking at in any network, for when the user names none."""

from __future__ import annotations

import math

from convscope.errors import ConvscopeError
from convscope.network.network import Network
from convscope.types import Layer


def activated(net: Network) -> list[Layer]:
    """The layers with maps that end in an activation, each under its outermost name."""
    found: dict[str, Layer] = {}
    for layer in net.layers:
        if layer.activation and layer.spatial and min(layer.shape[1:]) > 1:
            # A parent comes after its children; where it ends in the same values, it replaces them.
            last = next(reversed(found), "")
            if last.startswith(f"{layer.name}.") and found[last].shape == layer.shape:
                del found[last]
            found[layer.name] = layer
    return list(found.values())


def first(net: Network) -> Layer:
    """The first layer that ends in an activation, or simply the first."""
    return next(iter(activated(net)), net.layers[0])


def seeing(net: Network, fraction: float) -> Layer:
    """The deepest layer before an activation whose units see at most this part of the image's side.

    Raises:
        ConvscopeError: there is none.
    """
    limit = fraction * min(net.input_size)
    for layer in reversed(activated(net)):
        if layer.receptive_field and max(layer.receptive_field) <= limit:
            return layer
    raise ConvscopeError(
        f"{net.name} has no activation whose units see only a part of the image; name a layer"
    )


def about(net: Network, pixels: float) -> Layer | None:
    """The first layer before an activation whose units see nearest to so many pixels a side."""
    fields = [(layer, layer.receptive_field) for layer in activated(net)]
    known = [(abs(max(field) - pixels), layer) for layer, field in fields if field]
    return min(known, key=lambda pair: pair[0])[1] if known else None


def deep(net: Network) -> Layer:
    """The last activation at the smallest map but one: whole objects, still in many places.

    Raises:
        ConvscopeError: the network has no activation with maps.
    """
    layers = activated(net)
    if not layers:
        raise ConvscopeError(f"{net.name} has no activation with maps; name a layer")
    sizes = sorted({layer.shape[1:] for layer in layers})
    size = sizes[min(1, len(sizes) - 1)]
    return next(layer for layer in reversed(layers) if layer.shape[1:] == size)


def last_maps(net: Network) -> list[str]:
    """The last layer that still has places; of a network with tokens, all such layers, in order.

    Raises:
        ConvscopeError: the network has neither maps nor tokens.
    """
    placed = [
        layer
        for layer in net.layers
        if (layer.spatial and math.prod(layer.shape[1:]) > 1)
        or (len(layer.shape) == 2 and token_grid(layer.shape[0], net.input_size))
    ]
    if not placed:
        raise ConvscopeError(f"no layer of {net.name} has maps")
    last = placed[-1]
    if last.spatial:
        return [last.name]
    return [layer.name for layer in placed if layer.shape == last.shape]


def embedding(net: Network) -> str:
    """The layer whose answer, one number a channel, the classes are read off; else the last maps or
    tokens, whose mean serves as well.

    Raises:
        ConvscopeError: no layer comes before the output.
    """
    flat = [layer for layer in net.layers if math.prod(layer.shape[1:]) == 1 and layer.shape]
    # What gives the scores themselves is no embedding: a layer, or a head and the last layer in it.
    if flat and net.num_classes and math.prod(flat[-1].shape) == net.num_classes:
        scores = flat.pop()
        while not scores.leaf and flat and flat[-1].name.startswith(f"{scores.name}."):
            scores = flat.pop()
    maps = [layer for layer in net.layers if math.prod(layer.shape[1:]) > 1]
    if not flat and not maps:
        raise ConvscopeError(f"{net.name} has no layer before its output")
    order = [layer.name for layer in net.layers]
    last = max((*flat[-1:], *maps[-1:]), key=lambda layer: order.index(layer.name))
    return last.name


def token_grid(count: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """Rows and columns of the largest grid of the image's shape among `count` tokens.

    A few tokens before the grid (of the class, of distillation, registers) belong to no place.
    """
    for extra in range(9):
        rows = round(math.sqrt((count - extra) * size[0] / size[1])) if count > extra else 0
        if rows > 1 and (count - extra) % rows == 0:
            columns = (count - extra) // rows
            if columns * size[0] == rows * size[1]:
                return rows, columns
    return None
