"""What is known of layers, units, photographs and confusions: plain values and NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from convscope.types import Array, Box, Prediction


class LayerName(NamedTuple):
    """A layer as the index collected it, how many channels it has, and the size of its map.

    `size` is (1, 1) for a layer whose channels have no positions.
    """

    name: str
    channels: int
    size: tuple[int, int]


class UnitValue(NamedTuple):
    """A unit and a number; what it measures is said where it stands."""

    layer: str
    channel: int
    value: float

    @property
    def name(self) -> str:
        """The unit as a target, such as "blocks.4.pre:12"."""
        return f"{self.layer}:{self.channel}"


class ClassValue(NamedTuple):
    """A class by its number and label, and a number; what it measures is said where it stands."""

    number: int
    label: str
    value: float


@dataclass(frozen=True)
class Patch:
    """The strongest (or weakest) position of a unit in a photograph.

    Args:
        layer, channel: the unit.
        row: the photograph's row in the index.
        value: the unit's value there.
        position: row and column in the layer's map; None where there are no positions.
        box: what the unit sees there, in pixels of the photograph; it may reach beyond the border.
        highest: whether it is the unit's strongest position in the photograph, or its weakest.
    """

    layer: str
    channel: int
    row: int
    value: float
    position: tuple[int, int] | None
    box: Box
    highest: bool = True


@dataclass(frozen=True)
class LayerFacts:
    """What the C channels of a layer do, one number a channel.

    Args:
        name: the layer, as the index collected it.
        size: rows and columns of its map.
        high, low, mean: (C,) highest, lowest and mean value over photographs and positions.
        sparsity: (C,) fraction of values that are not above zero.
        silent: (C,) whether no value is above zero.
        constant: (C,) whether all values are the same.
        dead: (C,) whether the channel is dead: constant, or silent before a ReLU.
        strongest: (C,) the row of the photograph with the highest value.
        pushed: (C,) the number of the class that the channel pushes up most; -1 where it has not
            been computed yet (`Microscope.connections` does), or the network has no classes.
        push: (C,) how much: what the class's logit gains when the channel rises by one everywhere;
            NaN where `pushed` is -1.
    """

    name: str
    size: tuple[int, int]
    high: Array
    low: Array
    mean: Array
    sparsity: Array
    silent: Array
    constant: Array
    dead: Array
    strongest: Array
    pushed: Array
    push: Array


@dataclass(frozen=True)
class Unit:
    """What a unit does over all photographs of an index.

    Args:
        layer, channel: its name.
        high, low, mean, sparsity, silent, constant, dead: as in `LayerFacts`.
        edges, counts: a histogram of its values: ascending edges (B + 1,), the outermost of which
            are infinite, and counts (B,).
        top, bottom: the photographs with its highest and its lowest values, the most extreme first.
        across: photographs across the range of its highest values in each photograph, from the
            lowest to the highest; empty if the index has no peaks.
        similar: the units whose peaks rise and fall with this one's from photograph to photograph,
            most similar first; the number is the correlation. Empty if the index has no peaks.
        missing: in one line, what the index lacks and how to add it; "" if it lacks nothing.
        note: the user's own note; "" if there is none.
    """

    layer: str
    channel: int
    high: float
    low: float
    mean: float
    sparsity: float
    silent: bool
    constant: bool
    dead: bool
    edges: Array
    counts: Array
    top: tuple[Patch, ...]
    bottom: tuple[Patch, ...]
    across: tuple[Patch, ...]
    similar: tuple[UnitValue, ...]
    missing: str
    note: str

    @property
    def name(self) -> str:
        """The unit as a target, such as "blocks.4.pre:12"."""
        return f"{self.layer}:{self.channel}"

    @property
    def histogram(self) -> tuple[Array, Array]:
        """`edges` and `counts` without the empty bins at both ends."""
        filled = np.flatnonzero(self.counts)
        first, last = (filled[0], filled[-1]) if len(filled) else (0, 0)
        return self.edges[first : last + 2], self.counts[first : last + 1]

    @property
    def patches(self) -> tuple[Patch, ...]:
        """All patches that are shown of it."""
        return (*self.top, *self.across, *self.bottom)


@dataclass(frozen=True)
class Connections:
    """What feeds a unit, what it feeds, and the classes that it pushes up and down.

    Args:
        layer, channel: the unit.
        fed_by: units of the indexed layer before, the largest weights by absolute value first. A
            weight is what this unit gains at its strongest position when the other rises by one
            everywhere in its map.
        feeds: units of the indexed layer behind, the same way. A weight is what the mean of the
            other gains when this unit rises by one everywhere.
        up, down: the classes whose logits gain and lose most when this unit rises by one
            everywhere.
        photographs: over how many of the unit's strongest photographs these numbers are a mean.
    """

    layer: str
    channel: int
    fed_by: tuple[UnitValue, ...]
    feeds: tuple[UnitValue, ...]
    up: tuple[ClassValue, ...]
    down: tuple[ClassValue, ...]
    photographs: int


@dataclass(frozen=True)
class UnitImage:
    """An image of a unit: what excites it most, found by optimization.

    Args:
        layer, channel: the unit.
        number: 0 for the first; the others were made to look unlike.
        file: the image, as a WebP file.
        activation: the unit's highest value for this image.
        multiple: the same, as a multiple of its highest value in any photograph of the index; None
            where that is not above zero.
        embedding: (D,) float16, the embedding of the image.
    """

    layer: str
    channel: int
    number: int
    file: bytes
    activation: float
    multiple: float | None
    embedding: Array


@dataclass(frozen=True)
class Strong:
    """How strongly a unit answers to a photograph.

    Args:
        patch: its strongest position, its value there, and what it sees.
        relative: its value divided by that of its strongest photograph in the index.
    """

    patch: Patch
    relative: float


@dataclass(frozen=True)
class Decided:
    """What the units of a layer added to a score: gradient times activation, a unit.

    Args:
        layer: the layer.
        units: the largest parts first, by absolute value.
        total: the sum over all units of the layer.
        score: the score itself.
        constant: what no unit adds, such as the bias of the last layer, where `exact`.
        exact: whether the score is `total + constant` up to rounding, because nothing but linear
            layers lies between this layer and the score.
    """

    layer: str
    units: tuple[UnitValue, ...]
    total: float
    score: float
    constant: float
    exact: bool


@dataclass(frozen=True)
class Near:
    """A photograph that lies near to another: its row and the distance."""

    row: int
    distance: float


@dataclass(frozen=True)
class Mistake:
    """Why a photograph was taken for another class than its label.

    Args:
        label, prediction: the classes, by number and label, each with its logit.
        decided: for each layer, what its units added to the logit of the prediction minus that of
            the label: units with a positive part spoke for the mistake.
        nearest: the photographs with the right label that are nearest by embedding.
    """

    label: ClassValue
    prediction: ClassValue
    decided: tuple[Decided, ...]
    nearest: tuple[Near, ...]


@dataclass(frozen=True)
class Photograph:
    """What the network makes of a photograph of the index.

    Args:
        row: its row in the index.
        path: its path in the folder of the index.
        size: height and width in pixels.
        label: the name of its folder; None if there is none.
        predictions: the likeliest classes, as the index keeps them.
        strongest: for each layer, the units that answer most, by what they reach of their own
            highest value in the index.
        decided: for each layer, what its units added to the logit of the prediction.
        by_embedding, by_pixels: the nearest other photographs of the index.
        mistake: why it was taken for another class; None if it was not, or has no known label.
    """

    row: int
    path: str
    size: tuple[int, int]
    label: str | None
    predictions: tuple[Prediction, ...]
    strongest: dict[str, tuple[Strong, ...]]
    decided: tuple[Decided, ...]
    by_embedding: tuple[Near, ...]
    by_pixels: tuple[Near, ...]
    mistake: Mistake | None


@dataclass(frozen=True)
class ClassMap:
    """Where a photograph speaks for a class: a Grad-CAM map.

    Args:
        values: (rows, columns), not negative.
        box: the part of the photograph that the map covers, in pixels.
    """

    values: Array
    box: Box


@dataclass(frozen=True)
class Confused:
    """A class that was taken for another.

    Args:
        label, prediction: names of the two classes.
        numbers: their numbers, where the network classifies; None where the nearest mean does.
        rows: the photographs, the most confident first.
        change: units of the embedding, with what each adds on average to the logit of the
            prediction minus that of the label: the largest parts first. The photographs would be
            right if these units answered less (positive) or more (negative). Empty where the
            network's last layer is not linear in the embedding.
        gap: by how much the logit of the prediction exceeds that of the label, on average.
    """

    label: str
    prediction: str
    numbers: tuple[int, int] | None
    rows: tuple[int, ...]
    change: tuple[UnitValue, ...]
    gap: float | None
