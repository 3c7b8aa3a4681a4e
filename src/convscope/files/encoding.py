"""Pictures as bytes of bounded number, for pages and notebooks that hold many of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image

LIMIT = 220_000  # bytes, which are 300 kB as text

LARGEST = 2000  # pixels of the longer side

QUALITIES = (92, 85, 75, 60)


class Encoded(NamedTuple):
    """A picture as the bytes of a file."""

    media_type: str
    data: bytes

    @property
    def text(self) -> str:
        """The bytes in base64."""
        return base64.b64encode(self.data).decode()

    @property
    def uri(self) -> str:
        """What an HTML page shows without another file."""
        return f"data:{self.media_type};base64,{self.text}"


def encoded(picture: Image.Image, limit: int = LIMIT, largest: int = LARGEST) -> Encoded:
    """A picture as a PNG, or as a JPEG if it is a large photograph.

    A JPEG is made coarser, and then smaller, until it has at most `limit` bytes.
    """
    picture = _shrunk(picture, largest / max(picture.size))
    exact = _bytes(picture, "PNG", compress_level=3)
    if len(exact) <= limit:
        return Encoded("image/png", exact)
    candidates = _coarser(on_white(picture).convert("RGB"))
    return Encoded("image/jpeg", next(data for data in candidates if len(data) <= limit))


def preview(picture: Image.Image, largest: int) -> Encoded:
    """A picture as a JPEG that is quickly made and sent."""
    small = on_white(_shrunk(picture, largest / max(picture.size))).convert("RGB")
    return Encoded("image/jpeg", _bytes(small, "JPEG", quality=80))


def quick_png(picture: Image.Image) -> Encoded:
    """A small picture as a PNG that is quickly made."""
    return Encoded("image/png", _bytes(picture, "PNG", compress_level=1))


def webp(picture: Image.Image, quality: int, effort: int = 4) -> bytes:
    """A picture as the bytes of a WebP file: small, and without what is hardly seen."""
    return _bytes(picture, "WEBP", quality=quality, method=effort)


def on_white(picture: Image.Image) -> Image.Image:
    """A picture without transparency, which not every format has."""
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _coarser(picture: Image.Image) -> Iterator[bytes]:
    while True:
        for quality in QUALITIES:
            # Colored letters and lines blur if colors are stored at half the resolution.
            yield _bytes(picture, "JPEG", quality=quality, subsampling=0)
        picture = _shrunk(picture, 0.7)


def _shrunk(picture: Image.Image, factor: float) -> Image.Image:
    if factor >= 1:
        return picture
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _bytes(picture: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
