"""LZW as TIFF has it, by Pillow's decoder of GIF, which has the same codes in another order.

libtiff, which Pillow decodes TIFF with, writes to the process's standard error where data are
damaged.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from convscope.files.decoding.limits import Refusal
from convscope.types import Array

CLEAR, END = 256, 257

# How many codes of 9, 10, 11 and 12 bits follow a code that clears the table: TIFF's codes grow one
# code earlier than those of GIF. A full table is cleared, so a block has no more codes than this.
TIFF, GIF = (254, 512, 1024, 4096), (255, 512, 1024, 4096)

# Encoders clear a table when it is full, after 5 kB. Each block takes as long as one of 5 kB.
MOST_BLOCKS_A_KILOBYTE = 1


def unpacked(data: bytes, width: int, height: int) -> Array:
    """The bytes that LZW data stand for, (height, width).

    Raises:
        Refusal: the data are damaged.
    """
    framed = _framed(b"".join(_repacked(_gif_bits(data))))
    image = Image.frombytes("L", (width, height), framed, "gif", (8, False))
    return np.asarray(image)


def _framed(stream: bytes) -> bytes:
    """A stream in the blocks that GIF has: a byte with the length, and up to 255 bytes."""
    whole = len(stream) // 255
    blocks = np.full((whole, 256), 255, np.uint8)
    blocks[:, 1:] = np.frombuffer(stream, np.uint8)[: whole * 255].reshape(whole, 255)
    rest = stream[whole * 255 :]
    return blocks.tobytes() + bytes([len(rest)]) + rest + b"\0"


def _repacked(parts: Iterator[Array]) -> Iterator[bytes]:
    """Bits as bytes; the first bit is the lowest."""
    left = np.zeros(0, np.uint8)
    for part in parts:
        bits = np.concatenate([left, part])
        whole = len(bits) // 8 * 8
        left = bits[whole:]
        yield np.packbits(bits[:whole], bitorder="little").tobytes()
    yield np.packbits(left, bitorder="little").tobytes()


def _gif_bits(data: bytes) -> Iterator[Array]:
    """The bits of the same codes in GIF's order, block by block."""
    at, blocks = 0, 0
    while at + 9 <= 8 * len(data):
        blocks += 1
        if blocks > 16 + MOST_BLOCKS_A_KILOBYTE * len(data) / 1024:
            raise Refusal("is damaged (its LZW data are cleared too often)")
        codes = _codes(data, at)
        ends = np.flatnonzero((codes == CLEAR) | (codes == END))
        count = int(ends[0]) + 1 if ends.size else len(codes)
        at += sum(_widths(TIFF, count))
        yield np.concatenate([*_in_groups(codes[:count])])
        if not ends.size or codes[count - 1] == END:
            return


def _codes(data: bytes, at: int) -> Array:
    """The codes from bit `at` on, as far as they can be known: up to a full table."""
    first = at // 8
    bits = np.unpackbits(np.frombuffer(data[first : first + 6144], np.uint8))[at % 8 :]
    found, start = [], 0
    for number, width in zip(TIFF, range(9, 13), strict=True):
        number = min(number, (len(bits) - start) // width)
        group = bits[start : start + number * width].reshape(number, width)
        padded = np.zeros((number, 16), np.uint8)
        padded[:, 16 - width :] = group
        found.append(np.packbits(padded).view(">u2"))
        start += number * width
    return np.concatenate(found)


def _widths(groups: tuple[int, ...], count: int) -> Iterator[int]:
    """How many bits the first codes of a block take, by width."""
    for number, width in zip(groups, range(9, 13), strict=True):
        number = min(number, count)
        yield number * width
        count -= number


def _in_groups(codes: Array) -> Iterator[Array]:
    start = 0
    for number, width in zip(GIF, range(9, 13), strict=True):
        group = codes[start : start + number].astype("<u2").view(np.uint8)
        bits = np.unpackbits(group, bitorder="little").reshape(-1, 16)
        yield bits[:, :width].reshape(-1)
        start += number
