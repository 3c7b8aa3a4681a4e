"""Image files that are damaged, or made to take much time or memory."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

Files = Iterator[tuple[str, bytes]]


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def usual() -> dict[str, bytes]:
    """A small image in many formats."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    pixels[:20] = np.arange(64)[None, :, None] * 4
    image = Image.fromarray(pixels)
    frames: dict[str, Any] = {"save_all": True, "append_images": [image.rotate(90), image]}
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "jpg": encoded(image, "JPEG", exif=exif),
        "progressive.jpg": encoded(image, "JPEG", progressive=True),
        "inks.jpg": encoded(image.convert("CMYK"), "JPEG"),
        "png": encoded(image, "PNG", exif=exif),
        "palette.png": encoded(image.convert("P"), "PNG"),
        "frames.png": encoded(image, "PNG", **frames),
        "gif": encoded(image, "GIF"),
        "frames.gif": encoded(image, "GIF", **frames),
        "webp": encoded(image, "WEBP"),
        "lossless.webp": encoded(image, "WEBP", lossless=True, exif=exif),
        "frames.webp": encoded(image, "WEBP", **frames),
        "tif": encoded(image, "TIFF"),
        "lzw.tif": encoded(image, "TIFF", compression="tiff_lzw"),
        "deflate.tif": encoded(image, "TIFF", compression="tiff_adobe_deflate"),
        "packbits.tif": encoded(image, "TIFF", compression="packbits"),
        "jpeg.tif": encoded(image, "TIFF", compression="jpeg"),
        "fax.tif": encoded(image.convert("1"), "TIFF", compression="group4"),
        "bmp": encoded(image, "BMP"),
        "jp2": encoded(image, "JPEG2000"),
        "j2k": encoded(image, "JPEG2000", no_jp2=True),
        "avif": encoded(image, "AVIF"),
        "ppm": encoded(image, "PPM"),
        "tga": encoded(image, "TGA"),
        "rle.tga": encoded(image, "TGA", compression="tga_rle"),
        "ico": encoded(image, "ICO"),
        "bitmap.ico": encoded(image, "ICO", bitmap_format="bmp"),
    }


def damaged(each: int = 12) -> Files:
    """The usual files, cut off at some places, with some bytes changed, and with more behind."""
    chance = random.Random(0)
    for name, data in usual().items():
        for part in (0.03, 0.15, 0.4, 0.7, 0.97):
            yield f"cut-{part}-{name}", data[: max(1, int(len(data) * part))]
        for number in range(each):
            changed = bytearray(data)
            near = chance.choice([40, 200, len(data)])
            for _ in range(chance.choice([1, 3, 10])):
                changed[chance.randrange(min(near, len(data)))] = chance.randrange(256)
            yield f"changed-{number}-{name}", bytes(changed)
        yield f"long-{name}", data + chance.randbytes(5000)


def zeros(count: int) -> bytes:
    """So many bytes, compressed to a thousandth."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(min(2**24, count - at))) for at in range(0, count, 2**24)]
    return b"".join(parts) + packer.flush()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, color: int, before: bytes = b"") -> bytes:
    """A PNG of zeros, with all its rows."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    rows = zeros(min(height * (1 + -(-width * bits * channels // 8)), 2**29))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    parts = head, before, chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(tags: dict[int, int | list[int]], data: bytes) -> bytes:
    """A TIFF of one strip, or of the strips that the tags name; its data begin at byte 8."""
    usual: dict[int, int | list[int]] = {
        258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 2**32 - 1, 279: len(data),
    }  # fmt: skip
    table = b""
    for tag, value in sorted((usual | tags).items()):
        if isinstance(value, list):
            place, count = 8 + len(data), len(value)
            data += struct.pack(f"<{count}I", *value)
        else:
            place, count = value, 1
        table += struct.pack("<HHII", tag, 4, count, place)
    count = len(usual | tags)
    start = struct.pack("<I", 8 + len(data))
    return b"II*\0" + start + data + struct.pack("<H", count) + table + bytes(4)


