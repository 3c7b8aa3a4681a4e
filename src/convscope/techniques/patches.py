"""Patches of photographs that excite a channel most, and least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.attribution import Question, changed_note, gradient
from convscope.collection import Index, index_of
from convscope.errors import ConvscopeError
from convscope.microscope import dead_channels, extremes, patch_picture
from convscope.network import PRE, Network, as_tiles, receptive_field_crop
from convscope.runs import IndexPath, TargetList, as_targets, technique
from convscope.types import Frame, Grid, Target
from convscope.vocabulary.objectives import as_layer

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
    number = channel.channel
    assert number is not None
    patches: list[_Patch] = []
    inputs: list[Tensor] = []
    for found in extremes(net, index, channel.layer, number, count)[end == "lowest"]:
        neuron = replace(channel, position=found.position)
        photo = index.photo(found.row)
        inputs.append(net.preprocess(photo))
        box, pixels = patch_picture(net, found, photo, "mask" if show == "mask" else "field")
        entry: Patch = {
            "image": found.row,
            "path": index.paths[found.row],
            "value": found.value,
            "unit": str(neuron),
            "box": [round(edge, 2) for edge in box],
        }
        patches.append(_Patch(neuron, entry, pixels))
    neurons = tuple(patch.neuron for patch in patches)
    gradients: list[Tensor] = []
    note = ""
    if show in ("deconv", "guided"):
        gradients, note = _gradients(net, neurons, inputs, show)
    never = bool(dead_channels(net, index, channel.layer)[number])
    return _Row(channel, f"{channel} {end}", never, patches, gradients, note)


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
