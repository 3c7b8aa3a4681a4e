"""Units of a layer: which of them respond most to a photograph, and what each of them sees."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.network.names import PRE
from convscope.network.network import Network
from convscope.tensors import resize
from convscope.types import Axis, Box, Layer, Target

# Fractions of a receptive field. Units nearer to each other than the first see much the same.
# Units whose field reaches further beyond the image than the second respond to the border.
APART, BEYOND = 1 / 2, 1 / 4


def strongest_units(net: Network, layer: str, maps: Tensor, limit: int) -> tuple[Target, ...]:
    """The channels that respond most to an image, each at its strongest position.

    A response is measured against the channel's own mean and standard deviation, so that a bright
    photograph does not decide. Where several channels have the same position, only the strongest
    counts, and positions far apart go before those that see much the same. Units whose receptive
    field reaches far beyond the image are left out, unless all of them do: many respond to the
    border.

    Args:
        net: the network.
        layer: the layer's name, or NAME.pre.
        maps: the layer's output for one image, (C, h, w).
        limit: the largest number of units to return.

    Returns:
        The units, strongest first.
    """
    rows, columns = _axes(net, layer)
    height, width = maps.shape[1:]
    inside = _inside(rows, height, net.input_size[0])[:, None]
    inside = inside & _inside(columns, width, net.input_size[1])
    flat = maps.flatten(1)
    best, places = flat.masked_fill(~inside.flatten().to(flat.device), -math.inf).max(1)
    strength = (best - flat.mean(1)) / flat.std(1).clamp_min(1e-6)
    first: dict[int, int] = {}  # the strongest channel of each position, in order of strength
    for channel in strength.argsort(descending=True, stable=True).tolist():
        first.setdefault(int(places[channel]), channel)
    ranked = [Target(layer, c, divmod(place, width)) for place, c in first.items()]
    apart: list[Target] = []
    for unit in ranked:
        if not any(_alike(rows, columns, unit, other) for other in apart):
            apart.append(unit)
    chosen = [*apart, *(unit for unit in ranked if unit not in apart)][:limit]
    return tuple(unit for unit in ranked if unit in chosen)


def receptive_field_crop(net: Network, unit: Target, image: Tensor, outside: float) -> Tensor:
    """The part of an input (C, H, W) that a unit sees, (C, h, w).

    Pixels beyond the border have the value `outside`. The whole input is returned where the unit
    sees all of it, or where its receptive field is not known.
    """
    box = _receptive_field(net, unit, (image.shape[1], image.shape[2]))
    if box is None:
        return image
    top, left = math.floor(box.top), math.floor(box.left)
    bottom, right = math.ceil(box.top + box.height), math.ceil(box.left + box.width)
    height, width = image.shape[1:]
    return F.pad(image, (-left, right - width, -top, bottom - height), value=outside)


def receptive_field_box(net: Network, unit: Target, photo: Tensor) -> Box:
    """The part of a photograph (C, H, W) that a unit sees, in pixels.

    It may reach beyond the border. It is the part that the network sees where the unit sees all
    of that, or where its receptive field is not known.
    """
    seen = net.box(photo[None])
    field = _receptive_field(net, unit, net.input_size)
    return seen if field is None else to_photograph(field, net.input_size, seen)


def to_photograph(box: Box, size: tuple[int, int], seen: Box) -> Box:
    """A box on the network's input, in the pixels of the photograph.

    Args:
        box: in the pixels of the input.
        size: rows and columns of the input.
        seen: the part of the photograph that the input shows, as `Network.box` gives it.
    """
    down, across = seen.height / size[0], seen.width / size[1]
    return Box(
        seen.top + box.top * down,
        seen.left + box.left * across,
        box.height * down,
        box.width * across,
    )


def crop_box(photo: Tensor, box: Box, seen: Box, outside: float, limit: int) -> Tensor:
    """A box cut out of a photograph (C, H, W), shrunk to at most `limit` pixels a side.

    Pixels outside of `seen`, the part that the network sees, have the value `outside`.
    """
    edges = [round(edge) for edge in (box.top, box.left)]
    sides = [max(1, round(side)) for side in (box.height, box.width)]
    inner = [round(edge) for edge in (seen.top, seen.left)]
    limits = [round(seen.top + seen.height), round(seen.left + seen.width)]
    patch = photo.new_full((photo.shape[0], *sides), outside)
    begins = [max(edge, low, 0) for edge, low in zip(edges, inner, strict=True)]
    ends = [
        min(edge + side, high, whole)
        for edge, side, high, whole in zip(edges, sides, limits, photo.shape[1:], strict=True)
    ]
    if all(begin < end for begin, end in zip(begins, ends, strict=True)):
        (top, left), (bottom, right) = begins, ends
        patch[:, top - edges[0] : bottom - edges[0], left - edges[1] : right - edges[1]] = photo[
            :, top:bottom, left:right
        ]
    scale = min(1.0, limit / max(sides))
    size = tuple(max(1, round(side * scale)) for side in sides)
    return resize(patch[None], (size[0], size[1]))[0].clamp(0, 1)


def as_tiles(images: Sequence[Tensor], least: int = 48) -> Tensor:
    """Images (C, h, w) of several sizes as one stack (N, C, side, side) in [0, 1].

    Each is stretched to a square as large as the largest of them, and at least `least` pixels.
    """
    side = max(least, *(max(image.shape[-2:]) for image in images))
    return torch.cat([resize(image[None], (side, side)) for image in images]).clamp(0, 1)


def _receptive_field(net: Network, unit: Target, size: tuple[int, int]) -> Box | None:
    """The pixels of an input of `size` that a unit sees; None for all of them, or if not known."""
    rows, columns = _axes(net, unit.layer)
    if unit.position is None or rows is None or columns is None:
        return None
    if rows.size >= size[0] or columns.size >= size[1]:
        return None
    (top, _), (left, _) = rows.span(unit.position[0]), columns.span(unit.position[1])
    return Box(top, left, rows.size, columns.size)


def _axes(net: Network, layer: str) -> tuple[Axis | None, Axis | None]:
    if not layer:
        return None, None
    found: Layer = net.layer(layer.removesuffix(PRE))
    return found.rows, found.columns


def _inside(axis: Axis | None, count: int, size: int) -> Tensor:
    """Which units on an axis see little beyond the image; all of them where none does."""
    if axis is None:
        return torch.ones(count, dtype=torch.bool)
    first = axis.start + axis.jump * torch.arange(count)
    over = axis.size * BEYOND
    inside = (first >= -over) & (first + axis.size <= size + over)
    return inside if inside.any() else torch.ones_like(inside)


def _alike(rows: Axis | None, columns: Axis | None, one: Target, other: Target) -> bool:
    """Whether two units see much the same."""
    assert one.position is not None
    assert other.position is not None
    return all(
        axis is not None and abs(i - j) * axis.jump < APART * axis.size
        for axis, i, j in zip((rows, columns), one.position, other.position, strict=True)
    )
