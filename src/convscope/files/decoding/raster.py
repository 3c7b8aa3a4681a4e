"""Samples as a file has them, and how they become float32 RGB in [0, 1] without many copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from convscope.files.decoding.limits import Refusal
from convscope.types import Array

# Pixels, and bytes, that are converted together, so that temporary copies stay small.
BAND, EXPANDED = 2**22, 2**17

# How far floats may lie outside of [0, 1]: resizing may overshoot.
BEYOND = 0.1

# Bytes for each pixel: of the float32 image, and of an 8-bit image in Pillow with several channels.
FLOATS, PILLOW = 12, 4


@dataclass
class Raster:
    """A decoded image, not yet upright.

    Args:
        pixels: an image of Pillow in mode "L", "LA", "RGB", "RGBA" or "CMYK", or an array
            (H, W, C) with the same channels, whose numbers are fractions of `white`.
        white: the largest value in an array.
        premultiplied: whether the colors are multiplied by alpha already.
        orientation: as in EXIF, from 1 to 8.
        profile: the ICC profile, if the file has one.
    """

    pixels: Image.Image | Array
    white: float = 255
    premultiplied: bool = False
    orientation: int = 1
    profile: bytes = b""
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        if isinstance(self.pixels, Image.Image):
            return self.pixels.height, self.pixels.width
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def channels(self) -> int:
        if isinstance(self.pixels, Image.Image):
            return len(self.pixels.getbands())
        channels: int = self.pixels.shape[2]
        return channels

    def drop_alpha(self) -> None:
        """Forget alpha, if there is some."""
        if isinstance(self.pixels, Image.Image):
            mode = {"LA": "L", "RGBA": "RGB"}.get(self.pixels.mode)
            if mode:
                self.pixels = self.pixels.convert(mode)

    def bands(self) -> Iterator[tuple[slice, Array]]:
        """Some rows at a time, each (rows, W, C)."""
        height, width = self.size
        rows = max(1, BAND // width)
        for top in range(0, height, rows):
            part = slice(top, min(top + rows, height))
            if isinstance(self.pixels, Image.Image):
                whole = rows >= height
                box = (0, part.start, width, part.stop)
                values = np.asarray(self.pixels if whole else self.pixels.crop(box))
                yield part, values.reshape(part.stop - part.start, width, -1)
            else:
                yield part, self.pixels[part]


def in_range(values: Array) -> None:
    """Make sure that floats run from black, 0, to white, 1; a little beyond is clipped later.

    Raises:
        Refusal: they do not, and nothing says which number is white.
    """
    for top in range(0, len(values), 256):
        part = values[top : top + 256]
        if not np.isfinite(part).all():
            raise Refusal("has numbers that are infinite or missing (NaN)")
        least, most = part.min(), part.max()
        if least < -BEYOND or most > 1 + BEYOND:
            raise Refusal(
                f"has numbers from {least:.4g} to {most:.4g} and does not say which is white; scale"
                " them to run from 0 to 1"
            )


def upright(raster: Raster) -> Array:
    """The image as float32 (3, H, W) in [0, 1], on white; the raster is used up."""
    height, width = raster.size
    if raster.orientation > 4:
        height, width = width, height
    result = np.empty((3, height, width), np.float32)
    if raster.channels in (1, 3) and raster.white == 255:
        _from_bytes(raster, result)
    else:
        stored = as_stored(result, raster.orientation)
        for rows, values in raster.bands():
            stored[:, rows] = _on_white(values, raster).transpose(2, 0, 1)
    return result


def as_stored(image: Array, orientation: int) -> Array:
    """A view of an upright image (C, H, W) that has the rows and columns of its file."""
    views = {
        2: image[..., ::-1],
        3: image[..., ::-1, ::-1],
        4: image[..., ::-1, :],
        5: image.swapaxes(1, 2),
        6: np.rot90(image, 1, (1, 2)),
        7: np.rot90(image, 2, (1, 2)).swapaxes(1, 2),
        8: np.rot90(image, -1, (1, 2)),
    }
    return views.get(orientation, image)


def _from_bytes(raster: Raster, result: Array) -> None:
    """Fill an image from bytes of RGB or gray, in its own memory.

    The bytes are laid at its end, the raster is dropped, and then the bytes become floats from the
    front, which never overtake those that are still to be read. So nothing else takes memory.
    """
    channels = raster.channels
    flat = result.reshape(-1)
    count = flat.size * channels // 3
    last = flat.view(np.uint8)[-count:]
    planes = as_stored(last.reshape(-1, *result.shape[1:]), raster.orientation)
    for rows, values in raster.bands():
        planes[:, rows] = values.transpose(2, 0, 1)
        del values
    raster.pixels = np.empty((0, 0, 0), np.uint8)
    for start in range(0, count, EXPANDED):
        part = slice(start, min(start + EXPANDED, count))
        flat[part] = last[part].astype(np.float32)
        flat[part] /= 255
    if channels == 1:
        result[1:] = result[:1]


def _on_white(values: Array, raster: Raster) -> Array:
    """Colors (rows, W, 3) or gray (rows, W, 1) of samples, in [0, 1]."""
    channels = values.shape[2]
    fractions = values.astype(np.float32)
    fractions /= np.float32(raster.white)
    if channels not in (2, 4):
        return fractions.clip(0, 1)
    alpha, colors = fractions[..., -1:], fractions[..., :-1]
    if not raster.premultiplied:
        colors = colors * alpha
    return (colors + (1 - alpha)).clip(0, 1)
