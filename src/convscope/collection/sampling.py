"""Activations at random positions of a collection's images, read once and kept in its index.

INDEX/samples/KEY-000000.npz    the activations of some images, and how much they push each class
INDEX/samples/KEY-000000.json   the receipt of that file
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from convscope.attribution import pushes, score_gradients
from convscope.collection.layout.rows import at_random
from convscope.collection.reading import Index
from convscope.collection.receipts import Digest, Part, as_receipt
from convscope.collection.sealed import read_sealed, write_sealed
from convscope.errors import ConvscopeError
from convscope.files import anything, digest, write_file
from convscope.network import Network
from convscope.system import BATCH
from convscope.types import Array

BLOCK = 4 * BATCH  # images of a file, the most that a crash loses

PHOTOS = 4  # that tell how a cell's channels change the scores


@dataclass(frozen=True)
class Samples:
    """Activations of a layer at n positions, one or several to an image.

    Args:
        activations: (n, C) float16.
        pushes: (n, classes) float16, how much each adds to the score of each class to first order;
            (n, 0) where the network has no single score for each class.
        rows: (n,) int64, the images.
        positions: (n,) int64, row * width + column in the layer's maps.
    """

    activations: Array
    pushes: Array
    rows: Array
    positions: Array

    def __len__(self) -> int:
        return len(self.rows)


def joined(parts: Sequence[Samples]) -> Samples:
    """The samples of several parts, in order."""
    names = [field.name for field in fields(Samples)]
    return Samples(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


def sampled(
    net: Network, index: Index, layer: str, *, images: int, each: int = 1, seed: int = 0
) -> Generator[tuple[Samples, int]]:
    """Read a layer at random positions of a collection's images.

    Positions at the border of a map are left out, because images are padded there. What was read
    before is in the index, so that a stopped reading goes on and a second one is instant.

    Args:
        net: the network that made the index.
        index: the collection.
        layer: the layer, whether or not the index has collected it.
        images: the most images that are read, chosen at random.
        each: positions of an image; as many as there are, where these are fewer.
        seed: chooses images and positions.

    Yields:
        The samples of some images, and how many such parts there are in all.

    Raises:
        ConvscopeError: no such layer, or a photograph is gone or has changed.
    """
    shape = net.channel_shape(layer)
    rows = at_random(len(index), images, seed)
    about = [index.digest, net.digest, layer, images, each, seed, BLOCK]
    key = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    blocks = math.ceil(len(rows) / BLOCK)
    for number in range(blocks):
        some = rows[number * BLOCK : (number + 1) * BLOCK]
        file = index.path / "samples" / f"{key[:16]}-{number:06}.npz"
        found = _read(file, key)
        if found is None:
            found = _sample(net, index, layer, some, _positions(shape, some, each, seed))
            # If the index can only be read, it is sampled each time.
            with suppress(OSError, ConvscopeError):
                file.parent.mkdir(exist_ok=True)
                _write(found, file, key)
        yield found, blocks


def _positions(shape: tuple[int, ...], rows: Array, each: int, seed: int) -> Array:
    """Positions (N, each) of maps, without their border where they have an inside."""
    height, width = shape[-2:] if len(shape) > 2 else (1, 1)
    edge = 1 if min(height, width) > 2 else 0
    down, across = (np.arange(edge, side - edge) for side in (height, width))
    inner = (down[:, None] * width + across).ravel()
    found = [
        np.random.default_rng([seed, row]).choice(inner, min(each, len(inner)), replace=False)
        for row in rows.tolist()
    ]
    return np.stack(found)


def _sample(net: Network, index: Index, layer: str, rows: Array, positions: Array) -> Samples:
    """What the network gives at these positions (N, K) of some images."""
    parts = []
    for begin in range(0, len(rows), BATCH):
        part = slice(begin, begin + BATCH)
        photos = [net.preprocess(index.photo(row)) for row in rows[part].tolist()]
        parts.append(pushes(net, torch.cat(photos), layer, torch.from_numpy(positions[part])))
    activations, classes = (
        torch.cat(some).flatten(0, 1).float() for some in zip(*parts, strict=True)
    )
    return Samples(
        _halves(activations),
        _halves(classes),
        np.repeat(rows, positions.shape[1]),
        positions.ravel(),
    )


def channel_changes(
    net: Network,
    index: Index,
    layer: str,
    samples: Samples,
    groups: Sequence[Array],
    weights: Array,
) -> Array:
    """By how much each channel changes a weighted sum of the class scores: (K, C) float32.

    It is the mean over the photographs of a group that push this sum most.

    Args:
        net: the network that made the index.
        index: the collection.
        layer: the layer.
        samples: its samples.
        groups: the numbers of the samples in each of K groups.
        weights: (K, classes), what each group multiplies the scores by.
    """
    changes = []
    for items, weight in zip(groups, weights, strict=True):
        along = samples.pushes[items].astype(np.float32) @ weight
        rows = list(dict.fromkeys(samples.rows[items[np.argsort(-along, kind="stable")]].tolist()))
        photos = torch.cat([net.preprocess(index.photo(row)) for row in rows[:PHOTOS]])
        each = torch.from_numpy(weight).expand(len(photos), -1)
        changes.append(score_gradients(net, photos, layer, each).mean(0).float().cpu().numpy())
    return np.stack(changes)


def _halves(values: Tensor) -> Array:
    limit = torch.finfo(torch.float16).max
    halves: Array = values.clamp(-limit, limit).half().cpu().numpy()
    return halves


class _Receipt(Part):
    """What a file is of, and its checksum."""

    key: str
    samples: Digest


def _read(file: Path, key: str) -> Samples | None:
    """The samples in a file; None if there is none, or it is not as it was written."""
    receipt = as_receipt(_Receipt, read_sealed(file.with_suffix(".json")))
    try:
        if receipt is None or receipt.key != key or digest(file) != receipt.samples:
            return None
        with np.load(file, allow_pickle=False) as arrays:
            return Samples(**arrays)
    except (OSError, ValueError, EOFError, TypeError, ConvscopeError):
        return None


def _write(found: Samples, file: Path, key: str) -> None:
    def save(place: Path) -> None:
        with place.open("wb") as opened:
            np.savez(opened, **vars(found))

    write_file(file, save, ours=anything)
    write_sealed(file.with_suffix(".json"), {"key": key, "samples": digest(file)})