def refused() -> Files:
    """Small files that stand for very much, or that would take very long."""
    yield "thin.png", png(1, 64_000_000, 8, 0)
    yield "profile.png", png(4, 4, 8, 2, chunk(b"iCCP", b"x\0\0" + zeros(5 * 10**7)))
    yield "frames.png", png(4, 4, 8, 2, chunk(b"acTL", bytes(8)) * 2)
    small = encoded(Image.new("RGB", (16, 16)), "JPEG")
    parts = (b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65527)) * 100
    yield "exif.jpg", small[:2] + parts + small[2:]
    yield "comments.pgm", b"P2 4 4 255\n" + b"#\n" * 1_000_000 + b"1 " * 16
    clears = int(f"{256:09b}" * 50_000, 2).to_bytes(56_250, "big")
    yield "clears.tif", tiff({256: 3000, 257: 3000, 259: 5}, clears)
    yield "channels.tif", tiff({256: 7000, 257: 7000, 277: 65_535}, b"")
    tag = struct.pack("<HHII", 270, 2, 2**31, 0)
    yield "tags.tif", b"II*\0\x08\0\0\0\xff\xff" + tag * 65_535
    yield "circle.tif", b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHIII", 256, 4, 1, 4, 8)
    yield "many.ico", b"\0\0\1\0\xff\xff" + ICON * 65535


ICON = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, 10**6, 22)


def bombs() -> Files:
    """Files of the largest size that is opened, and some that take long."""
    yield from refused()
    yield "wide.png", png(64_000_000, 1, 8, 0)
    yield "large.png", png(7700, 7800, 8, 2)
    yield "alpha.png", png(6700, 6700, 8, 6)
    yield "deep.png", png(6000, 6000, 16, 2)
    yield "deep-alpha.png", png(5800, 5800, 16, 6)
    yield "texts.png", png(4, 4, 8, 2, chunk(b"zTXt", b"x\0\0" + zeros(10**6)) * 100)
    yield "many.png", png(4, 4, 8, 2, chunk(b"tEXt", b"a\0b") * 100_000)
    slow = encoded(Image.new("RGB", (7700, 7700)), "JPEG", progressive=True)
    scan = slow[slow.rindex(b"\xff\xda") : -2]
    yield "scans.jpg", slow[:-2] + scan * 2000 + b"\xff\xd9"
    yield "few-scans.jpg", slow[:-2] + scan * 10 + b"\xff\xd9"
    yield "large.gif", encoded(Image.new("P", (7700, 7700)), "GIF")
    yield "large.webp", encoded(Image.new("RGB", (6150, 6150)), "WEBP")
    yield "alpha.webp", encoded(Image.new("RGBA", (5000, 5000)), "WEBP", lossless=True)
    yield "large.avif", encoded(Image.new("RGB", (5600, 5600)), "AVIF", speed=10)
    yield "large.jp2", encoded(Image.new("RGB", (5000, 5000)), "JPEG2000")
    yield "plain.pgm", b"P2 5000 6000 9\n" + b"1 " * 30_000_000
    yield "large.tif", tiff({256: 7700, 257: 7700, 259: 8, 262: 2, 277: 3}, zeros(7700 * 7700 * 3))
    yield "deep.tif", tiff({256: 5000, 257: 5000, 258: 12, 259: 8}, zeros(5000 * 7500))
    rows = 65_535
    strips: dict[int, int | list[int]] = {256: 900, 257: rows, 278: 1, 273: [8] * rows}
    yield "overlap.tif", tiff(strips | {259: 8, 279: [10**8] * rows}, bytes(10**7))
    yield "strips.tif", tiff(strips | {259: 5, 279: [2000] * rows}, bytes(2000))
    head = struct.pack("<IiiHHIIiiII", 40, 4000, 3900, 1, 8, 1, 0, 0, 0, 256, 0) + bytes(1024)
    yield "runs.bmp", b"BM" + bytes(8) + struct.pack("<I", 1078) + head + b"\1\7" * 7_000_000
    yield "thin.ico", b"\0\0\1\0\1\0" + ICON + png(1, 64_000_000, 8, 0)
