"""Plain values that every room shares: targets, layers, frames and the panels that show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from convscope.types.targets import Box


@dataclass(frozen=True)
class Picture:
    """A panel that is a photograph or another RGB image (3, H, W) in [0, 1].

    Where `box` is given, what lies outside it is dimmed: the network did not see it. A fourth
    channel is a channel like others, unless the picture is `transparent`: it then stands alone. A
    small picture that stands alone keeps its size; one that is made to be looked at is enlarged
    where `enlarge` is set, and says so.
    """

    rgb: Tensor
    caption: str = ""
    box: Box | None = None
    transparent: bool = False
    enlarge: bool = False


@dataclass(frozen=True)
class SignedPicture:
    """A panel of signed colors (3, H, W), a gradient say, drawn around gray: gray is zero."""

    values: Tensor
    caption: str = ""


@dataclass(frozen=True)
class HeatMap:
    """A panel that is a map (H, W) in the units that `label` names, drawn over `photo` where given.

    A signed map gets a diverging color map centered on zero. `box` tells which part of the photo
    the map covers. `clip` is the quantile at which colors saturate, of |values| where signed: it
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
class MapStyle:
    """How the heatmap of an attribution is drawn.

    `label` names its unit. A signed map has a diverging color map centered on zero. A `pixelwise`
    map varies from pixel to pixel, and few pixels tower above the rest: over a photograph it is
    smoothed, and its highest values saturate.
    """

    label: str = "score"
    signed: bool = False
    pixelwise: bool = False


@dataclass(frozen=True)
class Grid:
    """A panel of many small images: (K, 1, h, w) gray maps or (K, 3, h, w) RGB.

    Values are shown between `low` and `high` (each tile's own extremes where None). `marked` tiles
    are crossed out (dead channels, say), `rows` are captions of whole rows. `tile_inches` is the
    side of a square as large as a tile. Where `columns` is None, the page decides, and `together`
    tiles stay in one row. `units` names what the tiles show, "blocks.4:12"; where `places` is set,
    a pixel of a tile is a position of its unit.
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
    together: int = 1
    units: tuple[str, ...] = ()
    places: bool = False


@dataclass(frozen=True)
class Sheet:
    """A panel of many small maps: a strip of layers, a table of methods and targets.

    Each is drawn as its HeatMap says, its caption below it, without a color bar; `rows` are
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
    and height), all measured in tiles. Later tiles lie over earlier ones. `names` are written on
    the tiles, at their lower edge, where the tiles are large enough. `photographs` are the rows of
    an index behind each tile; `index` is the digest of that index.
    """

    tiles: Tensor
    places: Tensor
    size: tuple[float, float]
    caption: str = ""
    names: tuple[str, ...] = ()
    photographs: tuple[tuple[int, ...], ...] = ()
    index: str = ""


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


@dataclass(frozen=True)
class Matrix:
    """A panel of counts (rows, columns), such as a confusion matrix, with a number in each cell.

    Colors are fractions: of the sum of a row, or of `whole`, where zeros are written, too. The
    cells (row, column) in `right`, which are no mistakes, have another color.
    """

    counts: Tensor
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    row_label: str
    column_label: str
    right: frozenset[tuple[int, int]]
    caption: str = ""
    whole: int | None = None


Panel = (
    Picture | SignedPicture | HeatMap | Grid | Sheet | Mosaic | Bars | Histogram | Curves | Matrix
)
