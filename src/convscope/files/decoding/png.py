"""PNG: samples of 1 to 16 bits, and the one color that may be transparent."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

import numpy as np
from PIL import PngImagePlugin

from convscope.files.decoding import exif, pillow
from convscope.files.decoding.limits import Limits, Refusal
from convscope.files.decoding.raster import FLOATS, PILLOW, Raster
from convscope.types import Array

GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}

# Modes of Pillow that keep the higher, or the lower, bytes of samples of 16 bits.
HIGHER = {RGB: ("RGB", "RGB;16B"), RGB_ALPHA: ("RGBA", "RGBA;16B")}
LOWER = {RGB: ("RGB", "RGB;16L"), RGB_ALPHA: ("RGBA", "RGBA;16L")}

ANIMATION = (b"acTL", b"fcTL", b"fdAT")


def png(file: BinaryIO, limits: Limits) -> Raster:
    """The image; of an animation, the one that readers without animations show."""
    file = _without_animation(file)
    head = file.read(33)
    if len(head) < 33 or head[12:16] != b"IHDR":
        raise Refusal("is damaged (it has no header)")
    width, height, bits, color = struct.unpack_from(">IIBB", head, 16)
    if color not in CHANNELS:
        raise Refusal("is damaged (it has no kind of color)")
    image = _opened(file)
    key = None if color == PALETTE else image.info.pop("transparency", None)
    channels = CHANNELS[color] + (key is not None)
    limits.check(width, height, _bytes_a_pixel(bits, channels, color))
    if bits < 16 and key is None:
        raster = pillow.described(image)
    else:
        values = _wide(file, color) if bits == 16 else _narrow(image, CHANNELS[color])
        if key is not None:
            values = _with_alpha(values, key, bits)
        info = image.info
        raster = Raster(
            values,
            65535 if bits == 16 else 255,
            orientation=exif.orientation(info),
            profile=info.get("icc_profile") or b"",
        )
    if "icc_profile" in image.info and not image.info["icc_profile"]:
        raster.profile = b"damaged"
    return raster


def _bytes_a_pixel(bits: int, channels: int, color: int) -> float:
    if bits == 16:
        return FLOATS + PILLOW + 2 * channels
    return FLOATS if channels in (1, 3) and color != PALETTE else FLOATS + 2 * PILLOW


def _opened(file: BinaryIO) -> PngImagePlugin.PngImageFile:
    file.seek(0)
    return PngImagePlugin.PngImageFile(file)


def _narrow(image: PngImagePlugin.PngImageFile, channels: int) -> Array:
    """Samples of 8 bits (H, W, C)."""
    image.load()
    array = np.asarray(image.convert("L") if image.mode == "1" else image)
    return array.reshape(image.height, image.width, channels)


def _wide(file: BinaryIO, color: int) -> Array:
    """Samples of 16 bits (H, W, C), of which Pillow keeps half unless it is told to."""
    if color == GRAY:
        return _as(file, "I;16", "I;16B")[..., None]
    if color == GRAY_ALPHA:
        return _as(file, "RGBA", "RGBA").view(">u2").astype(np.uint16)
    values = _as(file, *HIGHER[color]).astype(np.uint16)
    values <<= 8
    values |= _as(file, *LOWER[color])
    return values


def _as(file: BinaryIO, mode: str, raw: str) -> Array:
    """The image as Pillow reads it if it takes the samples to be of some kind."""
    image = _opened(file)
    image._mode = mode
    image.tile = [tile._replace(args=raw) for tile in image.tile]
    return np.asarray(image)


def _with_alpha(values: Array, key: int | tuple[int, ...], bits: int) -> Array:
    """The samples, and alpha: zero where all channels have the transparent color."""
    scale = 255 // (2**bits - 1) if bits < 8 else 1
    transparent = [(part & (2**bits - 1)) * scale for part in np.atleast_1d(key)]
    if bits == 1:  # Pillow has scaled this one
        transparent = [int(np.max(key))]
    white = values.dtype.type(np.iinfo(values.dtype).max)
    alpha = np.where((values == transparent).all(-1, keepdims=True), 0, white)
    return np.concatenate([values, alpha.astype(values.dtype)], -1)


def _without_animation(file: BinaryIO) -> BinaryIO:
    """The file without the parts of an animation, if it has some.

    Pillow gives Python warnings where these are damaged.
    """
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
        if head[4:] in ANIMATION:
            file.seek(0)
            return io.BytesIO(_cut(file.read()))
        file.seek(int.from_bytes(head[:4], "big") + 4, io.SEEK_CUR)
    file.seek(0)
    return file


def _cut(data: bytes) -> bytes:
    kept, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in ANIMATION:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)
