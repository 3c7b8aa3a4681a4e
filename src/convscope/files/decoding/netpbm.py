"""PBM, PGM, PPM and PFM: samples with the largest value that the file names."""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np

from convscope.files.decoding.limits import Limits, Refusal
from convscope.files.decoding.raster import FLOATS, Raster, in_range
from convscope.types import Array

HEADER = 65_536  # bytes, with its comments
MOST_TEXT = 64_000_000  # bytes; reading numbers written as text takes long

MOST_COMMENTS = 10_000

GAP = rb"(?:\s|#[^\n]*\n)+"
BITS = re.compile(rb"P[14]" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,9})\s")
NUMBERS = re.compile(
    rb"P[2356]" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,9})\s"
)
FLOATING = re.compile(rb"P[fF]\s+(\d{1,9})\s+(\d{1,9})\s+([-+.\deE]{1,40})\s")


def netpbm(file: BinaryIO, limits: Limits) -> Raster:
    head = file.read(HEADER)
    kind = head[1:2]
    pattern = BITS if kind in b"14" else FLOATING if kind in b"fF" else NUMBERS
    found = pattern.match(head)
    if found is None:
        raise Refusal("is damaged (it has no header)")
    width, height = int(found[1]), int(found[2])
    channels = 3 if kind in b"36F" else 1
    limits.check(width, height, FLOATS + 5 * channels)
    file.seek(found.end())
    shape = height, width, channels
    if kind in b"fF":
        return Raster(_floats(file, shape, float(found[3])), 1)
    if kind in b"14":
        return Raster(_bits(file, shape, plain=kind == b"1"), 255)
    return Raster(*_numbers(file, shape, int(found[3]), plain=kind in b"23"))


Shape = tuple[int, int, int]


def _bits(file: BinaryIO, shape: Shape, *, plain: bool) -> Array:
    """One is black, zero white."""
    height, width, _ = shape
    if plain:
        digits = _text(file).translate(None, b" \t\r\n\v\f")[: height * width]
        if digits.strip(b"01"):
            raise Refusal("is damaged (it holds what are no bits)")
        ones = _enough(np.frombuffer(digits, np.uint8), height * width) - ord("0")
    else:
        stored = -(-width // 8)
        rows = _read(file, np.dtype(np.uint8), height * stored).reshape(height, stored)
        ones = np.unpackbits(rows, axis=1)[:, :width]
    return ((1 - ones) * np.uint8(255)).reshape(shape)


def _numbers(file: BinaryIO, shape: Shape, white: int, *, plain: bool) -> tuple[Array, float]:
    if not 1 <= white <= 65535:
        raise Refusal(f"is damaged (its largest value is {white})")
    count = int(np.prod(shape))
    kind = np.dtype(np.uint8 if white < 256 else ">u2")
    if plain:
        text = _text(file)
        if re.search(rb"[^\d\s]|\d{6}", text):
            raise Refusal("is damaged (it holds what are no numbers)")
        values = _enough(np.fromstring(text, np.int64, count, sep=" "), count)
    else:
        values = _read(file, kind, count)
    if values.max() > white:
        raise Refusal(f"is damaged (it holds values above its largest, {white})")
    return values.astype(kind.newbyteorder("=")).reshape(shape), white


def _floats(file: BinaryIO, shape: Shape, scale: float) -> Array:
    """The rows are stored upward. The sign of the scale is the order of bytes; its size a unit."""
    if not scale:
        raise Refusal("is damaged (its scale is zero)")
    kind = np.dtype("<f4" if scale < 0 else ">f4")
    values = _read(file, kind, int(np.prod(shape))).reshape(shape)[::-1]
    in_range(values)
    return values


def _text(file: BinaryIO) -> bytes:
    text = file.read(MOST_TEXT + 1)
    if len(text) > MOST_TEXT:
        raise Refusal("would take too long: its numbers are text; save it as bytes")
    comments = text.count(b"#")
    if comments > MOST_COMMENTS:
        raise Refusal(f"is damaged (it has {comments} comments)")
    return re.sub(rb"#[^\n]*", b"", text) if comments else text


def _read(file: BinaryIO, kind: np.dtype[np.generic], count: int) -> Array:
    return _enough(np.frombuffer(file.read(count * kind.itemsize), kind), count)


def _enough(values: Array, count: int) -> Array:
    if len(values) < count:
        raise Refusal("is damaged (some of its image data are missing)")
    return values
