"""Layers to look at when the user does not name one."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.errors import ConvscopeError
from convscope.network.layers import without_scores
from convscope.network.names import PRE
from convscope.network.network import Network
from convscope.types import Layer, Target


def before_activation(layer: Layer) -> str:
    """The name of what goes into a layer's activation; the layer's own name if it has none."""
    return layer.name + PRE if layer.activation else layer.name


def with_activation(net: Network) -> list[Layer]:
    """The layers with feature maps that end in an activation, each under its outermost name.

    In a network whose activations belong to no layer, as in `pool(F.relu(conv(x)))`, they are all
    layers with feature maps.
    """
    maps = [layer for layer in _features(net) if layer.maps and min(layer.maps[1:]) > 1]
    found: dict[str, Layer] = {}
    for layer in [layer for layer in maps if layer.activation] or maps:
        # A parent comes after its children. It replaces a child that has the same output.
        last = next(reversed(found), "")
        if last.startswith(f"{layer.name}.") and found[last].shape == layer.shape:
            del found[last]
        found[layer.name] = layer
    return list(found.values())


def first(net: Network) -> Layer:
    """The first layer with feature maps and an activation; the first layer if there is none."""
    return next(iter(with_activation(net)), net.layers[0])


def early(net: Network) -> Layer:
    """A layer with an activation whose units see about a fifth of the image.

    In a network whose activations belong to no layer it is a deep one, behind some of them.

    Raises:
        ConvscopeError: the network has no such layer.
    """
    found = receptive_field_within(net, 1 / 5)
    return found if found.activation or not net.activation_names else deep(net)


def receptive_field_within(net: Network, fraction: float) -> Layer:
    """The deepest layer with an activation whose receptive field is small enough.

    It is a layer without an activation where no other one sees so little.

    Args:
        net: the network.
        fraction: the largest receptive field, as a fraction of the input's shorter side.

    Raises:
        ConvscopeError: the network has no such layer.
    """
    limit = fraction * min(net.input_size)
    maps = [layer for layer in net.layers if layer.maps and min(layer.maps[1:]) > 1]
    for layer in [*reversed(with_activation(net)), *reversed(maps)]:
        if layer.receptive_field and max(layer.receptive_field) <= limit:
            return layer
    raise ConvscopeError(
        f"{net.name} has no layer whose units see only part of the image; name a layer"
    )


def receptive_field_near(net: Network, pixels: float) -> Layer | None:
    """The first layer with an activation whose receptive field is nearest to `pixels` a side.

    Of two that are equally near, it is the one with the larger field.
    """
    fields = [(layer, layer.receptive_field) for layer in with_activation(net)]
    known = [(abs(max(field) - pixels), -max(field), layer) for layer, field in fields if field]
    return min(known, key=lambda near: near[:2])[2] if known else None


def textured(net: Network) -> list[str]:
    """Up to five layers with activations, whose units see from a few pixels to half of the input.

    Each unit sees about twice as many pixels a side as those of the layer before.

    Raises:
        ConvscopeError: the network has no layer whose units see only part of the image.
    """
    half = min(net.input_size) / 2
    wanted = [half * fraction for fraction in (1 / 32, 1 / 8, 1 / 4, 1 / 2, 1)]
    found = [receptive_field_near(net, pixels) for pixels in wanted]
    if names := [layer.name for layer in found if layer]:
        return list(dict.fromkeys(names))
    raise ConvscopeError(
        f"{net.name} has no layer whose units see only part of the image; name a layer"
    )


def deep(net: Network) -> Layer:
    """The last layer with an activation at the second smallest map size.

    Its units see whole objects, and there are still many of them.

    Raises:
        ConvscopeError: no layer has feature maps.
    """
    sizes = {layer.name: layer.maps[1:] for layer in with_activation(net) if layer.maps}
    if not sizes:
        raise ConvscopeError(f"no layer of {net.name} has feature maps; name a layer")
    smallest = sorted(set(sizes.values()))
    size = smallest[min(1, len(smallest) - 1)]
    return net.layer(next(name for name in reversed(sizes) if sizes[name] == size))


def last_maps(net: Network, targets: Sequence[Target | None] = ()) -> list[str]:
    """The last layer with feature maps that the targets depend on.

    In a network of tokens, these are all layers of that shape, in order: of the last ones, perhaps
    only the class token counts.

    Args:
        net: the network.
        targets: what is explained; the output, where there are none.

    Raises:
        ConvscopeError: the targets depend on no layer with feature maps.
    """
    names = {target.layer for target in targets if target} or {""}
    below = [{layer.name for layer in net.layers_below(name)} for name in names]
    placed = [
        layer
        for layer in (_features(net) if names == {""} else net.layers)
        if layer.maps and layer.maps[1] * layer.maps[2] > 1
        if all(layer.name in some for some in below)
    ]
    if not placed:
        where = f"before {' and '.join(names)} " if names != {""} else ""
        raise ConvscopeError(f"no layer of {net.name} {where}has feature maps")
    if any(n in net.outputs and net.outputs[n].boxes for n in names):
        placed = _shared(net, placed)
    maps = {net.outputs[n].width for n in names if n in net.outputs and net.outputs[n].is_map}
    while len(placed) > 1 and placed[-1].channels in maps:  # class scores before they are enlarged
        placed.pop()
    last = placed[-1]
    if len(last.shape) != 2:
        return [last.name]
    return [layer.name for layer in placed if layer.shape == last.shape]


def _shared(net: Network, layers: list[Layer]) -> list[Layer]:
    """The layers that all branches go on from: those of a detector's boxes of several sizes."""
    behind = {one.name: {below.name for below in net.layers_below(one.name)} for one in layers}
    inner = set().union(*behind.values())
    ends: dict[frozenset[str], set[str]] = {}
    for name in behind.keys() - inner:  # two names of one tensor have the same layers behind them
        ends.setdefault(frozenset(behind[name]), set(behind[name])).add(name)
    return [one for one in layers if all(one.name in end for end in ends.values())] or layers


