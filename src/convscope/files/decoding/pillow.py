"""Formats that Pillow decodes as they are, each with its bounds.

Its classes are called directly: `Image.open` gives Python warnings, which a library that runs in
threads cannot hold back, and tries other formats.
"""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    WebPImagePlugin,
)

from convscope.files.decoding import exif
from convscope.files.decoding.limits import Limits, Refusal
from convscope.files.decoding.raster import FLOATS, PILLOW, Raster
from convscope.types import Array

# Pixels times scans of a progressive JPEG; each scan goes through all of the image.
MOST_SCANNED = 2_000_000_000

# The decoders of these hold several copies of the image. Bytes for each pixel.
WEBP, WEBP_ALPHA, AVIF = 20, 30, 24

RUN_LENGTHS = (1, 2)  # kinds of compression of BMP
SLOW_PIXELS = 16_000_000

MOST_EXIF_PARTS = 64  # of a JPEG file


class Jpeg(JpegImagePlugin.JpegImageFile):
    def getexif(self) -> Image.Exif:
        """None: it would give Python warnings about damage."""
        return Image.Exif()


def jpeg(file: BinaryIO, limits: Limits) -> Raster:
    image = opened_jpeg(file)
    # All coefficients of a progressive image are kept until its last scan.
    limits.check(*image.size, FLOATS + bool(image.info.get("progressive")))
    if image.mode == "CMYK" and "adobe" not in image.info:
        tile = image.tile[0]  # only Adobe's files store inks inverted
        image.tile = [tile._replace(args=("CMYK", ""))]
    return described(image)


def opened_jpeg(file: BinaryIO) -> Jpeg:
    """A JPEG file, not yet decoded.

    Raises:
        Refusal: decoding would take too long.
    """
    if _exif_parts(file) > MOST_EXIF_PARTS:  # Pillow joins them one by one
        raise Refusal("is damaged (its EXIF data are in too many parts)")
    image = Jpeg(file)
    if image.info.get("progressive"):
        file.seek(0)
        scans = file.read().count(b"\xff\xda")
        if image.width * image.height * scans > MOST_SCANNED:
            raise Refusal(f"would take too long: it has {scans} scans; save it again")
    return image


def _exif_parts(file: BinaryIO) -> int:
    """How many parts of the header hold EXIF data."""
    file.seek(2)
    parts = 0
    while len(head := file.read(10)) == 10 and head[0] == 0xFF and head[1] != 0xDA:
        parts += head[1] == 0xE1 and head[4:] == b"Exif\0\0"
        file.seek(int.from_bytes(head[2:4], "big") - 8, io.SEEK_CUR)
    file.seek(0)
    return parts


def webp(file: BinaryIO, limits: Limits) -> Raster:
    image = WebPImagePlugin.WebPImageFile(file)
    return checked(image, limits, WEBP_ALPHA if image.mode == "RGBA" else WEBP)


def avif(file: BinaryIO, limits: Limits) -> Raster:
    return checked(AvifImagePlugin.AvifImageFile(file), limits, AVIF)


def gif(file: BinaryIO, limits: Limits) -> Raster:
    """The first frame; the canvas grows to hold it."""
    limits.check(*_canvas(file), FLOATS + PILLOW)
    return checked(GifImagePlugin.GifImageFile(file), limits, FLOATS + PILLOW)


def _canvas(file: BinaryIO) -> tuple[int, int]:
    """Width and height of a GIF file with its first frame."""
    head = file.read(13)
    width, height = struct.unpack_from("<HH", head, 6)
    if head[10] & 128:
        file.seek(3 << ((head[10] & 7) + 1), io.SEEK_CUR)
    while (kind := file.read(1)) == b"!":
        file.seek(1, io.SEEK_CUR)
        while size := file.read(1):
            if size == b"\0":
                break
            file.seek(size[0], io.SEEK_CUR)
    if kind == b",":
        left, top, across, down = struct.unpack("<4H", file.read(8))
        width, height = max(width, left + across), max(height, top + down)
    file.seek(0)
    return width, height


def bmp(file: BinaryIO, limits: Limits) -> Raster:
    kind = BmpImagePlugin.BmpImageFile if file.read(2) == b"BM" else BmpImagePlugin.DibImageFile
    file.seek(0)
    image = kind(file)
    if image.info["compression"] in RUN_LENGTHS:  # which Pillow decodes in Python
        limits.check(*image.size, limits.memory / SLOW_PIXELS)
        if file.seek(0, io.SEEK_END) > SLOW_PIXELS:
            raise Refusal("would take too long: save it again without run lengths")
    return checked(image, limits, FLOATS + PILLOW)


def checked(image: ImageFile.ImageFile, limits: Limits, bytes_a_pixel: float) -> Raster:
    """Decode what has been opened, if it is not too large."""
    limits.check(*image.size, bytes_a_pixel)
    return described(image)


def described(image: Image.Image) -> Raster:
    """The raster of an image of Pillow, with what its metadata say."""
    image.load()
    info: dict[Any, Any] = image.info
    profile = info.get("icc_profile")
    pixels = simple(image)
    white = 255.0
    if not isinstance(pixels, Image.Image):
        white = max(1 if image.mode == "F" else 65535, pixels.max())
    return Raster(
        pixels,
        white=white,
        orientation=exif.orientation(info),
        profile=profile if isinstance(profile, bytes) else b"",
    )


def simple(image: Image.Image) -> Image.Image | Array:
    """The image in one of the modes that a raster may have, or as an array."""
    if image.mode.startswith("I") or image.mode == "F":
        gray = np.asarray(image, np.float32)[..., None]
        return np.where(np.isfinite(gray), gray, 0).clip(0, None)
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode == "1" else "RGB")
