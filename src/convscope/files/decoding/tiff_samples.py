"""Numbers of 1 to 64 bits from the bytes of a TIFF file's strips and tiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convscope.files.decoding import tiff_tags as tags
from convscope.files.decoding.limits import Refusal
from convscope.files.decoding.tiff_tags import Tags, number, numbers
from convscope.types import Array

UNSIGNED, SIGNED, FLOAT, UNDEFINED = 1, 2, 3, 4

DIFFERENCES, FLOAT_DIFFERENCES = 2, 3  # kinds of prediction

UNPACKED = 2**20  # samples of odd sizes that are unpacked together


@dataclass(frozen=True)
class Samples:
    """How numbers are stored.

    Args:
        order: of bytes, "<" or ">".
        bits: of each number.
        floating: whether they are floats.
        predictor: what the numbers in the file are differences of.
        subsampling: columns and rows that share one color in YCbCr.
    """

    order: str
    bits: int
    floating: bool
    predictor: int = 1
    subsampling: tuple[int, int] = (1, 1)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """That of the numbers in memory."""
        size = next(bits for bits in (8, 16, 32, 64) if bits >= self.bits) // 8
        return np.dtype(f"{'f' if self.floating else 'u'}{size}")

    @property
    def white(self) -> float:
        return 1.0 if self.floating else 2.0**self.bits - 1

    def stored(self, rows: int, across: int, channels: int) -> tuple[int, int]:
        """Rows, and bytes of each row, that so many pixels are stored in."""
        wide, high = self.subsampling
        if (wide, high) != (1, 1):
            return -(-rows // high), -(-across // wide) * (wide * high + 2)
        return rows, -(-across * channels * self.bits // 8)

    def numbers(self, data: Array, rows: int, across: int, channels: int) -> Array:
        """The numbers (rows, across, channels) in bytes (stored rows, bytes of a row)."""
        if self.subsampling != (1, 1):
            return self._spread(data)[:rows, :across]
        if self.bits not in (8, 16, 32, 64):
            return self._unpacked(data, across * channels).reshape(rows, across, channels)
        if self.predictor == FLOAT_DIFFERENCES:
            data = self._from_planes(data, channels)
        order = ">" if self.predictor == FLOAT_DIFFERENCES else self.order
        stored = np.dtype(order + self.dtype.str[1:])
        values: Array = np.ascontiguousarray(data).view(stored).reshape(rows, across, channels)
        if self.predictor == DIFFERENCES:
            whole = values.astype(self.dtype).view(f"u{self.dtype.itemsize}")
            values = whole.cumsum(1, dtype=whole.dtype).view(self.dtype)
        return values

    def _unpacked(self, data: Array, count: int) -> Array:
        """Numbers of an odd number of bits, (rows, count); each row begins with a new byte."""
        wide = 8 * self.dtype.itemsize
        found = np.empty((len(data), count), self.dtype)
        step = max(1, UNPACKED // count)
        for top in range(0, len(data), step):
            bits = np.unpackbits(data[top : top + step], axis=1)[:, : count * self.bits]
            padded = np.zeros((bits.size // self.bits, wide), np.uint8)
            padded[:, wide - self.bits :] = bits.reshape(-1, self.bits)
            packed = np.packbits(padded).view(f">u{wide // 8}")
            found[top : top + step] = packed.reshape(-1, count)
        return found

    def _from_planes(self, data: Array, channels: int) -> Array:
        """Bytes of big-endian floats, from differences of their first bytes, second bytes ...

        Adobe Photoshop TIFF Technical Note 3.
        """
        size = self.dtype.itemsize
        whole = data.reshape(len(data), -1, channels).cumsum(1, dtype=np.uint8)
        return whole.reshape(len(data), size, -1).swapaxes(1, 2).reshape(len(data), -1)

    def _spread(self, data: Array) -> Array:
        """Y, Cb and Cr of all pixels, from blocks of several Y with one Cb and Cr."""
        wide, high = self.subsampling
        blocks = data.reshape(len(data), -1, wide * high + 2)
        squares = blocks[..., :-2].reshape(*blocks.shape[:2], high, wide)
        luma = squares.swapaxes(1, 2).reshape(len(data) * high, -1)
        colors = blocks[..., -2:].repeat(high, 0).repeat(wide, 1)
        return np.concatenate([luma[..., None], colors], -1)


def samples_of(order: str, page: Tags, channels: int, subsampled: bool) -> Samples:
    """How a page stores its numbers.

    Raises:
        Refusal: in a way that does not say which number is white.
    """
    sizes = {int(bits) for bits in numbers(page, tags.BITS)[:channels]} or {1}
    formats = {int(kind) for kind in numbers(page, tags.FORMAT)[:channels]} or {UNSIGNED}
    if len(sizes) > 1 or len(formats) > 1:
        raise Refusal("has channels of different kinds; save it with the same number of bits")
    (bits,), (kind,) = sizes, formats
    if kind == SIGNED:
        raise Refusal("has signed numbers, and does not say which is white; save it as unsigned")
    floating = kind == FLOAT
    if kind not in (UNSIGNED, FLOAT, UNDEFINED) or bits not in (
        (16, 32, 64) if floating else (*range(1, 33), 64)
    ):
        raise Refusal(f"has numbers of {bits} bits in format {kind}, which are not read here")
    predictor = int(number(page, tags.PREDICTOR, 1))
    if predictor not in (1, DIFFERENCES, FLOAT_DIFFERENCES) or (
        predictor != 1 and bits not in (8, 16, 32, 64)
    ):
        raise Refusal(f"has a predictor, {predictor}, that is not read here")
    wide, high = (int(n) for n in (numbers(page, tags.SUBSAMPLING) or (2, 2))[:2])
    if subsampled and (bits != 8 or wide not in (1, 2, 4) or high not in (1, 2, 4)):
        raise Refusal("is damaged (its colors are stored in an impossible way)")
    return Samples(order, bits, floating, predictor, (wide, high) if subsampled else (1, 1))
