"""The tags of a TIFF file, read within bounds."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from convscope.files.decoding.limits import Refusal

MOST_PAGES = 16  # that are looked through for the photograph
MOST_TAGS = 1000
MOST_BYTES = 16_000_000  # of one tag: an ICC profile, or the places of a million strips

# Of the types of TIFF, as `struct` knows them.
TYPES = {
    1: "B", 2: "s", 3: "H", 4: "I", 6: "b", 7: "s", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I",
    16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
RATIONAL = 5

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER, STRIPS, ORIENTATION, CHANNELS, ROWS_A_STRIP, STRIP_SIZES = 266, 273, 274, 277, 278, 279
PLANAR, PREDICTOR, PALETTE, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES = (
    284,
    317,
    320,
    322,
    323,
    324,
    325,
)
SUBPAGES, INK_SET, EXTRA, FORMAT, JPEG_TABLES = 330, 332, 338, 339, 347
LUMA, SUBSAMPLING, REFERENCE, PROFILE, RAW = 529, 530, 532, 34675, 50706

USED = frozenset({
    SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIPS, ORIENTATION,
    CHANNELS, ROWS_A_STRIP, STRIP_SIZES, PLANAR, PREDICTOR, PALETTE, TILE_WIDTH, TILE_HEIGHT,
    TILES, TILE_SIZES, SUBPAGES, INK_SET, EXTRA, FORMAT, JPEG_TABLES, LUMA, SUBSAMPLING, REFERENCE,
    PROFILE, RAW,
})  # fmt: skip

Values = tuple[float, ...] | bytes
Tags = Mapping[int, Values]


def photograph(file: BinaryIO) -> tuple[str, Tags]:
    """The byte order of a file, as `struct` writes it, and the tags of its first full page.

    Raises:
        Refusal: it is a raw photograph, or has no page.
    """
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    if head[8:10] == b"CR":
        raise raw_photograph()
    (first,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
    pages = [page for page in _pages(file, order, big, first) if WIDTH in page]
    if not pages:
        raise Refusal("is damaged (it has no page)")
    for page in pages:
        if RAW in page:
            raise raw_photograph()
        if not int(number(page, SUBFILE, 0)) & 1:
            return order, page
    if SUBPAGES in pages[0]:  # only previews are pages
        raise raw_photograph()
    return order, pages[0]


def raw_photograph() -> Refusal:
    return Refusal("is a raw photograph; develop it first, and save it as JPEG or TIFF")


def number(tags: Tags, tag: int, default: float | None = None) -> float:
    """The first value of a tag.

    Raises:
        Refusal: it is missing and has no default.
    """
    values = tags.get(tag)
    if values:
        return values[0]
    if default is None:
        raise Refusal(f"is damaged (its tag {tag} is missing)")
    return default


def numbers(tags: Tags, tag: int) -> tuple[float, ...]:
    """All values of a tag; none if it is missing."""
    return tuple(tags.get(tag, ()))


def data(tags: Tags, tag: int) -> bytes:
    """The values of a tag that holds bytes; none if it is missing."""
    values = tags.get(tag, b"")
    return values if isinstance(values, bytes) else bytes(int(value) & 255 for value in values)


def _pages(file: BinaryIO, order: str, big: bool, at: int) -> Iterator[Tags]:
    """The pages of a file, one after the other."""
    seen: set[int] = set()
    while at and at not in seen and len(seen) < MOST_PAGES:
        seen.add(at)
        file.seek(at)
        count_format, entry_size, next_format = ("Q", 20, "Q") if big else ("H", 12, "I")
        (count,) = _unpacked(file, order + count_format)
        if count > MOST_TAGS:
            raise Refusal(f"is damaged (it has {count} tags)")
        table = file.read(entry_size * count)
        follows = file.read(struct.calcsize(next_format))
        yield _tags(file, order, big, table)
        whole = len(follows) == struct.calcsize(next_format)
        at = struct.unpack(order + next_format, follows)[0] if whole else 0


def _tags(file: BinaryIO, order: str, big: bool, table: bytes) -> Tags:
    found: dict[int, Values] = {}
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    for tag, kind, count, value in entry.iter_unpack(
        table[: len(table) // entry.size * entry.size]
    ):
        if tag in USED and tag not in found:
            values = _values(file, order, big, kind, count, value)
            if values is not None:
                found[tag] = values
    return found


def _values(
    file: BinaryIO, order: str, big: bool, kind: int, count: int, value: bytes
) -> Values | None:
    """The values of one tag; None if they cannot be read."""
    letter, times = ("I", 2) if kind == RATIONAL else (TYPES.get(kind), 1)
    if letter is None:
        return None
    size = struct.calcsize(letter) * times * count
    if size > MOST_BYTES:
        raise Refusal("is damaged (one of its tags is too large)")
    if size > len(value):
        file.seek(struct.unpack(order + ("Q" if big else "I"), value)[0])
        value = file.read(size)
        if len(value) < size:
            return None
    if letter == "s":
        return value[:size]
    values = struct.unpack(f"{order}{times * count}{letter}", value[:size])
    if kind == RATIONAL:
        return tuple(a / b if b else 0.0 for a, b in zip(values[::2], values[1::2], strict=True))
    return values


def _unpacked(file: BinaryIO, layout: str) -> tuple[int, ...]:
    data = file.read(struct.calcsize(layout))
    if len(data) < struct.calcsize(layout):
        raise Refusal("is damaged (it ends early)")
    return struct.unpack(layout, data)
