"""Rows of small whole numbers as bytes: entropy-coded, or with a fixed number of bits each."""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np

from convscope.types import Array

LARGEST = 65_535  # of a frequency in a file


def frequencies(indices: Array, levels: int) -> Array:
    """How often each number occurs, scaled to at most 65,535: (levels,) uint16.

    Args:
        indices: whole numbers from 0 to levels - 1.
        levels: how many different numbers there may be.
    """
    counts = np.bincount(indices.reshape(-1), minlength=levels)
    scaled = np.rint(counts * (LARGEST / max(counts.max(), 1)))
    return np.asarray(np.maximum(scaled, 1), np.uint16)


def encode(indices: Array, frequency: Array) -> Array:
    """Entropy-code whole numbers with asymmetric numeral systems (Duda 2013); uint32 words.

    Args:
        indices: whole numbers from 0 to levels - 1, in any shape.
        frequency: (levels,), how often each occurs, as `frequencies` gives it.
    """
    stack, model = _coder(frequency)
    coder = stack.AnsCoder()
    coder.encode_reverse(np.ascontiguousarray(indices.reshape(-1), np.int32), model)
    words: Array = coder.get_compressed()
    return words


def decode(words: Array, frequency: Array, count: int) -> Array:
    """The whole numbers that `encode` has coded: (count,) int32."""
    stack, model = _coder(frequency)
    found: Array = stack.AnsCoder(np.ascontiguousarray(words, np.uint32)).decode(model, count)
    return found


def _coder(frequency: Array) -> tuple[Any, Any]:
    from constriction import stream

    chances = frequency.astype(np.float64) / frequency.astype(np.float64).sum()
    return stream.stack, stream.model.Categorical(chances, perfect=False)


def pack(indices: Array, levels: int) -> Array:
    """Write each number with the same number of bits: uint8."""
    width = _width(levels)
    numbers = indices.reshape(-1, 1) >> np.arange(width) & 1
    return np.packbits(numbers.astype(np.uint8))


def unpack(data: Array, levels: int, count: int) -> Array:
    """The whole numbers that `pack` has written: (count,) int64."""
    width = _width(levels)
    bits = np.unpackbits(data, count=count * width).reshape(count, width)
    return bits.astype(np.int64) @ (1 << np.arange(width))


def packed_size(levels: int, count: int) -> int:
    """The number of bytes that `pack` takes."""
    return math.ceil(count * _width(levels) / 8)


def _width(levels: int) -> int:
    return max(1, math.ceil(math.log2(levels)))


def entropy(counts: Array) -> float:
    """The fewest bits that any code needs for numbers that occur so often (Shannon 1948)."""
    found = counts[counts > 0].astype(np.float64)
    return float((found * np.log2(found.sum() / found)).sum())


def huffman_bits(counts: Array) -> int:
    """The bits of a Huffman code for numbers that occur so often (Huffman 1952), without its tree.

    The two rarest are joined until one is left, and each time the bit that tells them apart is
    written as often as they occur together.
    """
    left = [int(count) for count in counts if count > 0]
    if len(left) == 1:
        return left[0]
    heapq.heapify(left)
    bits = 0
    while len(left) > 1:
        joined = heapq.heappop(left) + heapq.heappop(left)
        bits += joined
        heapq.heappush(left, joined)
    return bits
