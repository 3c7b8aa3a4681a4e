"""The strips and tiles of a TIFF file, decompressed within bounds and without libtiff.

libtiff writes to the process's standard error where data are damaged.
"""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from convscope.files.decoding import lzw
from convscope.files.decoding.limits import Refusal
from convscope.files.decoding.pillow import opened_jpeg
from convscope.types import Array

# Compressions that nothing here decodes, by their names.
NAMES = {
    2: "CCITT", 3: "CCITT fax", 4: "CCITT fax", 6: "old JPEG", 34677: "SGI log", 34712: "JPEG 2000",
    34887: "LERC", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL",
}  # fmt: skip
JPEG = 7

REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Segment:
    """How a strip or tile is stored.

    Args:
        rows, row_bytes: its size when it is decompressed.
        tables: of JPEG, which the segments share.
        mode: of a JPEG segment that is decoded: "L", "RGB", "YCbCr" or "CMYK".
    """

    rows: int
    row_bytes: int
    tables: bytes = b""
    mode: str = ""

    @property
    def size(self) -> int:
        return self.rows * self.row_bytes


Decompress = Callable[[bytes, Segment], bytes | Array]


def decompressor(compression: int) -> Decompress:
    """What decompresses segments.

    Raises:
        Refusal: nothing does.
    """
    found = DECOMPRESSORS.get(compression)
    if found is None:
        name = NAMES.get(compression, f"method {compression}")
        raise Refusal(
            f"is compressed with {name}, which is not read here; save it without compression"
        )
    return found


def decompressed(data: bytes, segment: Segment, decompress: Decompress) -> Array:
    """The bytes of a segment, (rows, row bytes).

    Raises:
        Refusal: there are too few.
    """
    found = decompress(data, segment)
    array = np.frombuffer(found, np.uint8) if isinstance(found, bytes) else found.reshape(-1)
    if len(array) < segment.size:
        raise Refusal("is damaged (some of its image data are missing)")
    return array[: segment.size].reshape(segment.rows, segment.row_bytes)


def _plain(data: bytes, _: Segment) -> bytes:
    return data


def _deflate(data: bytes, segment: Segment) -> bytes:
    return zlib.decompressobj().decompress(data, segment.size)


def _lzma(data: bytes, segment: Segment) -> bytes:
    limit = 64_000_000  # bytes of memory
    return lzma.LZMADecompressor(memlimit=limit).decompress(data, segment.size)


def _lzw(data: bytes, segment: Segment) -> Array:
    return lzw.unpacked(data, segment.row_bytes, segment.rows)


def _packbits(data: bytes, segment: Segment) -> Array:
    size = segment.row_bytes, segment.rows
    return np.asarray(Image.frombytes("L", size, data, "packbits", "L"))


def _jpeg(data: bytes, segment: Segment) -> Array:
    """One JPEG image; its tables may be stored apart from it."""
    if segment.tables[-2:] == b"\xff\xd9":
        data = segment.tables[:-2] + data[2:]
    image = opened_jpeg(io.BytesIO(data))
    channels = len(image.getbands())
    if image.height < segment.rows or image.width * channels != segment.row_bytes:
        raise Refusal("is damaged (its JPEG data have another size)")
    if image.width * image.height > 2 * segment.size + 4096:
        raise Refusal("is damaged (its JPEG data are larger than the image)")
    raw = "CMYK" if channels == 4 else image.mode
    image.tile = [image.tile[0]._replace(args=(raw, segment.mode))]
    return np.asarray(image)[: segment.rows]


DECOMPRESSORS: dict[int, Decompress] = {
    1: _plain,
    5: _lzw,
    JPEG: _jpeg,
    8: _deflate,
    32946: _deflate,
    32773: _packbits,
    34925: _lzma,
}
