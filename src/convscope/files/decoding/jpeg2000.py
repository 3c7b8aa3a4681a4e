"""JPEG 2000: Pillow's decoder, with what its bits mean."""

from __future__ import annotations

import struct
from typing import BinaryIO, NamedTuple

from PIL import Jpeg2KImagePlugin

from convscope.files.decoding import pillow
from convscope.files.decoding.limits import Limits, Refusal
from convscope.files.decoding.raster import Raster

BYTES_A_PIXEL = 28  # the decoder holds 32 bits of each channel, and copies

MOST_TILES = 4096
HEADER = 100_000  # bytes in which the image data must begin

START = b"\xff\x4f\xff\x51"


class _Size(NamedTuple):
    """What the image data say of themselves, apart from the file around them."""

    right: int
    down: int
    left: int
    top: int
    tile_width: int
    tile_height: int
    tile_left: int
    tile_top: int
    channels: int


def jpeg2000(file: BinaryIO, limits: Limits) -> Raster:
    image = Jpeg2KImagePlugin.Jpeg2KImageFile(file)
    limits.check(*image.size, BYTES_A_PIXEL)
    file.seek(0)
    bits = _bits(file.read(HEADER), limits)
    file.seek(0)
    indexed = image.mode in ("P", "PA")
    raster = pillow.described(image)
    if not indexed:  # Pillow moves numbers up to fill 8 or 16 bits, so white is a little less
        raster.white = (2**bits - 1) << ((8 if bits <= 8 else 16) - bits)
    return raster


def _bits(head: bytes, limits: Limits) -> int:
    """How many bits the channels have, if they can be decoded."""
    at = head.find(START)
    if at < 0 or at + 42 > len(head):
        raise Refusal("is damaged (its image data do not begin where they should)")
    size = _Size(*struct.unpack_from(">8IH", head, at + 8))
    limits.check(size.right - size.left, size.down - size.top, BYTES_A_PIXEL)
    if not size.tile_width or not size.tile_height or not 1 <= size.channels <= 4:
        raise Refusal(f"is damaged (it has {size.channels} channels)")
    if -(-size.right // size.tile_width) * -(-size.down // size.tile_height) > MOST_TILES:
        raise Refusal("would take too long: it has too many tiles; save it again")
    depths = {(depth & 127) + 1 for depth in head[at + 42 : at + 42 + 3 * size.channels : 3]}
    if len(depths) != 1:
        raise Refusal("has channels of different kinds; save it with the same number of bits")
    (bits,) = depths
    if bits > 16 or (bits > 8 and size.channels > 1):
        # Pillow makes white black where it rounds to 8 bits.
        raise Refusal(f"has colors of {bits} bits, which are not read here; save it with 8 bits")
    return bits
