"""Patches: the part of a photograph that a unit sees where it answers most, and pictures of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from skimage.measure import label, regionprops
from torch import Tensor

from convscope import tensors
from convscope.collection import Index
from convscope.errors import ConvscopeError
from convscope.microscope.evidence import evidence
from convscope.microscope.facts import Patch
from convscope.network import PRE, Network, crop_box, receptive_field_box, to_photograph
from convscope.types import Array, Box, Target

Show = Literal["field", "mask", "whole", "deconvnet", "guided", "saliency"]

LARGEST = 192  # pixels a side of a patch as it is drawn

GRAY = 0.5  # pixels outside of what the network sees

# A mask keeps the positions above `THRESHOLD` on the way from the mean activation to the peak. The
# rest keeps the fraction `DIMMED` of its light, and `MARGIN` pixels are added on every side.
THRESHOLD, DIMMED, MARGIN = 0.5, 0.45, 8

RECTIFIED = ("ReLU", "ReLU6")


def patch_at(
    net: Network,
    index: Index,
    unit: tuple[str, int],
    row: int,
    place: int,
    value: float,
    *,
    highest: bool = True,
) -> Patch:
    """The patch of a unit (layer, channel) in a photograph, at a place of its map.

    Places are counted row by row.
    """
    height, width = (index.images[name][row].as_py() for name in ("height", "width"))
    position, box = box_of(net, unit, place, (height, width))
    return Patch(*unit, row, value, position, box, highest)


def box_of(
    net: Network, unit: tuple[str, int], place: int, size: tuple[int, int]
) -> tuple[tuple[int, int] | None, Box]:
    """The position of a place of a unit's map, and what it sees of a photograph of that size."""
    layer, channel = unit
    shape = net.channel_shape(layer)
    position = divmod(place, shape[-1]) if len(shape) == 3 else None
    photo = torch.empty(()).expand(3, *size)  # only its size counts
    return position, receptive_field_box(net, Target(layer, channel, position), photo)


def extremes(
    net: Network, index: Index, layer: str, channel: int, count: int | None = None
) -> tuple[tuple[Patch, ...], tuple[Patch, ...]]:
    """The patches with the highest and the lowest values of a unit, the most extreme first."""
    found = index.channels[layer]
    ends = []
    for top, sign in ((found.top, 1), (found.bottom, -1)):
        parts = (top.rows[channel], top.positions[channel], sign * top.values[channel])
        kept = zip(*(part[:count].tolist() for part in parts), strict=True)
        unit = layer, channel
        ends.append(tuple(patch_at(net, index, unit, *each, highest=sign > 0) for each in kept))
    return ends[0], ends[1]


def dead_channels(net: Network, index: Index, layer: str) -> Array:
    """Which channels of a layer are dead: constant, or never above zero before a ReLU; (C,)."""
    found = index.channels[layer]
    before = layer.endswith(PRE)
    rectified = before and net.layer(layer.removesuffix(PRE)).activation in RECTIFIED
    return np.asarray(found.constant | (found.silent & rectified))


def patch_picture(net: Network, patch: Patch, photo: Tensor, show: Show) -> tuple[Box, Tensor]:
    """A picture (3, h, w) of a patch in its photograph (1, 3, H, W), and the part that it shows.

    Args:
        show: "field" shows what the unit sees, "mask" the part where its channel is active, with
            the rest darkened, "whole" all that the network sees; "deconvnet", "guided" and
            "saliency" show what in the patch excites the unit.

    Raises:
        ConvscopeError: a mask is asked for where the layer has no maps, or a gradient that the
            network does not have.
    """
    if show == "mask":
        return _masked(net, patch, photo)
    seen = net.box(photo)
    box = seen if show == "whole" else patch.box
    pixels = crop_box(photo[0], box, seen, GRAY, LARGEST)
    if show in ("field", "whole"):
        return box, pixels
    return box, evidence(net, patch, photo, pixels, show)


def pictures(net: Network, index: Index, found: Sequence[Patch], show: Show) -> list[Array]:
    """A picture of each patch, (h, w, 3) uint8; one photograph is in memory at a time."""
    drawn: dict[int, Array] = {}
    for row in dict.fromkeys(one.row for one in found):
        photo = index.photo(row)
        for place, one in enumerate(found):
            if one.row == row:
                pixels = patch_picture(net, one, photo, show)[1]
                drawn[place] = (255 * pixels).round().byte().permute(1, 2, 0).cpu().numpy()
    return [drawn[place] for place in range(len(found))]


def masks(net: Network, index: Index, found: Sequence[Patch]) -> list[Array]:
    """Where the channel of each patch is active around its position: (rows, columns) bool.

    The network reads each photograph once.

    Raises:
        ConvscopeError: a photograph is gone, or a layer has no maps.
    """
    drawn: dict[int, Array] = {}
    for row in dict.fromkeys(one.row for one in found):
        here = [place for place, one in enumerate(found) if one.row == row]
        read = net.read(index.photo(row), {found[place].layer for place in here})
        drawn |= {place: _mask(net, found[place], read).numpy() for place in here}
    return [drawn[place] for place in range(len(found))]


def _mask(net: Network, patch: Patch, read: Mapping[str, Tensor]) -> Tensor:
    """The part of a map (rows, columns) around a patch's position where its channel is active."""
    if patch.position is None:
        raise ConvscopeError(
            f"layer {patch.layer} has no feature maps, so it has no masks; use show='field'"
        )
    values = net.by_channel(patch.layer, read[patch.layer])[0, patch.channel]
    values = values if patch.highest else -values
    level = values.mean() + THRESHOLD * (values[patch.position] - values.mean())
    return _connected((values >= level).cpu(), patch.position)


def _masked(net: Network, patch: Patch, photo: Tensor) -> tuple[Box, Tensor]:
    """The area around a neuron where its channel is active: its box, and its pixels."""
    mask = _mask(net, patch, net.read(photo, {patch.layer}))
    size, seen = net.input_size, net.box(photo)
    square = _square_around(mask, size)
    box = to_photograph(square, size, seen)
    light = F.interpolate(mask[None, None].float(), size, mode="bilinear")
    shade = DIMMED + (1 - DIMMED) * light
    pixels = crop_box(photo[0], box, seen, GRAY, LARGEST)
    shade = crop_box(shade[0], square, Box(0, 0, *map(float, size)), DIMMED, LARGEST)
    shade = tensors.resize(shade[None], (pixels.shape[1], pixels.shape[2]))[0].clamp(0, 1)
    return box, pixels * shade.to(pixels)


def _connected(mask: Tensor, position: tuple[int, int]) -> Tensor:
    """The part of a mask (h, w) that is connected with a position."""
    parts = torch.from_numpy(label(mask.numpy()))
    return parts == parts[position]


def _square_around(mask: Tensor, size: tuple[int, int]) -> Box:
    """A square around a mask (h, w), in pixels of an image of `size`."""
    (region,) = regionprops(mask.int().numpy())
    down, across = size[0] / mask.shape[0], size[1] / mask.shape[1]
    top, left, bottom, right = region.bbox
    middle = (top + bottom) / 2 * down, (left + right) / 2 * across
    side = max((bottom - top) * down, (right - left) * across) + 2 * MARGIN
    side = min(side, *size)
    # Moved inwards where it would go beyond the border.
    edges = [min(max(m - side / 2, 0), s - side) for m, s in zip(middle, size, strict=True)]
    return Box(edges[0], edges[1], side, side)
