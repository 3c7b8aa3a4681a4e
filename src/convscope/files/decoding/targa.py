"""TGA: Pillow's decoder, with alpha only where the file says that it has some."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from PIL import Image, TgaImagePlugin

from convscope.files.decoding import pillow
from convscope.files.decoding.limits import Limits
from convscope.files.decoding.raster import FLOATS, PILLOW, Raster

FOOTER = b"TRUEVISION-XFILE.\0"
STRAIGHT, PREMULTIPLIED = 3, 4  # kinds of alpha in the second version; others mean none


def may_be_targa(head: bytes) -> bool:
    """Whether a file may be a Targa image, which has no mark at its beginning."""
    return len(head) == 16 and head[1] in (0, 1) and head[2] in (1, 2, 3, 9, 10, 11)


def targa(file: BinaryIO, limits: Limits) -> Raster:
    bits_of_alpha = file.read(18)[17] & 15
    kind = _kind_of_alpha(file)
    file.seek(0)
    raster = pillow.checked(_Targa(file), limits, FLOATS + 2 * PILLOW)
    raster.premultiplied = kind == PREMULTIPLIED
    if not bits_of_alpha or kind not in (STRAIGHT, PREMULTIPLIED):
        raster.drop_alpha()
    return raster


def _kind_of_alpha(file: BinaryIO) -> int:
    """What a file of the second version says of its alpha; straight if it says nothing."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 26))
    footer = file.read(26)
    if len(footer) < 26 or not footer.endswith(FOOTER):
        return STRAIGHT
    (extension,) = struct.unpack_from("<I", footer)
    file.seek(extension + 494)
    said = file.read(1)
    return said[0] if extension and said else STRAIGHT


class _Targa(TgaImagePlugin.TgaImageFile):
    def load_end(self) -> None:
        """Turn the image; alpha is not looked at here, which fails for files below 26 bytes."""
        if self._flip_horizontally:
            self.im = self.im.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
