"""HEIC, by the package pillow-heif, which is an extra."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from convscope.files.decoding import pillow
from convscope.files.decoding.limits import Limits, Refusal
from convscope.files.decoding.raster import Raster

# The decoder holds the brightness and color planes, and RGB twice.
BYTES_A_PIXEL = 20

BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})


def brands(file: BinaryIO) -> frozenset[bytes]:
    """The formats that a file of this family says it is of."""
    head = file.read(256)
    if head[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    found = [head[at : at + 4] for at in range(8, end, 4)]
    return frozenset(found[:1] + found[2:])  # the second is a version


def heic(file: BinaryIO, limits: Limits) -> Raster:
    """The main image. Its rotation is part of its coding, so that EXIF is not asked."""
    try:
        import pillow_heif
    except ImportError as error:
        raise Refusal("is HEIC; pip install 'convscope[heic]' opens it") from error
    opened = pillow_heif.open_heif(file)
    image = opened[opened.primary_index]
    limits.check(*image.size, BYTES_A_PIXEL)
    pixels: Image.Image = image.to_pillow()
    profile = image.info.get("icc_profile")
    return Raster(
        pillow.simple(pixels),
        premultiplied=bool(image.premultiplied_alpha),
        profile=profile if isinstance(profile, bytes) else b"",
    )
