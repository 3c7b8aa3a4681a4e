"""Plain values that every room shares: targets, layers, frames and the panels that show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor


class Prediction(NamedTuple):
    """One row of what a classifier says."""

    label: str
    probability: float
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls here


@dataclass(frozen=True)
class Target:
    """What a score is read off: a class, a layer, a channel or one neuron.

    `layer` is "" for the network's own output, as in `nn.Module.named_modules`.
    """

    layer: str
    channel: int | None = None
    position: tuple[int, int] | None = None
    label: str | None = None

    def __str__(self) -> str:
        if self.label is not None:
            return self.label
        channel = "" if self.channel is None else f":{self.channel}"
        position = "" if self.position is None else f"@{self.position[0]},{self.position[1]}"
        return (self.layer or "output") + channel + position

    @property
    def word(self) -> str | int:
        """What names it again: of a class its number, for labels may be shared."""
        return str(self) if self.label is None or self.channel is None else self.channel


@dataclass(frozen=True)
class Axis:
    """The input pixels that unit i of a layer sees on one axis: start + jump i to stop + jump i."""

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

    `shape` is the output's without the batch. `rows` and `columns` tell which input pixels a unit
    can see; None means that it sees the whole image (behind a global pooling or a dense layer) or
    that convscope cannot tell. `activation` names the function whose output this layer's is:
    where there is one, `NAME.pre` names what went into it.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    parameters: int
    rows: Axis | None
    columns: Axis | None
    activation: str | None = None
    leaf: bool = True

    @property
    def spatial(self) -> bool:
        """Whether the output is a stack of maps (channels, rows, columns)."""
        return len(self.shape) == 3

    @property
    def channels(self) -> int:
        return self.shape[0] if self.shape else 1

    @property
    def stride(self) -> tuple[float, float] | None:
        """Input pixels between neighbouring units, down and across."""
        return (self.rows.jump, self.columns.jump) if self.rows and self.columns else None

    @property
    def receptive_field(self) -> tuple[float, float] | None:
        """Height and width, in input pixels, of what one unit sees; None: the whole image."""
        return (self.rows.size, self.columns.size) if self.rows and self.columns else None


class Box(NamedTuple):
    """A rectangle on a photograph, in its pixels; edges, not centres, so it may be fractional."""

    top: float
    left: float
    height: float
    width: float


@dataclass(frozen=True)
class Picture:
    """A panel that is a photograph or another RGB image (3, H, W) in [0, 1].

    Where `box` is given, what lies outside it is dimmed: the network did not see it. With a fourth
    channel, transparency, it stands alone.
    """

    rgb: Tensor
    caption: str = ""
    box: Box | None = None


@dataclass(frozen=True)
class SignedPicture:
    """A panel of signed colours (3, H, W), a gradient say, drawn around grey: grey is zero."""

    values: Tensor
    caption: str = ""


@dataclass(frozen=True)
class HeatMap:
    """A panel that is a map (H, W) in the units that `label` names, drawn over `photo` where given.

    A signed map gets a diverging colour map centred on zero. `box` tells which part of the photo
    the map covers. `clip` is the quantile at which colours saturate, of |values| where signed: it
    changes the picture, never the values. `top` is the value itself, for maps on one scale: it
    wins over `clip`, and an unsigned map then begins at zero.
    """

    values: Tensor
    label: str
    caption: str = ""
    photo: Tensor | None = None
    box: Box | None = None
    signed: bool = False
    clip: float = 1.0
    top: float | None = None


@dataclass(frozen=True)
class Grid:
    """A panel of many small images: (K, 1, h, w) grey maps or (K, 3, h, w) RGB.

    Values are shown between `low` and `high` (each tile's own extremes where None). `marked` tiles
    are crossed out (dead channels, say), `rows` are captions of whole rows. `tile_inches` is the
    side of a square as large as a tile.
    """

    tiles: Tensor
    caption: str = ""
    columns: int | None = None
    captions: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    marked: frozenset[int] = frozenset()
    low: float | None = None
    high: float | None = None
    tile_inches: float | None = None


@dataclass(frozen=True)
class Sheet:
    """A panel of many small maps: a strip of layers, a table of methods and targets.

    Each is drawn as its HeatMap says, its caption below it, without a colour bar; `rows` are
    captions of whole rows. `tile_inches` is the side of a square as large as a tile.
    """

    maps: tuple[HeatMap, ...]
    caption: str = ""
    columns: int | None = None
    rows: tuple[str, ...] = ()
    tile_inches: float | None = None


@dataclass(frozen=True)
class Mosaic:
    """A panel of many small square images (K, 3, s, s), RGB in [0, 1], each where it belongs.

    `places` (K, 2) are their middles, from the left and from the top of a canvas of `size` (width
    and height), all measured in tiles. Later tiles lie over earlier ones.
    """

    tiles: Tensor
    places: Tensor
    size: tuple[float, float]
    caption: str = ""


@dataclass(frozen=True)
class Bars:
    """A panel of horizontal bars, one a name, in the order given; `form` writes the values."""

    names: tuple[str, ...]
    values: tuple[float, ...]
    label: str
    caption: str = ""
    form: str = ".3g"


@dataclass(frozen=True)
class Histogram:
    """A panel that shows how values (any shape) are distributed; a line marks each of `marks`."""

    values: Tensor
    label: str
    caption: str = ""
    marks: tuple[float, ...] = ()


@dataclass(frozen=True)
class Curves:
    """A panel of lines over common positions `x`, one a name.

    What is `faint` is drawn as a background to compare with: a control. NaN leaves a gap.
    """

    x: tuple[float, ...]
    lines: Mapping[str, tuple[float, ...]]
    x_label: str
    y_label: str
    caption: str = ""
    faint: frozenset[str] = frozenset()


Panel = Picture | SignedPicture | HeatMap | Grid | Sheet | Mosaic | Bars | Histogram | Curves


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One moment of a run: the numbers, and the panels that show them.

    A technique yields these; the last one is its result. Tensors lead with the batch:
    `image` (N, 3, H, W) RGB in [0, 1], `gradient` (N, 3, H, W) of the score by the image that the
    network saw, `heatmap` (N, H, W) in score units, `score` (N,). `arrays` holds what has no name
    of its own, `figures` what a person would quote. `activations` are those the objective read.
    """

    panels: tuple[Panel, ...] = ()
    step: int = 1
    steps: int = 1
    image: Tensor | None = None
    gradient: Tensor | None = None
    heatmap: Tensor | None = None
    score: Tensor | None = None
    arrays: Mapping[str, Tensor] = field(default_factory=dict)
    figures: Mapping[str, object] = field(default_factory=dict)
    activations: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ascent(Frame):
    """A frame of a climb, where image, gradient and score are always there.

    `scores` (step, N) are those of all steps so far.
    """

    image: Tensor
    gradient: Tensor
    score: Tensor
    scores: Tensor | None = None
