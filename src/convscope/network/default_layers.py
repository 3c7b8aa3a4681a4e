"""Layers to look at when the user does not name one."""

from __future__ import annotations

import math

from convscope.errors import ConvscopeError
from convscope.network.network import Network
from convscope.types import Layer


def with_activation(net: Network) -> list[Layer]:
    """The layers with feature maps that end in an activation, each under its outermost name."""
    found: dict[str, Layer] = {}
    for layer in net.layers:
        if layer.activation and layer.spatial and min(layer.shape[1:]) > 1:
            # A parent comes after its children. It replaces a child that has the same output.
            last = next(reversed(found), "")
            if last.startswith(f"{layer.name}.") and found[last].shape == layer.shape:
                del found[last]
            found[layer.name] = layer
    return list(found.values())


def first(net: Network) -> Layer:
    """The first layer that ends in an activation; the first layer if none does."""
    return next(iter(with_activation(net)), net.layers[0])


def receptive_field_within(net: Network, fraction: float) -> Layer:
    """The deepest layer with an activation whose receptive field is small enough.

    Args:
        net: the network.
        fraction: the largest receptive field, as a fraction of the input's shorter side.

    Raises:
        ConvscopeError: the network has no such layer.
    """
    limit = fraction * min(net.input_size)
    for layer in reversed(with_activation(net)):
        if layer.receptive_field and max(layer.receptive_field) <= limit:
            return layer
    raise ConvscopeError(
        f"{net.name} has no activation whose units see only part of the image; name a layer"
    )


def receptive_field_near(net: Network, pixels: float) -> Layer | None:
    """The first layer with an activation whose receptive field is nearest to `pixels` a side."""
    fields = [(layer, layer.receptive_field) for layer in with_activation(net)]
    known = [(abs(max(field) - pixels), layer) for layer, field in fields if field]
    return min(known, key=lambda pair: pair[0])[1] if known else None


def deep(net: Network) -> Layer:
    """The last layer with an activation at the second smallest map size.

    Its units see whole objects, and there are still many of them.

    Raises:
        ConvscopeError: no layer with feature maps ends in an activation.
    """
    layers = with_activation(net)
    if not layers:
        raise ConvscopeError(f"{net.name} has no activation with feature maps; name a layer")
    sizes = sorted({layer.shape[1:] for layer in layers})
    size = sizes[min(1, len(sizes) - 1)]
    return next(layer for layer in reversed(layers) if layer.shape[1:] == size)


def last_maps(net: Network) -> list[str]:
    """The last layer with feature maps; in a network of tokens, all layers of that shape, in order.

    Raises:
        ConvscopeError: the network has neither feature maps nor tokens.
    """
    placed = [
        layer
        for layer in net.layers
        if (layer.spatial and math.prod(layer.shape[1:]) > 1)
        or (len(layer.shape) == 2 and token_grid(layer.shape[0], net.input_size))
    ]
    if not placed:
        raise ConvscopeError(f"no layer of {net.name} has feature maps")
    last = placed[-1]
    if last.spatial:
        return [last.name]
    return [layer.name for layer in placed if layer.shape == last.shape]


def embedding(net: Network) -> str:
    """The layer whose output serves as the embedding of an image.

    It is the last layer before the class scores: one with one number a channel, or one with feature
    maps or tokens, which are averaged over positions.

    Raises:
        ConvscopeError: no layer comes before the output.
    """
    flat = [layer for layer in net.layers if math.prod(layer.shape[1:]) == 1 and layer.shape]
    # The class scores are no embedding. They may come from a layer, or a head and its last layer.
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
    """Rows and columns of the largest grid in the image's proportions that `count` tokens can make.

    Up to eight tokens before the grid (class, distillation, register tokens) have no position.

    Args:
        count: the number of tokens.
        size: rows and columns of the image.

    Returns:
        Rows and columns, or None if no grid fits.
    """
    for extra in range(9):
        rows = round(math.sqrt((count - extra) * size[0] / size[1])) if count > extra else 0
        if rows > 1 and (count - extra) % rows == 0:
            columns = (count - extra) // rows
            if columns * size[0] == rows * size[1]:
                return rows, columns
    return None
