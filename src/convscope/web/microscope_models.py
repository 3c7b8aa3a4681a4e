"""What the server and its pages say to each other about an index: units, photographs, mistakes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from convscope.web.models import Prediction
from convscope.web.panel_models import Message

Box = tuple[float, float, float, float]


class CollectedLayer(Message):
    """A layer of an index.

    Attributes:
        size: rows and columns of its map; both are 1 where its channels have no positions.
        filters: whether its filters are small enough to be looked at.
    """

    name: str
    channels: int
    size: tuple[int, int]
    filters: bool


class IndexDetail(Message):
    """An index with its layers.

    Attributes:
        version: changes with what is in it; addresses of pictures have it.
        network: the id of the network that made it.
        labeled: whether its photographs lie in folders that are named as classes.
        embedding: the layer whose units say which class they push.
    """

    id: str
    name: str
    version: str
    network: str
    network_name: str
    photographs: int
    labeled: bool
    embedding: str
    layers: list[CollectedLayer]


class UnitValue(Message):
    """A unit with a number: a weight, a likeness, what it adds to a score.

    Attributes:
        share: how strongly it answers, as a part of its strongest photograph's value.
    """

    layer: str
    channel: int
    value: float
    share: float | None = None


class ClassValue(Message):
    """A class with a number."""

    index: int
    name: str
    value: float


class LayerFacts(Message):
    """What the channels of a layer do, channel by channel.

    Attributes:
        dead: whether a channel is never above zero before its ReLU, or always has the same value.
        strongest: the row of the photograph that excites it most.
        pushed: the number of the class that it pushes up most; -1 where none is known yet.
        push: by how much; None where none is known.
        classes: the names of these classes, by number.
        imaged: whether its image has been made.
    """

    layer: str
    high: list[float]
    mean: list[float]
    sparsity: list[float]
    dead: list[bool]
    strongest: list[int]
    pushed: list[int]
    push: list[float | None]
    classes: dict[int, str]
    imaged: list[bool]


class PhotographName(Message):
    """A photograph of the index in a few words.

    Attributes:
        label: the folder that it lies in.
        prediction: its likeliest class; "" where there is none.
        size: its width and height in pixels.
        seen: what the network sees of it: left, top, right, bottom, as parts of it.
    """

    row: int
    name: str
    label: str | None
    prediction: str
    size: tuple[int, int]
    seen: Box


class Patch(Message):
    """A part of a photograph and the value of the unit there.

    Attributes:
        box: what the unit sees: left, top, right, bottom, as parts of the photograph; it may reach
            beyond the border.
        neuron: the target that names the unit at this place.
    """

    photograph: PhotographName
    value: float
    box: Box
    neuron: str


class UnitImage(Message):
    """An image of a unit, which has been made.

    Attributes:
        multiple: what the unit makes of it, as a multiple of its strongest photograph.
    """

    number: int
    activation: float
    multiple: float | None


class UnitFacts(Message):
    """What a unit does over all photographs of an index.

    Attributes:
        channels: how many its layer has.
        edges: of the histogram; None where an end is infinite.
        across: patches over the range of its values, from low to high.
        similar: units whose values rise and fall with this one's.
        missing: what the index lacks and how to add it; "" where it lacks nothing.
            images: those that have been made.
    """

    layer: str
    channel: int
    channels: int
    dead: bool
    high: float
    low: float
    mean: float
    sparsity: float
    edges: list[float | None]
    counts: list[int]
    top: list[Patch]
    bottom: list[Patch]
    across: list[Patch]
    similar: list[UnitValue]
    missing: str
    images: list[UnitImage]
    note: str


class Connections(Message):
    """What feeds a unit, what it feeds, and the classes that it pushes up and down.

    Attributes:
        photographs: over how many of its strongest photographs the weights are a mean.
    """

    fed_by: list[UnitValue]
    feeds: list[UnitValue]
    up: list[ClassValue]
    down: list[ClassValue]
    photographs: int


class ClassUnits(Message):
    """The units of the embedding, the one that pushes a class up most first.

    Attributes:
        name: of the class.
        units: each with what the class's score gains when it rises by one.
    """

    name: str
    units: list[UnitValue]


# How units are found by a photograph: by what they reach of their highest value on it, or by how
# much their images look like it.
Found = Literal["answer", "look"]


class LayerUnits(Message):
    """The units of a layer that a photograph finds, most of all first."""

    layer: str
    units: list[UnitValue]


class Decided(Message):
    """What the units of a layer added to a score.

    Attributes:
        total: the sum over all units of the layer.
        exact: whether the score is total and constant together, up to rounding.
    """

    layer: str
    units: list[UnitValue]
    total: float
    score: float
    constant: float
    exact: bool


class Neighbor(Message):
    """A photograph that is near to another one."""

    photograph: PhotographName
    distance: float


class MistakeFacts(Message):
    """Why a photograph was taken for another class than its label.

    Attributes:
        decided: what units added to the prediction's score minus the label's, layer by layer.
        nearest: the nearest photographs with the right label.
    """

    label: ClassValue
    prediction: ClassValue
    decided: list[Decided]
    nearest: list[Neighbor]


class PhotographFacts(Message):
    """All that is known of a photograph of the index.

    Attributes:
        of_label: its label's number, where the label is one of the network's classes.
    """

    photograph: PhotographName
    predictions: list[Prediction]
    of_label: int | None
    strongest: list[LayerUnits]
    decided: list[Decided]
    by_embedding: list[Neighbor]
    by_pixels: list[Neighbor]
    mistake: MistakeFacts | None


class ConfusedPair(Message):
    """A class that was taken for another.

    Attributes:
        numbers: those of the label and the prediction, where both are classes of the network.
        change: units, with what each adds on average to the prediction minus the label.
        gap: by how much the prediction's score is above the label's, on average.
    """

    label: str
    prediction: str
    numbers: tuple[int, int] | None
    photographs: list[PhotographName]
    change: list[UnitValue]
    gap: float | None


class Note(Message):
    """What the user writes about a unit."""

    text: Annotated[str, Field(max_length=10_000)]


Channels = Annotated[
    list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1, max_length=16)
]


class WantedImages(Message):
    """Channels whose images are to be made; `number` asks for another one, unlike those before."""

    channels: Channels
    number: int = Field(default=0, ge=0, lt=4)


class WantedConnections(Message):
    """Channels whose weights are to be followed."""

    channels: Channels
