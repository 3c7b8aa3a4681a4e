"""The parts of photographs that excite a channel most, and least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from skimage.measure import label, regionprops
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.attribution import Question, gradient
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
from convscope.runs import IndexPath, technique
from convscope.types import Box, Frame, Grid, Target
from convscope.vocabulary.objectives import as_layer

LARGEST = 192  # pixels a side that a patch is drawn with at most


GRAY = 0.5  # what lies beyond the border of what the network saw


# A mask holds what lies above this part of the way from the map's mean to its peak; the rest of the
# picture keeps a part of its light. The picture is so many pixels larger on every side.
WITHIN, DIMMED, MARGIN = 0.5, 0.45, 8


RECTIFIED = ("ReLU", "ReLU6")


_ENDS: dict[str, tuple[str, ...]] = {
    "positive": ("most",),
    "negative": ("least",),
    "both": ("most", "least"),
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
)
def patches(
    net: Network,
    *,
    index: IndexPath,
    target: Annotated[
        str | tuple[str, ...] | None,
        Field(
            description="channels (blocks.4:12), or a layer, of which the first channels are taken;"
            " a layer in the middle by default"
        ),
    ] = None,
    extreme: Annotated[
        Literal["positive", "negative", "both"],
        Field(description="what excites the channel most, least, or both"),
    ] = "positive",
    show: Annotated[
        Literal["field", "mask", "deconv", "guided"],
        Field(
            description="all that the unit sees, the part where its channel answers, or all that it"
            " sees with its deconvnet or guided picture beside it"
        ),
    ] = "field",
    count: Annotated[
        int | None,
        Field(
            ge=1,
            le=1000,
            description="patches of each channel; nine if not given, or as many as there are",
        ),
    ] = None,
    limit: Annotated[
        int, Field(ge=1, le=4096, description="at most so many channels of a layer")
    ] = 10,
) -> Iterator[Frame[PatchesSummary]]:
    """What of a collection of photographs excites a channel most, cut out where it does.

    A row is a channel, its strongest images first, each at its strongest place, and no image twice.
    A patch is what the unit there sees, its receptive field, cut out of the photograph itself;
    plain gray lies beyond the border of what the network saw. Where a unit sees everything so does
    the patch, and `show="mask"` tells which part counts. A channel that is crossed out is dead:
    before a ReLU never above zero, or always the same. `summary` has the file, the value and the
    place on the photograph (in its pixels) of every patch.
    """
    found = index_of(net, index)
    units = _channels(net, found, target, limit)
    kept = found.channels[units[0].layer].top.values.shape[1]
    if count is not None and count > kept:
        raise ConvscopeError(
            f"{index} keeps {kept} images of a channel, not {count}; another index may keep more"
            " (--top)"
        )
    count = count or min(9, kept)
    rows = [_Row(net, found, unit, end, count, show) for unit in units for end in _ENDS[extreme]]
    tiles = [tile for row in rows for tile in row.tiles]
    across = len(rows[0].tiles)
    grid = Grid(
        as_tiles(tiles, least=96),
        _title(found, units[0], show),
        columns=across,
        captions=tuple(caption for row in rows for caption in row.captions),
        rows=tuple(row.name if extreme == "both" else str(row.unit) for row in rows),
        marked=frozenset(i for i in range(len(tiles)) if rows[i // across].dead),
        low=0.0,
        high=1.0,
        tile_inches=1.0,
    )
    yield Frame(
        panels=(grid,),
        arrays={"values": torch.tensor([row.values for row in rows])},
        summary={
            "images": len(found),
            "patches": {row.name: row.summary for row in rows},
            "dead": list(dict.fromkeys(str(row.unit) for row in rows if row.dead)),
        },
    )


@dataclass
class _Place:
    """A unit at its place in one photograph, as much of it as is drawn."""

    unit: Target
    number: int
    value: float
    path: str
    box: Box
    patch: Tensor
    seen: Tensor


class _Row:
    """One channel's patches at one end."""

    def __init__(
        self, net: Network, found: Index, unit: Target, end: str, count: int, show: str
    ) -> None:
        layer = found.channels[unit.layer]
        assert unit.channel is not None
        top, sign = (layer.top, 1) if end == "most" else (layer.bottom, -1)
        self.unit, self.name = unit, f"{unit} {end}"
        self.values = (sign * top.values[unit.channel, :count]).tolist()
        shape = net.shape(unit.layer)
        self.places = []
        for n in range(count):
            place = divmod(int(top.positions[unit.channel, n]), shape[-1])
            at = replace(unit, position=place if len(shape) == 3 else None)
            number = int(top.rows[unit.channel, n])
            photo = found.photo(number)
            box = receptive_field_box(net, at, photo[0])
            patch = crop_box(photo[0], box, net.box(photo), GRAY, LARGEST)
            path = found.images["path"][number].as_py()
            seen = net.preprocess(photo)
            self.places.append(_Place(at, number, self.values[n], path, box, patch, seen))
            if show == "mask":
                self._mask(net, self.places[-1], photo, sign)
        never = layer.silent[unit.channel] and _rectified(net, unit.layer)
        self.dead = bool(never or layer.constant[unit.channel])
        self.tiles = [place.patch for place in self.places]
        if show in ("deconv", "guided"):
            beside = self._read_back(net, show)
            self.tiles = [tile for pair in zip(self.tiles, beside, strict=True) for tile in pair]

    @property
    def captions(self) -> list[str]:
        """The value below each patch, nothing below what is beside it."""
        below = [f"{value:.2f}" for value in self.values]
        per = len(self.tiles) // len(below)
        return [word for text in below for word in (text, *[" "] * (per - 1))]

    @property
    def summary(self) -> list[dict[str, Any]]:
        return [
            {
                "image": place.number,
                "path": place.path,
                "value": place.value,
                "unit": str(place.unit),
                "box": [round(edge, 2) for edge in place.box],
            }
            for place in self.places
        ]

    def _read_back(self, net: Network, rule: str) -> list[Tensor]:
        """The gradient of each unit within what it sees, around gray."""
        seen = torch.cat([place.seen for place in self.places])
        units = tuple(place.unit for place in self.places)
        slopes = gradient(Question(net, seen, seen, units), rule).gradient
        return [
            tensors.around_gray(receptive_field_crop(net, unit, slope, 0.0))
            for unit, slope in zip(units, slopes, strict=True)
        ]

    def _mask(self, net: Network, place: _Place, photo: Tensor, sign: int) -> None:
        """Draw only the part of the photograph around the unit where its channel answers."""
        unit = place.unit
        if unit.position is None:
            raise ConvscopeError(f"{unit.layer} has no maps, so no mask: take show='field'")
        values = sign * net.read(place.seen, {unit.layer})[unit.layer][0, unit.channel]
        level = values.mean() + WITHIN * (values[unit.position] - values.mean())
        mask = _around((values >= level).cpu(), unit.position)
        size = net.input_size
        box = _framed(mask, size)
        seen = net.box(photo)
        place.box = to_photograph(box, size, seen)
        light = F.interpolate(mask[None, None].float(), size, mode="bilinear")
        shade = DIMMED + (1 - DIMMED) * light
        shown = crop_box(photo[0], place.box, seen, GRAY, LARGEST)
        whole = Box(0, 0, *map(float, size))
        place.patch = shown * tensors.resize(
            crop_box(shade[0], box, whole, DIMMED, LARGEST)[None], (shown.shape[1], shown.shape[2])
        )[0].clamp(0, 1).to(shown)


