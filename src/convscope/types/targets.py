"""Targets, layers and predictions: plain values that describe a network and its answers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple, SupportsIndex

# Before the path of an image whose embedding is the target.
LIKE = "like:"

# Before the number of a class, where a number alone might be a label.
CLASS_NUMBER = "class:"


class Prediction(NamedTuple):
    """One class that a classifier predicts, with its probability."""

    label: str
    probability: float
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls here


@dataclass(frozen=True)
class Target:
    """What a score is asked for: a class, a layer, a channel, one neuron, or another image.

    `layer` is "" for the network's own output, as in `nn.Module.named_modules`, and "HEAD=" for one
    of several outputs. `position` is a row and a column of its maps, `region` a rectangle of them:
    top, left, bottom and right, where bottom and right are the first row and column outside.
    `like` is the path of an image whose embedding is compared; behind "#" it may have the first
    digits of the file's SHA-256.
    """

    layer: str
    channel: int | None = None
    position: tuple[int, int] | None = None
    label: str | None = None
    region: tuple[int, int, int, int] | None = None
    like: str | None = None

    def __str__(self) -> str:
        if self.like is not None:
            return LIKE + os.path.basename(self.like.partition("#")[0])
        if self.label is not None:
            return self.label + self.place
        channel = "" if self.channel is None else f":{self.channel}"
        return (self.layer or "output") + channel + self.place

    @property
    def place(self) -> str:
        """The end of its name, such as "@7,7"; "" if it is about no place of its own."""
        numbers = self.position or self.region
        return "" if numbers is None else f"@{','.join(map(str, numbers))}"

    @property
    def is_class(self) -> bool:
        """Whether it is one of the network's classes, which have a probability."""
        return self.label is not None

    @property
    def spec(self) -> str | int:
        """What `Network.target` turns back into this target.

        A class is given by its number, because two classes may have the same label.
        """
        if self.like is not None:
            return LIKE + self.like
        output = not self.layer or self.layer.endswith("=")
        if not output or self.channel is None:
            return str(self)
        if not self.layer and not self.place:
            return self.channel
        # A number alone might be the label of another class.
        return f"{self.layer}{CLASS_NUMBER}{self.channel}{self.place}"


# What names a target: "tabby", "blocks.4:12", 281, or a `Target`.
TargetLike = str | SupportsIndex | Target


@dataclass(frozen=True)
class Axis:
    """The input pixels that a layer's units see along one axis.

    Unit i sees the pixels from start + i * jump to stop + i * jump.
    """

    jump: float
    start: float
    stop: float

    @property
    def size(self) -> float:
        return self.stop - self.start + 1

    def span(self, index: int) -> tuple[float, float]:
        """First and last input pixel (inclusive, may lie in the padding) of unit `index`."""
        return self.start + self.jump * index, self.stop + self.jump * index


@dataclass(frozen=True)
class Layer:
    """One row of `net.layers`.

    `shape` is the shape of the output, without its first dimension. `channel_shape` is the shape of
    one image's values in the usual order, whatever the order of the output's dimensions: channels,
    rows and columns, or channels alone where the values have no positions; None where the order is
    not known. `rows` and `columns` give the input pixels that a unit can see; None means that it
    sees the whole image (behind a global pooling, attention or a dense layer) or that its receptive
    field is not known. `activation` is the name of the activation that the layer ends in;
    `NAME.pre` is then what goes into it.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    num_parameters: int
    rows: Axis | None
    columns: Axis | None
    activation: str | None = None
    leaf: bool = True
    channel_shape: tuple[int, ...] | None = None

    @property
    def maps(self) -> tuple[int, int, int] | None:
        """Channels, rows and columns of the feature maps; None where there are none."""
        shape = self.channel_shape
        return (shape[0], shape[-2], shape[-1]) if shape and len(shape) > 2 else None

    @property
    def spatial(self) -> bool:
        """Whether the output is a stack of maps in the order of channels, rows, columns."""
        return self.maps == self.shape

    @property
    def channels(self) -> int:
        return self.channel_shape[0] if self.channel_shape else 1

    @property
    def stride(self) -> tuple[float, float] | None:
        """Input pixels between neighboring units, down and across."""
        return (self.rows.jump, self.columns.jump) if self.rows and self.columns else None

    @property
    def receptive_field(self) -> tuple[float, float] | None:
        """Height and width, in input pixels, of what one unit sees; None for the whole image."""
        return (self.rows.size, self.columns.size) if self.rows and self.columns else None


class Box(NamedTuple):
    """A rectangle on a photograph, in pixels. It is given by its edges, which may be fractional."""

    top: float
    left: float
    height: float
    width: float
