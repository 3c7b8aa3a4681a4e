"""ICO: the largest of its images, which is a PNG or a bitmap with a mask."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from PIL import IcoImagePlugin

from convscope.files.decoding import pillow
from convscope.files.decoding.limits import Limits, Refusal
from convscope.files.decoding.png import png
from convscope.files.decoding.raster import Raster

# The mask is decoded as well, in several copies.
BYTES_A_PIXEL = 40


def ico(file: BinaryIO, limits: Limits) -> Raster:
    icons = IcoImagePlugin.IcoFile(file)
    if not icons.entry:
        raise Refusal("is damaged (it has no image)")
    largest = icons.entry[0]
    file.seek(largest.offset)
    head = file.read(16)
    if head.startswith(b"\x89PNG"):
        file.seek(largest.offset)
        return png(io.BytesIO(file.read(largest.size)), limits)
    size, width, height = struct.unpack_from("<Iii", head)
    if size < 40:
        raise Refusal("is damaged (its bitmap has no header)")
    limits.check(width, abs(height) // 2, BYTES_A_PIXEL)
    return pillow.described(icons.frame(0))
