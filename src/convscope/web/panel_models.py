"""The panels of a frame as the pages get them; their pictures are blobs of the frame."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Message(BaseModel):
    """A value that crosses the wire."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# Blobs of a frame: /api/runs/{run}/frames/{number}/{blob}
Blob = Annotated[int, Field(ge=0)]


class PicturePanel(Message):
    """A photograph or another RGB image. What lies outside the box was not seen.

    A small image that is made to be looked at may be enlarged.
    """

    kind: Literal["picture"] = "picture"
    caption: str
    blob: Blob
    width: int
    height: int
    box: tuple[float, float, float, float] | None = None
    enlarge: bool = False


class HeatmapPanel(Message):
    """A map over a photograph.

    Attributes:
        photo: the photograph below the map; None for a map that stands alone.
        width: of the photograph, or of the map where there is none.
        height: as the width.
        overlay: the colored map, opaque, at the map's own size.
        values: float32 numbers in little endian, row by row.
        shape: rows and columns of the values.
        box: which part of the photograph the map covers: left, top, right, bottom, as fractions.
        label: the unit of the values.
        low: the value of the first color.
        high: the value of the last color.
        colors: the color map from low to high, "#rrggbb".
    """

    kind: Literal["heatmap"] = "heatmap"
    caption: str
    photo: Blob | None
    width: int
    height: int
    overlay: Blob
    values: Blob
    shape: tuple[int, int]
    box: tuple[float, float, float, float] | None = None
    label: str
    signed: bool
    low: float
    high: float
    colors: list[str]


class GridPanel(Message):
    """Many small images in one picture, row by row.

    Attributes:
        targets: what each tile shows, "blocks.4:12"; empty where tiles are no units.
        cells: rows and columns of the map in a tile, where a tile is a map of activations: a click
            on a tile's cell picks the neuron TARGET@row,column.
    """

    kind: Literal["grid"] = "grid"
    caption: str
    blob: Blob
    columns: int
    count: int
    tile: tuple[int, int]
    captions: list[str] = []
    rows: list[str] = []
    marked: list[int] = []
    targets: list[str] = []
    cells: tuple[int, int] | None = None


class SheetPanel(Message):
    """Many maps on pages of rows and columns."""

    kind: Literal["sheet"] = "sheet"
    caption: str
    columns: int | None
    rows: list[str] = []
    maps: list[HeatmapPanel]


class MosaicTile(Message):
    """A tile of a mosaic.

    Attributes:
        box: where it is: left, top, right and bottom, as fractions of the picture.
        photographs: rows of the index that it stands for.
    """

    name: str
    box: tuple[float, float, float, float]
    photographs: list[int]


class MosaicPanel(Message):
    """Many small images in one picture, each where it belongs.

    Attributes:
        tiles: those that have photographs; later ones lie over earlier ones.
        index: digest of the index of these photographs.
    """

    kind: Literal["mosaic"] = "mosaic"
    caption: str
    blob: Blob
    width: int
    height: int
    tiles: list[MosaicTile] = []
    index: str = ""


class BarsPanel(Message):
    """One bar a name."""

    kind: Literal["bars"] = "bars"
    caption: str
    names: list[str]
    values: list[float]
    label: str


class HistogramPanel(Message):
    """How values are distributed; a line marks each of the marks."""

    kind: Literal["histogram"] = "histogram"
    caption: str
    edges: list[float]
    counts: list[int]
    label: str
    marks: list[float] = []


class CurvesPanel(Message):
    """Lines over common positions; None leaves a gap."""

    kind: Literal["curves"] = "curves"
    caption: str
    x: list[float]
    lines: dict[str, list[float | None]]
    x_label: str
    y_label: str
    faint: list[str] = []


class MatrixPanel(Message):
    """A number in each cell of rows and columns; the cells in `right` are no mistakes."""

    kind: Literal["matrix"] = "matrix"
    caption: str
    values: list[list[float]]
    rows: list[str]
    columns: list[str]
    row_label: str
    column_label: str
    right: list[tuple[int, int]] = []


PanelInfo = Annotated[
    PicturePanel
    | HeatmapPanel
    | GridPanel
    | SheetPanel
    | MosaicPanel
    | BarsPanel
    | HistogramPanel
    | CurvesPanel
    | MatrixPanel,
    Field(discriminator="kind"),
]
