"""Single units of a layer: those that a photograph excites, and what each sees of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.network.network import PRE, Network
from convscope.tensors import resize
from convscope.types import Axis, Box, Layer, Target

# Parts of what a unit sees: nearer ones see much the same; one further out sees the border.
APART, BEYOND = 1 / 2, 1 / 4


def outstanding(net: Network, layer: str, maps: Tensor, limit: int) -> tuple[Target, ...]:
    """Of a layer's maps (C, h, w) the channels that stand out most, each at its strongest place.

    Strongest against the channel's own usual answer, so that a bright photograph does not choose.
    Of channels that meet in one place only the first counts, and places far apart go before those
    that see much the same. Where units see the image and not its border, only these count: many
    others answer to the border.
    """
    rows, columns = _axes(net, layer)
    height, width = maps.shape[1:]
    inside = _inside(rows, height, net.input_size[0])[:, None]
    inside = inside & _inside(columns, width, net.input_size[1])
    flat = maps.flatten(1)
    best, places = flat.masked_fill(~inside.flatten().to(flat.device), -math.inf).max(1)
    strength = (best - flat.mean(1)) / flat.std(1).clamp_min(1e-6)
    first: dict[int, int] = {}  # of each place, in order of strength
    for channel in strength.argsort(descending=True, stable=True).tolist():
        first.setdefault(int(places[channel]), channel)
    ranked = [Target(layer, c, divmod(place, width)) for place, c in first.items()]
    apart: list[Target] = []
    for unit in ranked:
        if not any(_alike(rows, columns, unit, other) for other in apart):
            apart.append(unit)
    chosen = [*apart, *(unit for unit in ranked if unit not in apart)][:limit]
    return tuple(unit for unit in ranked if unit in chosen)


def seen_by(net: Network, unit: Target, image: Tensor, outside: float) -> Tensor:
    """The part of an image (C, H, W) that a unit sees, the whole where it sees as much or where
    that is not known; what lies beyond the border has the value `outside`."""
    rows, columns = _axes(net, unit.layer)
    height, width = image.shape[1:]
    if unit.position is None or not (rows and columns):
        return image
    if rows.size >= height or columns.size >= width:
        return image
    (top, bottom), (left, right) = rows.span(unit.position[0]), columns.span(unit.position[1])
    first, last = math.floor, math.ceil
    border = (-first(left), last(right) + 1 - width, -first(top), last(bottom) + 1 - height)
    return F.pad(image, border, value=outside)


def field_on(net: Network, unit: Target, photo: Tensor) -> Box:
    """Where on a photograph (C, H, W), in its pixels, lies what a unit sees; it may go beyond the
    border. All that the network saw of it, where the unit sees as much or where that is not known.
    """
    seen = net.box(photo[None])
    rows, columns = _axes(net, unit.layer)
    height, width = net.input_size
    if unit.position is None or not (rows and columns):
        return seen
    if rows.size >= height or columns.size >= width:
        return seen
    (top, bottom), (left, right) = rows.span(unit.position[0]), columns.span(unit.position[1])
    return part_of(seen, (height, width), Box(top, left, bottom + 1 - top, right + 1 - left))


def part_of(seen: Box, size: tuple[int, int], part: Box) -> Box:
    """A part of what the network saw, in its own pixels (of `size`), on the photograph."""
    down, across = seen.height / size[0], seen.width / size[1]
    return Box(
        seen.top + part.top * down,
        seen.left + part.left * across,
        part.height * down,
        part.width * across,
    )


def cut(photo: Tensor, box: Box, seen: Box, outside: float, limit: int) -> Tensor:
    """A box of a photograph (C, H, W), at most `limit` pixels a side; what lies beyond what the
    network has `seen` has the value `outside`."""
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
    """Images (C, h, w) of several sizes as one stack, each stretched to a square, in [0, 1]."""
    side = max(least, *(max(image.shape[-2:]) for image in images))
    return torch.cat([resize(image[None], (side, side)) for image in images]).clamp(0, 1)


def _axes(net: Network, layer: str) -> tuple[Axis | None, Axis | None]:
    if not layer:
        return None, None
    found: Layer = net.layer(layer.removesuffix(PRE))
    return found.rows, found.columns


def _inside(axis: Axis | None, count: int, size: int) -> Tensor:
    """Which of an axis's units see little beyond the image, all of them where none does."""
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
