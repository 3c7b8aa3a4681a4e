"""What the microscope knows of layers and units, for the pages."""

from __future__ import annotations

import math
from pathlib import PurePosixPath

import numpy as np
import torch
from torch import Tensor

from convscope.files import open_image
from convscope.microscope import ClassValue, Microscope, Patch
from convscope.microscope import UnitValue as Valued
from convscope.types import Array, Box
from convscope.web import microscope_models as wire
from convscope.web.answers.filters import are_pictures
from convscope.web.messages import Source
from convscope.web.panels import fractions
from convscope.web.requests import Place
from convscope.web.scopes import Scope, version_of

STRONGEST = 12  # units of a layer that are named

IMAGES = 4  # of a unit, at most

WHOLE = (0.0, 0.0, 1.0, 1.0)


def index_detail(place: Place, index: str) -> wire.IndexDetail:
    """An index with its layers.

    Raises:
        ConvscopeError: it is damaged, or its network is not loaded.
    """
    scope = place.scope(index)
    return wire.IndexDetail(
        id=index,
        name=scope.index.path.name,
        version=version_of(scope.index),
        network=scope.id,
        network_name=scope.net.name,
        photographs=len(scope.index),
        labeled=any(scope.index.images["label"].is_valid().to_pylist()),
        embedding=scope.index.settings.embedding,
        layers=[
            wire.CollectedLayer(
                name=one.name,
                channels=one.channels,
                size=one.size,
                filters=are_pictures(scope.net, one.name),
            )
            for one in scope.microscope.layers
        ],
    )


def layer_facts(place: Place, index: str, layer: str) -> wire.LayerFacts:
    """What the channels of a layer do."""
    scope = place.scope(index)
    found = scope.microscope.layer(layer)
    return wire.LayerFacts(
        layer=found.name,
        high=found.high.tolist(),
        mean=found.mean.tolist(),
        sparsity=found.sparsity.tolist(),
        dead=found.dead.tolist(),
        strongest=found.strongest.tolist(),
        pushed=found.pushed.tolist(),
        push=[None if math.isnan(one) else one for one in found.push.tolist()],
        classes={one: scope.net.label(one) for one in np.unique(found.pushed).tolist() if one >= 0},
        imaged=scope.microscope.drawn(layer).tolist(),
    )


def unit_facts(place: Place, index: str, layer: str, channel: int) -> wire.UnitFacts:
    """What a unit does over all photographs."""
    scope = place.scope(index)
    found = scope.microscope.unit(layer, channel)
    edges, counts = found.histogram
    return wire.UnitFacts(
        layer=found.layer,
        channel=found.channel,
        channels=next(one.channels for one in scope.microscope.layers if one.name == found.layer),
        dead=found.dead,
        high=found.high,
        low=found.low,
        mean=found.mean,
        sparsity=found.sparsity,
        edges=[one if math.isfinite(one) else None for one in edges.tolist()],
        counts=counts.tolist(),
        top=[as_patch(scope, one) for one in found.top],
        bottom=[as_patch(scope, one) for one in found.bottom],
        across=[as_patch(scope, one) for one in found.across],
        similar=as_units(found.similar),
        missing=found.missing,
        images=_images(scope.microscope, found.layer, channel),
        note=found.note,
    )


def _images(microscope: Microscope, layer: str, channel: int) -> list[wire.UnitImage]:
    """The images of a unit that have been made."""
    found = []
    for number in range(IMAGES):
        if not microscope.drawn(layer, number)[channel]:
            break
        one = microscope.image(layer, channel, number)
        found.append(
            wire.UnitImage(number=number, activation=one.activation, multiple=one.multiple)
        )
    return found


def connections(place: Place, index: str, layer: str, channel: int) -> wire.Connections:
    """What feeds a unit, what it feeds, and the classes that it pushes."""
    found = place.scope(index).microscope.connections(layer, channel)
    return wire.Connections(
        fed_by=as_units(found.fed_by),
        feeds=as_units(found.feeds),
        up=[as_class(one) for one in found.up],
        down=[as_class(one) for one in found.down],
        photographs=found.photographs,
    )


def class_units(place: Place, index: str, number: int) -> wire.ClassUnits:
    """The units that push a class up, and those that push it down, last."""
    scope = place.scope(index)
    units = as_units(scope.microscope.pushing(number))
    return wire.ClassUnits(name=scope.net.label(number), units=units)


