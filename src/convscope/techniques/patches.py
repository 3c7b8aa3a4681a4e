"""Patches of photographs that excite a channel most, and least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from skimage.measure import label, regionprops
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.attribution import Question, changed_note, gradient
from convscope.collection import Index, index_of
from convscope.errors import ConvscopeError
from convscope.network import (
    PRE,
    Network,
    as_tiles,
    crop_box,
    receptive_field_box,
    receptive_field_crop,
    to_photograph,
)
from convscope.runs import IndexPath, TargetList, as_targets, technique
from convscope.types import Box, Frame, Grid, Target
from convscope.vocabulary.objectives import as_layer

LARGEST = 192  # pixels a side of a patch as it is drawn


GRAY = 0.5  # pixels outside of what the network sees


# A mask keeps the positions above `THRESHOLD` on the way from the mean activation to the peak. The
# rest keeps the fraction `DIMMED` of its light, and `MARGIN` pixels are added on every side.
THRESHOLD, DIMMED, MARGIN = 0.5, 0.45, 8


RECTIFIED = ("ReLU", "ReLU6")


_EXTREMES: dict[str, tuple[str, ...]] = {
    "positive": ("highest",),
    "negative": ("lowest",),
    "both": ("highest", "lowest"),
}


class Patch(TypedDict):
    """An image, the value of the unit there, and the patch (top, left, height, width in pixels)."""

    image: int
    path: str
    value: float
    unit: str
    box: list[float]


class PatchesSummary(TypedDict):
    """The patches of each row, by its name, and the units that are dead."""

    images: int
    patches: dict[str, list[Patch]]
    dead: list[str]


@technique(
    title="Patches",
    paper="Girshick, Donahue, Darrell and Malik 2014; Zeiler and Fergus 2014",
    url="https://arxiv.org/abs/1311.2524",
    chapter="What units respond to",
)
def patches(
    net: Network,
    *,
    index: IndexPath,
    target: Annotated[
        TargetList | None,
        Field(
            description="channels (blocks.4:12), or layers, each of which means its first channels;"
            " if not given, a layer in the middle"
        ),
    ] = None,
    extreme: Annotated[
        Literal["positive", "negative", "both"],
        Field(
            description="whether to show the highest activations of a channel, the lowest, or both"
        ),
    ] = "positive",
    show: Annotated[
        Literal["field", "mask", "deconv", "guided"],
        Field(
            description="field shows the receptive field, mask only where the channel is active,"
            " deconv and guided add a deconvnet or guided backpropagation picture to the field"
        ),
    ] = "field",
    count: Annotated[
        int | None,
        Field(
            ge=1,
            le=1000,
            description="number of patches for each channel; if not given, nine, or all that the"
            " index keeps if they are fewer",
        ),
    ] = None,
    limit: Annotated[
        int, Field(ge=1, le=4096, description="maximum number of channels shown for a layer")
    ] = 10,
) -> Iterator[Frame[PatchesSummary]]:
    """The patches of a photograph collection that excite a channel most.

    A row is a channel, with its strongest photographs first, each at its strongest position and
    only once. A patch is the receptive field of the neuron there, cut out of the photograph; gray
    marks pixels outside the network's input. If the receptive field is the whole image,
    `show="mask"` marks the part that activates the channel. A crossed-out channel is dead: it is
    never above zero before a ReLU, or has the same value everywhere. `summary` lists each patch's
    file, activation and box.
    """
    opened = index_of(net, index)
    channels = _channels(net, opened, target, limit)
    count = _count(opened, channels, count)
    ends = _EXTREMES[extreme]
    rows = [_row(net, opened, one, end, count, show) for one in channels for end in ends]
    values = [[one.entry["value"] for one in row.patches] for row in rows]
    yield Frame(
        panels=(_grid(opened, rows, show, both=extreme == "both"),),
        arrays={"values": torch.tensor(values)},
        summary={
            "images": len(opened),
            "patches": {row.name: [one.entry for one in row.patches] for row in rows},
            "dead": list(dict.fromkeys(str(row.channel) for row in rows if row.dead)),
        },
    )


@dataclass
class _Patch:
    """A neuron at a position of one photograph: what is said of it, and the pixels drawn."""

    neuron: Target
    entry: Patch
    pixels: Tensor


@dataclass
class _Row:
    """A channel's patches of one extreme, and the pictures beside them if there are any."""

    channel: Target
    name: str
    dead: bool
    patches: list[_Patch]
    gradients: list[Tensor]
    note: str  # what part of the activations the rule of the pictures changed

    @property
    def tiles(self) -> list[Tensor]:
        patches = [patch.pixels for patch in self.patches]
        if not self.gradients:
            return patches
        return [tile for pair in zip(patches, self.gradients, strict=True) for tile in pair]

    @property
    def captions(self) -> list[str]:
        """The activation below each patch, and nothing below a picture beside it."""
        empty = [" "] if self.gradients else []
        return [text for one in self.patches for text in (f"{one.entry['value']:.2f}", *empty)]


