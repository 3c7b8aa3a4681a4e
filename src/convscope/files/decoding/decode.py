"""The one guarded decoder: every file of a picture, and every thumbnail, goes through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from PIL.Image import DecompressionBombError

from convscope.errors import ConvscopeError, reason
from convscope.files.decoding import pillow
from convscope.files.decoding.colors import to_srgb
from convscope.files.decoding.heic import AVIF_BRANDS, BRANDS, brands, heic
from convscope.files.decoding.ico import ico
from convscope.files.decoding.jpeg2000 import jpeg2000
from convscope.files.decoding.limits import Limits, Refusal
from convscope.files.decoding.netpbm import netpbm
from convscope.files.decoding.png import png
from convscope.files.decoding.raster import Raster, upright
from convscope.files.decoding.targa import may_be_targa, targa
from convscope.files.decoding.tiff import tiff
from convscope.files.others import reason_for
from convscope.types import Array

Reader = Callable[[BinaryIO, Limits], Raster]


class Image(NamedTuple):
    """What a file holds.

    Args:
        pixels: float32 (3, H, W) in [0, 1], upright, sRGB, on white.
        notes: what was done to its colors.
    """

    pixels: Array
    notes: dict[str, str]


def decode(name: str, file: BinaryIO, limits: Limits) -> Image:
    """Decode an image in one of the known formats.

    Args:
        name: what messages call it.
        file: the file; it is read from its beginning.
        limits: how large the image may be.

    Raises:
        ConvscopeError: it is too large, damaged, or no image.
    """
    with _refusals(name, limits):
        return _finished(_reader(file, name)(file, limits))


def decode_thumbnail(name: str, file: BinaryIO, limits: Limits) -> Image:
    """As `decode`, for JPEG and PNG files only."""
    with _refusals(name, limits):
        if not file.read(8).startswith((JPEG, PNG)):
            raise Refusal("is neither a JPEG nor a PNG image")
        return _finished(_reader(file, "")(file, limits))


def _finished(raster: Raster) -> Image:
    to_srgb(raster)
    return Image(upright(raster), raster.notes)


@contextmanager
def _refusals(name: str, limits: Limits) -> Iterator[None]:
    """Turn whatever a decoder raises into one line."""
    try:
        yield
    except Refusal as refusal:
        raise ConvscopeError(f"{name} {refusal}") from refusal
    except DecompressionBombError as error:  # of Pillow, where it decodes at once
        raise ConvscopeError(f"{name} {limits.too_many()}") from error
    except Exception as error:  # decoders fail on damage in many ways
        said = " ".join(reason(error).split())[:200]
        raise ConvscopeError(f"{name} is damaged ({said})") from error


JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"

# What a file begins with, at which byte, and what reads it.
READERS: tuple[tuple[int, bytes, Reader], ...] = (
    (0, PNG, png),
    (0, JPEG, pillow.jpeg),
    (8, b"WEBP", pillow.webp),
    (0, b"GIF87a", pillow.gif),
    (0, b"GIF89a", pillow.gif),
    (0, b"BM", pillow.bmp),
    (0, b"II*\0", tiff),
    (0, b"MM\0*", tiff),
    (0, b"II+\0", tiff),
    (0, b"MM\0+", tiff),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", jpeg2000),
    (0, b"\xff\x4f\xff\x51", jpeg2000),
    (0, b"\0\0\1\0", ico),
    *((0, b"P" + kind.encode(), netpbm) for kind in "123456fF"),
    *((0, bytes([size, 0, 0, 0]), pillow.bmp) for size in (12, 40, 52, 56, 64, 108, 124)),
)


def _reader(file: BinaryIO, name: str) -> Reader:
    """What reads a file, by what it begins with; the file is at its beginning afterwards.

    Raises:
        Refusal: nothing does.
    """
    file.seek(0)
    head = file.read(16)
    file.seek(0)
    for at, magic, reader in READERS:
        if head[at:].startswith(magic):
            return reader
    found = brands(file)
    file.seek(0)
    if found & AVIF_BRANDS:
        return pillow.avif
    if found & BRANDS:
        return heic
    if may_be_targa(head):
        return targa
    known = reason_for(name)
    raise Refusal(f"is not an image that can be read{known and f': {known}'}")
