"""The panels of a frame as the browser gets them: numbers, and pictures as bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convscope.files import encoded, preview
from convscope.render import parts
from convscope.tensors import around_gray
from convscope.types import (
    Bars,
    Box,
    Curves,
    Grid,
    HeatMap,
    Histogram,
    Matrix,
    Mosaic,
    Panel,
    Picture,
    Sheet,
    SignedPicture,
)
from convscope.web.panel_models import (
    BarsPanel,
    CurvesPanel,
    GridPanel,
    HeatmapPanel,
    HistogramPanel,
    MatrixPanel,
    MosaicPanel,
    MosaicTile,
    PanelInfo,
    PicturePanel,
    SheetPanel,
)

LARGEST = 1600  # pixels of the longer side of a photograph

SMALL = 48  # pixels of a tile that a JPEG would blur into its neighbors

BINS = 80  # of a histogram

NUMBERS = "application/octet-stream"

Blob = tuple[str, bytes]


class _Photo(NamedTuple):
    """An image, its bytes, and their number among the blobs of a frame."""

    rgb: Tensor
    encoded: Blob
    blob: int


class Encoder:
    """Makes panels and their blobs. A photograph that the frame before showed is not encoded again.

    Attributes:
        blobs: the media types and bytes of the last frame, in the order of their numbers.
    """

    def __init__(self) -> None:
        self.blobs: list[Blob] = []
        self._exact = False
        self._before: list[_Photo] = []
        self._photos: list[_Photo] = []

    def encode(self, panels: Sequence[Panel], *, exact: bool) -> list[PanelInfo]:
        """The panels of a frame.

        Args:
            panels: what is shown.
            exact: keep pictures as they are, if they are not large.
        """
        self._before = self._photos if exact == self._exact else []
        self._exact, self._photos, self.blobs = exact, [], []
        return [self._panel(panel) for panel in parts.drawable(panels)]

    def _panel(self, panel: Panel) -> PanelInfo:
        match panel:
            case Picture():
                return self._picture(panel)
            case SignedPicture(values, caption):
                return self._picture(Picture(around_gray(values), caption))
            case HeatMap():
                return self._heatmap(panel)
            case Grid():
                return self._grid(panel)
            case Sheet():
                maps = [self._heatmap(one) for one in panel.maps]
                return SheetPanel(
                    caption=panel.caption, columns=panel.columns, rows=[*panel.rows], maps=maps
                )
            case Mosaic():
                return self._mosaic(panel)
        return plot(panel)

    def _picture(self, panel: Picture) -> PicturePanel:
        height, width = panel.rgb.shape[-2:]
        return PicturePanel(
            caption=panel.caption,
            blob=self._photo(panel.rgb),
            width=width,
            height=height,
            box=fractions(panel.box, height, width),
            enlarge=panel.enlarge,
        )

    def _heatmap(self, panel: HeatMap) -> HeatmapPanel:
        found = parts.layered(panel)
        rows, columns = panel.values.shape
        ground = panel.values if panel.photo is None else panel.photo
        height, width = ground.shape[-2:]
        return HeatmapPanel(
            caption=panel.caption,
            photo=None if panel.photo is None else self._photo(panel.photo),
            width=width,
            height=height,
            overlay=self._add(encoded(found.picture)),
            values=self._add((NUMBERS, parts.numbers(panel.values))),
            shape=(rows, columns),
            box=fractions(panel.box, height, width),
            label=panel.label,
            signed=panel.signed,
            low=found.scale.low,
            high=found.scale.high,
            colors=found.shades,
        )

    def _grid(self, panel: Grid) -> GridPanel:
        picture, columns = parts.tiled(panel)
        count, _, height, width = panel.tiles.shape
        blurs = min(height, width) < SMALL
        blob = encoded(picture) if blurs else self._encoded(picture)
        return GridPanel(
            caption=panel.caption,
            blob=self._add(blob),
            columns=columns,
            count=count,
            tile=(height, width),
            captions=[*panel.captions],
            rows=[*panel.rows],
            marked=sorted(panel.marked),
            targets=[*panel.units],
            cells=(height, width) if panel.places else None,
        )

    def _mosaic(self, panel: Mosaic) -> MosaicPanel:
        picture = parts.mosaic_picture(panel)
        return MosaicPanel(
            caption=panel.caption,
            blob=self._add(self._encoded(picture)),
            width=picture.width,
            height=picture.height,
            tiles=[*_tiles(panel)],
            index=panel.index,
        )

    def _photo(self, rgb: Tensor) -> int:
        """The number of an image's blob, which several panels may share."""
        for photo in self._photos:
            if same(photo.rgb, rgb):
                return photo.blob
        known = next((photo.encoded for photo in self._before if same(photo.rgb, rgb)), None)
        blob = known or self._encoded(parts.rgb_picture(rgb))
        self._photos.append(_Photo(rgb.detach().clone(), blob, self._add(blob)))
        return self._photos[-1].blob

    def _encoded(self, picture: Image.Image) -> Blob:
        return encoded(picture) if self._exact else preview(picture, LARGEST)

    def _add(self, blob: Blob) -> int:
        self.blobs.append((blob[0], blob[1]))
        return len(self.blobs) - 1


def same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def fractions(
    box: Box | None, height: float, width: float
) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of a rectangle, as fractions of the image that it is in."""
    if box is None:
        return None
    left, top = box.left / width, box.top / height
    return left, top, left + box.width / width, top + box.height / height


def _tiles(panel: Mosaic) -> Iterator[MosaicTile]:
    """The tiles of a mosaic that have photographs."""
    names = panel.names or ("",) * len(panel.photographs)
    corners = panel.places.tolist()
    for name, (x, y), rows in zip(names, corners, panel.photographs, strict=False):
        box = fractions(Box(y - 0.5, x - 0.5, 1, 1), panel.size[1], panel.size[0])
        assert box is not None
        yield MosaicTile(name=name, box=box, photographs=[*rows])


def plot(panel: Panel) -> PanelInfo:
    """A panel that is numbers alone."""
    match panel:
        case Bars():
            known = [one for one in zip(panel.names, panel.values, strict=True) if _is_known(one)]
            return BarsPanel(
                caption=panel.caption,
                names=[name for name, _ in known],
                values=[value for _, value in known],
                label=panel.label,
            )
        case Histogram():
            return _histogram(panel)
        case Curves():
            return CurvesPanel(
                caption=panel.caption,
                x=[*panel.x],
                lines={name: [*map(_or_gap, line)] for name, line in panel.lines.items()},
                x_label=panel.x_label,
                y_label=panel.y_label,
                faint=sorted(panel.faint),
            )
        case Matrix():
            return MatrixPanel(
                caption=panel.caption,
                values=panel.counts.tolist(),
                rows=[*panel.rows],
                columns=[*panel.columns],
                row_label=panel.row_label,
                column_label=panel.column_label,
                right=sorted(panel.right),
            )
    raise TypeError(f"no panel: {type(panel).__name__}")


def _is_known(bar: tuple[str, float]) -> bool:
    return math.isfinite(bar[1])


def _or_gap(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _histogram(panel: Histogram) -> HistogramPanel:
    values = panel.values.detach().cpu().double().flatten()
    counts, edges = np.histogram(values[values.isfinite()].numpy(), bins=BINS)
    return HistogramPanel(
        caption=panel.caption,
        edges=edges.tolist(),
        counts=counts.tolist(),
        label=panel.label,
        marks=[*panel.marks],
    )
