"""TIFF: samples of 1 to 64 bits as the file's own tags describe them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from convscope.files.decoding import tiff_tags as tags
from convscope.files.decoding.limits import Limits, Refusal
from convscope.files.decoding.raster import FLOATS, Raster
from convscope.files.decoding.tiff_colors import INKS, RGB, YCBCR, colors_of, raster_of
from convscope.files.decoding.tiff_samples import Samples, samples_of
from convscope.files.decoding.tiff_segments import (
    JPEG,
    REVERSED,
    Segment,
    decompressed,
    decompressor,
)
from convscope.files.decoding.tiff_tags import Tags, number, numbers
from convscope.types import Array

MOST_PARTS = 300_000
MOST_CHANNELS = 16


@dataclass(frozen=True)
class Layout:
    """Where a page has its samples.

    Args:
        width, height: of the image in pixels.
        channels: of each pixel.
        planar: whether each channel has strips of its own.
        tiled: whether there are tiles rather than strips.
        across, down: size of a tile or strip in pixels.
    """

    width: int
    height: int
    channels: int
    planar: bool
    tiled: bool
    across: int
    down: int

    @property
    def together(self) -> int:
        """How many channels a strip or tile has."""
        return 1 if self.planar else self.channels

    @property
    def corners(self) -> Iterator[tuple[int, int, int]]:
        """The first channel, top and left of all strips or tiles, in order."""
        for plane in range(self.channels if self.planar else 1):
            for top in range(0, self.height, self.down):
                for left in range(0, self.width, self.across):
                    yield plane, top, left

    def rows(self, top: int) -> int:
        """The last strip has fewer rows; tiles are always full."""
        return self.down if self.tiled else min(self.down, self.height - top)

    @property
    def count(self) -> int:
        rows, columns = -(-self.height // self.down), -(-self.width // self.across)
        return rows * columns * (self.channels if self.planar else 1)


def tiff(file: BinaryIO, limits: Limits) -> Raster:
    order, page = tags.photograph(file)
    kind = colors_of(page)
    compression = int(number(page, tags.COMPRESSION, 1))
    layout = _layout(page)
    samples = samples_of(order, page, layout.channels, kind == YCBCR and compression != JPEG)
    limits.check(layout.width, layout.height, _bytes_a_pixel(layout, samples))
    if kind == YCBCR and compression == JPEG:
        kind = RGB  # as the decoder of JPEG gives it
    return raster_of(_values(file, page, layout, samples), samples, kind, page)


def _values(file: BinaryIO, page: Tags, layout: Layout, samples: Samples) -> Array:
    """All samples, (H, W, C)."""
    compression = int(number(page, tags.COMPRESSION, 1))
    decompress = decompressor(compression)
    reverse = number(page, tags.FILL_ORDER, 1) == 2 and compression != JPEG
    tables, mode = tags.data(page, tags.JPEG_TABLES), _jpeg_colors(page, layout)
    found = np.empty((layout.height, layout.width, layout.channels), samples.dtype)
    for (plane, top, left), place, size in zip(layout.corners, *_places(page, layout), strict=True):
        rows = layout.rows(top)
        stored = samples.stored(rows, layout.across, layout.together)
        segment = Segment(*stored, tables, mode)
        file.seek(place)
        data = file.read(min(size, 2 * segment.size + 65_536))
        if reverse:
            data = data.translate(REVERSED)
        bytes_ = decompressed(data, segment, decompress)
        values = samples.numbers(bytes_, rows, layout.across, layout.together)
        part = found[top : top + rows, left : left + layout.across]
        part[..., plane : plane + layout.together] = values[: len(part), : part.shape[1]]
    return found


def _jpeg_colors(page: Tags, layout: Layout) -> str:
    """The colors that JPEG data have, which their own header does not say."""
    if layout.together == 1:
        return "L"
    return {RGB: "RGB", YCBCR: "YCbCr", INKS: "CMYK"}.get(int(number(page, tags.PHOTOMETRIC)), "")


def _places(page: Tags, layout: Layout) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where the strips or tiles begin in the file, and how many bytes each has."""
    places = numbers(page, tags.TILES if layout.tiled else tags.STRIPS)
    sizes = numbers(page, tags.TILE_SIZES if layout.tiled else tags.STRIP_SIZES)
    if len(places) < layout.count or len(sizes) < layout.count:
        raise Refusal(f"is damaged (it has {len(places)} parts where {layout.count} are due)")
    return (
        tuple(int(place) for place in places[: layout.count]),
        tuple(int(size) for size in sizes[: layout.count]),
    )


def _bytes_a_pixel(layout: Layout, samples: Samples) -> float:
    """Memory for the samples, the largest part while it is decompressed, and the floats."""
    size = samples.dtype.itemsize * layout.channels
    part = layout.across * layout.down / (layout.width * layout.height)
    last = FLOATS if samples.bits == 8 and layout.channels == 3 else FLOATS + 2 * size
    return max(size * (1 + 3 * part), last)


def _layout(page: Tags) -> Layout:
    width, height = int(number(page, tags.WIDTH)), int(number(page, tags.HEIGHT))
    channels = int(number(page, tags.CHANNELS, 1))
    if not 1 <= channels <= MOST_CHANNELS:
        raise Refusal(f"is damaged (it has {channels} channels)")
    tiled = tags.TILES in page
    if width < 1 or height < 1:
        raise Refusal("is damaged (it has no pixels)")
    across = int(number(page, tags.TILE_WIDTH)) if tiled else width
    down = int(number(page, tags.TILE_HEIGHT if tiled else tags.ROWS_A_STRIP, height))
    planar = channels > 1 and number(page, tags.PLANAR, 1) == 2
    down = down if tiled else min(down, height)
    layout = Layout(width, height, channels, planar, tiled, across, down)
    if across < 1 or down < 1 or across > 2 * width + 512 or down > 2 * height + 512:
        raise Refusal("is damaged (its strips or tiles have an impossible size)")
    if layout.count > MOST_PARTS:
        raise Refusal("would take too long: it has too many strips or tiles; save it again")
    return layout