def _row(net: Network, index: Index, channel: Target, end: str, count: int, show: str) -> _Row:
    layer, number = index.channels[channel.layer], channel.channel
    assert number is not None
    top, sign = (layer.top, 1) if end == "highest" else (layer.bottom, -1)
    shape = net.channel_shape(channel.layer)
    patches: list[_Patch] = []
    inputs: list[Tensor] = []
    for rank in range(count):
        position = divmod(int(top.positions[number, rank]), shape[-1])
        neuron = replace(channel, position=position if len(shape) == 3 else None)
        image = int(top.rows[number, rank])
        photo = index.photo(image)
        inputs.append(net.preprocess(photo))
        if show == "mask":
            box, pixels = _masked(net, neuron, photo, inputs[-1], sign)
        else:
            box = receptive_field_box(net, neuron, photo[0])
            pixels = crop_box(photo[0], box, net.box(photo), GRAY, LARGEST)
        entry: Patch = {
            "image": image,
            "path": index.paths[image],
            "value": sign * float(top.values[number, rank]),
            "unit": str(neuron),
            "box": [round(edge, 2) for edge in box],
        }
        patches.append(_Patch(neuron, entry, pixels))
    dead = bool(layer.constant[number] or (layer.silent[number] and _rectified(net, channel.layer)))
    neurons = tuple(patch.neuron for patch in patches)
    gradients: list[Tensor] = []
    note = ""
    if show in ("deconv", "guided"):
        gradients, note = _gradients(net, neurons, inputs, show)
    return _Row(channel, f"{channel} {end}", dead, patches, gradients, note)


def _gradients(
    net: Network, neurons: tuple[Target, ...], inputs: Sequence[Tensor], rule: str
) -> tuple[list[Tensor], str]:
    """The gradient of each neuron in its receptive field, drawn around gray, and a note on it."""
    batch = torch.cat(list(inputs))
    frame = gradient(Question(net, batch, batch, neurons), rule)
    tiles = [
        tensors.around_gray(receptive_field_crop(net, neuron, one, 0.0))
        for neuron, one in zip(neurons, frame.gradient, strict=True)
    ]
    return tiles, changed_note(frame.changed, 0)


def _masked(
    net: Network, neuron: Target, photo: Tensor, original: Tensor, sign: int
) -> tuple[Box, Tensor]:
    """The area around a neuron where its channel is active: its box, and its pixels."""
    if neuron.position is None:
        raise ConvscopeError(
            f"layer {neuron.layer} has no feature maps, so it has no masks; use show='field'"
        )
    values = net.by_channel(neuron.layer, net.read(original, {neuron.layer})[neuron.layer])
    values = sign * values[0, neuron.channel]
    level = values.mean() + THRESHOLD * (values[neuron.position] - values.mean())
    mask = _connected((values >= level).cpu(), neuron.position)
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


def _channels(net: Network, index: Index, target: TargetList | None, limit: int) -> list[Target]:
    """The channels to show, under the layers' names in the index."""
    if target is None:
        target = _default_layer(net, index)
    found = []
    for name in as_targets(target):
        one = as_layer(net, name)
        if not one.layer:
            raise ConvscopeError(f"{one} is a class; patches shows layers and channels")
        if one.position is not None:
            raise ConvscopeError(f"{one} is one neuron; patches shows whole channels")
        one = replace(one, layer=index.collected(one.layer))
        numbers = [one.channel]
        if one.channel is None:
            numbers = list(range(min(limit, net.channel_shape(one.layer)[0])))
        found += [replace(one, channel=number) for number in numbers]
    return found


def _count(index: Index, channels: Sequence[Target], count: int | None) -> int:
    """Patches for each channel: as many as are asked for, and by default at most nine."""
    kept = index.channels[channels[0].layer].top.values.shape[1]
    if count is not None and count > kept:
        raise ConvscopeError(
            f"{index.path} keeps {kept} images of a channel, not {count}; build an index that keeps"
            f" more (convscope index FOLDER -o INDEX --top {count})"
        )
    return count or min(9, kept)


def _default_layer(net: Network, index: Index) -> str:
    """The deepest layer whose receptive field is at most half of the image's side, or the first."""
    if not index.channels:
        raise ConvscopeError(
            f"{index.path} has no channels, because no layer of {net.name} is a stage; build an"
            " index of layers that you name (convscope index FOLDER -o INDEX --layers LAYER)"
        )
    limit = 0.5 * min(net.input_size)
    chosen, *_ = index.channels
    for name in index.channels:
        field = net.layer(name.removesuffix(PRE)).receptive_field
        if field and max(field) <= limit:
            chosen = name
    return chosen


def _rectified(net: Network, layer: str) -> bool:
    return layer.endswith(PRE) and net.layer(layer.removesuffix(PRE)).activation in RECTIFIED


_CONTENTS = {
    "field": "receptive fields",
    "mask": "where the channel is active",
    "deconv": "receptive fields, with the deconvnet beside them",
    "guided": "receptive fields, with guided backpropagation beside them",
}


def _grid(index: Index, rows: Sequence[_Row], show: str, *, both: bool) -> Grid:
    tiles = [tile for row in rows for tile in row.tiles]
    columns = len(rows[0].tiles)
    return Grid(
        as_tiles(tiles, least=96),
        f"{rows[0].channel.layer} over {len(index):,} images: {_CONTENTS[show]}{rows[0].note};"
        " activation below each patch",
        columns=columns,
        captions=tuple(caption for row in rows for caption in row.captions),
        rows=tuple(row.name if both else str(row.channel) for row in rows),
        marked=frozenset(i for i in range(len(tiles)) if rows[i // columns].dead),
        low=0.0,
        high=1.0,
        tile_inches=1.0,
    )
