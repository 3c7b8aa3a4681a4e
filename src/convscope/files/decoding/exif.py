"""Which way up an image is, from its EXIF or XMP metadata.

Pillow reads these too, but it gives Python warnings about damage, which a library that runs in
threads cannot hold back.
"""

from __future__ import annotations

import re
import struct
from typing import Any

ORIENTATION = 0x0112
MOST_TAGS = 1000
RAW_PROFILE = "Raw profile type exif"  # as ImageMagick writes EXIF into PNG


def orientation(info: dict[Any, Any]) -> int:
    """The orientation in what Pillow found in a file, from 1 to 8; 1 if there is none."""
    found = _of_exif(info.get("exif") or _of_text(info.get(RAW_PROFILE)))
    for key in ("xmp", "XML:com.adobe.xmp"):
        found = found or _of_xmp(info.get(key))
    return found or 1


def _of_exif(data: object) -> int:
    """The orientation in EXIF data, a TIFF file without an image; 0 if it has none."""
    if not isinstance(data, bytes):
        return 0
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 10:
        return 0
    (first,) = struct.unpack_from(order + "I", data, 4)
    if first + 2 > len(data):
        return 0
    (count,) = struct.unpack_from(order + "H", data, first)
    for at in range(first + 2, first + 2 + 12 * min(count, MOST_TAGS), 12):
        if at + 12 > len(data):
            break
        tag, kind, number, value = struct.unpack_from(order + "HHIH", data, at)
        if tag == ORIENTATION and kind == 3 and number >= 1:
            return value if 1 <= value <= 8 else 0
    return 0


def _of_xmp(data: object) -> int:
    text = data.encode() if isinstance(data, str) else data
    if not isinstance(text, bytes):
        return 0
    found = re.search(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])\b""", text[:1_000_000])
    return int(found[1]) if found else 0


def _of_text(text: object) -> bytes | None:
    """EXIF data written as hexadecimal digits, after a line with the name and one with the size."""
    if not isinstance(text, str):
        return None
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return None
