"""The embedding that stands for a unit: a mean of the photographs' embeddings, by its answers."""

from __future__ import annotations

import base64

import numpy as np

from convscope.collection import Index
from convscope.microscope.kept import Kept
from convscope.types import Array

BLOCK = 4096  # photographs in memory at a time


def mean_embeddings(index: Index, layer: str) -> Array:
    """The embeddings that stand for the units of a layer, (C, D) float16, kept in the index.

    Raises:
        ConvscopeError: the index has no peaks.
    """
    shape = len(index.channels[layer].high), index.embeddings.shape[1]
    kept = Kept(index.path, "embeddings", [index.digest])
    known = kept.read(layer)
    if known is not None and known.get("shape") == list(shape):
        content = base64.b64decode(known["float16"])
        return np.frombuffer(content, np.float16).reshape(shape)
    made = weighted(index.peaks.values[index.peaks.rows(layer)], index.embeddings)
    text = base64.b64encode(made.tobytes()).decode()
    kept.try_write(layer, {"shape": list(shape), "float16": text})
    return made


def weighted(peaks: Array, embeddings: Array) -> Array:
    """Mean embeddings (C, D) float16, each weighted by how far a unit's peak is above its mean.

    Photographs below the unit's mean peak do not count. Where all peaks are the same, all count.

    Args:
        peaks: (C, N).
        embeddings: (N, D).
    """
    middle = peaks.mean(1, dtype=np.float64)[:, None].astype(np.float32)
    constant = (peaks.min(1) == peaks.max(1))[:, None]
    sums = np.zeros((len(peaks), embeddings.shape[1]))
    weights = np.zeros((len(peaks), 1))
    for begin in range(0, len(embeddings), BLOCK):
        part = slice(begin, begin + BLOCK)
        above = np.maximum(peaks[:, part].astype(np.float32) - middle, 0)
        above = np.where(constant, np.float32(1), above)
        sums += above @ embeddings[part].astype(np.float32)
        weights += above.sum(1, keepdims=True, dtype=np.float64)
    found: Array = (sums / weights).astype(np.float16)
    return found