def embedding(net: Network) -> str:
    """The layer whose output serves as the embedding of an image.

    It is the last layer before the class scores: one with one number a channel, or one with feature
    maps or tokens, which are averaged over positions.

    Raises:
        ConvscopeError: no layer comes before the output.
    """
    known = [layer for layer in _features(net) if layer.channel_shape]
    flat = [layer for layer in known if not layer.maps]
    maps = [layer for layer in known if layer.maps]
    main = net.outputs.get("")
    # The class scores are no embedding, before a softmax or behind it.
    if main is not None and (main.num_classes or main.shape == (1,)):
        for _ in range(2 if main.ending else 1):
            _drop_last(maps if main.is_map else flat, main.width)
    if not flat and not maps:
        raise ConvscopeError(f"{net.name} has no layer before its output")
    return max((*flat[-1:], *maps[-1:]), key=known.index).name


def score_maps(net: Network) -> str | None:
    """The layer with the class scores of single places, where a network may average these.

    It is the last one as large as the convolution that makes them. None for most networks, whose
    last maps are features.
    """
    behind = net.layers[len(_features(net)) :]
    found = [one.name for one in behind if one.maps and one.maps == behind[0].maps]
    return found[-1] if found else None


def _features(net: Network) -> Sequence[Layer]:
    """The layers before the class scores of single places, which some networks average."""
    return without_scores(net.layers, net.outputs.get(""))


def _drop_last(layers: list[Layer], channels: int) -> None:
    """Take away the last layer if it has so many channels: a head goes with its last layers."""
    if layers and layers[-1].channels == channels:
        last = layers.pop()
        while not last.leaf and layers and layers[-1].name.startswith(f"{last.name}."):
            last = layers.pop()