def alike(place: Place, index: str, layer: str, channel: int) -> list[wire.UnitValue]:
    """Units whose images look like that of a unit; none where it has no image yet."""
    microscope = place.scope(index).microscope
    known = microscope.unit(layer, channel)
    if not microscope.drawn(known.layer)[channel]:
        return []
    return as_units(microscope.like(layer, channel))


def found_units(
    place: Place, index: str, by: wire.Found, image: Source | None, row: int | None
) -> list[wire.LayerUnits]:
    """For each layer, the units that answer to a photograph or look like it, most of all first."""
    scope = place.scope(index)
    photo, microscope = shown(scope, image, row), scope.microscope
    found = microscope.responding(photo) if by == "answer" else microscope.resembling(photo)
    return [
        wire.LayerUnits(layer=layer, units=_ranked(layer, values))
        for layer, values in found.items()
    ]


def _ranked(layer: str, values: Array) -> list[wire.UnitValue]:
    known = np.nan_to_num(values, nan=-np.inf)
    order = np.argsort(-known, kind="stable")
    return [
        wire.UnitValue(layer=layer, channel=channel, value=float(values[channel]))
        for channel in order.tolist()
        if math.isfinite(values[channel])
    ]


def write_note(place: Place, index: str, layer: str, channel: int, text: str) -> None:
    """Keep a note on a unit in the index."""
    place.scope(index).microscope.write_note(layer, channel, text)


def check_channels(place: Place, index: str, layer: str, channels: list[int]) -> None:
    """Fail if a layer does not have these channels.

    Raises:
        ConvscopeError: there is no such layer, or it has not one of the channels.
    """
    place.scope(index).microscope.unit(layer, max(channels))


def make_connections(place: Place, index: str, layer: str, wanted: wire.WantedConnections) -> None:
    """Find what feeds units and what they feed, which the index then keeps."""
    microscope = place.scope(index).microscope
    for channel in wanted.channels:
        microscope.connections(layer, channel)


def make_images(place: Place, index: str, layer: str, wanted: wire.WantedImages) -> None:
    """Make images of units, which are then kept in the index."""
    units = [(layer, channel) for channel in wanted.channels]
    place.scope(index).microscope.images(units, wanted.number)


# ---------------------------------------------------------------------------- parts


def shown(scope: Scope, image: Source | None, row: int | None) -> Tensor:
    """The photograph that is asked about: that of a row, or an image.

    Raises:
        ConvscopeError: there is no such row, or the file cannot be opened.
    """
    if row is None:
        return open_image(image or "")
    scope.check(row)
    return scope.index.photo(row)


def named(scope: Scope, row: int) -> wire.PhotographName:
    """A photograph in a few words."""
    path, label = (scope.index.images[name][row].as_py() for name in ("path", "label"))
    height, width = _size(scope, row)
    return wire.PhotographName(
        row=row,
        name=PurePosixPath(path).name,
        label=label,
        prediction=scope.index.prediction(row),
        size=(width, height),
        seen=fractions(seen_of(scope, row), height, width) or WHOLE,
    )


def seen_of(scope: Scope, row: int) -> Box:
    """The part of a photograph that the network sees."""
    return scope.net.box(torch.empty(()).expand(1, 3, *_size(scope, row)))  # only its size counts


def _size(scope: Scope, row: int) -> tuple[int, int]:
    """Height and width of a photograph."""
    height, width = (scope.index.images[name][row].as_py() for name in ("height", "width"))
    return height, width


def as_patch(scope: Scope, patch: Patch) -> wire.Patch:
    at = "" if patch.position is None else "@{},{}".format(*patch.position)
    return wire.Patch(
        photograph=named(scope, patch.row),
        value=patch.value,
        box=fractions(patch.box, *_size(scope, patch.row)) or WHOLE,
        neuron=f"{patch.layer}:{patch.channel}{at}",
    )


def as_units(found: tuple[Valued, ...]) -> list[wire.UnitValue]:
    return [wire.UnitValue(layer=one.layer, channel=one.channel, value=one.value) for one in found]


def as_class(found: ClassValue) -> wire.ClassValue:
    return wire.ClassValue(index=found.number, name=found.label, value=found.value)