def _around(mask: Tensor, position: tuple[int, int]) -> Tensor:
    """The part of a mask (h, w) that hangs together with a position."""
    parts = torch.from_numpy(label(mask.numpy()))
    return parts == parts[position]


def _framed(mask: Tensor, size: tuple[int, int]) -> Box:
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


def _channels(
    net: Network, found: Index, words: str | Sequence[str] | None, limit: int
) -> list[Target]:
    """The channels that are meant, by the layers' names in the index."""
    if words is None:
        words = _usual(net, found)
    units = []
    for word in (words,) if isinstance(words, str) else words:
        target = as_layer(net, word)
        if not target.layer:
            raise ConvscopeError(f"{target} is a class; patches are of layers and channels")
        if target.position is not None:
            raise ConvscopeError(f"{target} is one neuron; patches are of whole channels")
        target = replace(target, layer=found.collected(target.layer))
        channels = [target.channel]
        if target.channel is None:
            channels = list(range(min(limit, net.shape(target.layer)[0])))
        units += [replace(target, channel=channel) for channel in channels]
    return units


def _usual(net: Network, found: Index) -> str:
    """The deepest layer whose units see at most half of the image's side, or else the first."""
    if not found.channels:
        raise ConvscopeError(
            f"{found.path} has no channels, for no layer of {net.name} is a stage; another index"
            " may have some (--layers)"
        )
    limit = 0.5 * min(net.input_size)
    usual, *_ = found.channels
    for name in found.channels:
        field = net.layer(name.removesuffix(PRE)).receptive_field
        if field and max(field) <= limit:
            usual = name
    return usual


def _rectified(net: Network, layer: str) -> bool:
    return layer.endswith(PRE) and net.layer(layer.removesuffix(PRE)).activation in RECTIFIED


def _title(found: Index, unit: Target, show: str) -> str:
    words = {
        "field": "all that the unit sees",
        "mask": "where the channel answers",
        "deconv": "what the unit sees, and its deconvnet picture",
        "guided": "what the unit sees, and guided backpropagation to it",
    }
    return f"{unit.layer} over {len(found):,} images: {words[show]}; below each the unit's answer"
