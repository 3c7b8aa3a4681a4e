"""The images of units as they are kept in the index."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from convscope.collection import Index
from convscope.errors import ConvscopeError
from convscope.microscope.drawing import SETTINGS, UNLIKE, Drawing, batch_of, draw, draw_unlike
from convscope.microscope.facts import UnitImage, UnitValue
from convscope.microscope.kept import Kept
from convscope.network import Network
from convscope.types import Array


class Images:
    """The images of an index's units, each drawn once."""

    def __init__(self, net: Network, index: Index) -> None:
        self._net, self._index = net, index
        self._kept = Kept(index.path, "images", [net.digest, index.settings.embedding, *SETTINGS])
        self._embeddings: dict[tuple[str, int], Array] = {}
        self._directions: Array = np.zeros((0, 0))  # (units, D), of those embeddings

    def of(self, layer: str, channels: Sequence[int], count: int, number: int) -> list[UnitImage]:
        """An image of each channel of a layer that has `count`; they are drawn if they were not.

        Raises:
            ConvscopeError: there is no image of that number.
        """
        if not 0 <= number <= UNLIKE:
            raise ConvscopeError(f"a unit has images 0 to {UNLIKE}, and no {number}")
        found: dict[tuple[int, int], UnitImage] = {}
        for channel in channels:
            known = found.get((channel, number)) or self._known(layer, channel, number)
            if known is None:
                found |= self._drawn(layer, channel, count, number)
            else:
                found[channel, number] = known
        return [found[channel, number] for channel in channels]

    def has(self, layer: str, count: int, number: int) -> Array:
        """Which channels of a layer have an image that is kept: (count,) bool."""
        names, stem = self._kept.names(), self._kept.stem
        return np.array([stem(_name(layer, channel, number)) in names for channel in range(count)])

    def alike(self, image: UnitImage, count: int) -> tuple[UnitValue, ...]:
        """The units whose first images are nearest to an image, with the cosine of embeddings."""
        own = image.layer, image.channel
        found = self.likeness(image.embedding)
        best = sorted(found, key=lambda unit: -found[unit])
        return tuple(UnitValue(*unit, found[unit]) for unit in best if unit != own)[:count]

    def likeness(self, embedding: Array) -> dict[tuple[str, int], float]:
        """For each unit that has a first image, the cosine of its embedding and this one (D,)."""
        embeddings = self._all_embeddings()
        if not embeddings:
            return {}
        if len(self._directions) != len(embeddings):  # more images are kept by now
            self._directions = _directions(np.stack(list(embeddings.values())))
        cosine = self._directions @ _directions(embedding[None])[0]
        return dict(zip(embeddings, cosine.tolist(), strict=True))

    def _all_embeddings(self) -> dict[tuple[str, int], Array]:
        """The embeddings of all first images that are kept by now."""
        names = self._kept.names()
        for layer, found in self._index.channels.items():
            for channel in range(len(found.high)):
                unit = layer, channel
                if unit in self._embeddings or self._kept.stem(_name(*unit, 0)) not in names:
                    continue
                known = self._known(*unit, 0)
                if known is not None:
                    self._embeddings[unit] = known.embedding
        return self._embeddings

    def _drawn(
        self, layer: str, channel: int, count: int, number: int
    ) -> dict[tuple[int, int], UnitImage]:
        """Draw and keep an image, with those that are drawn together with it."""
        embedding = self._index.settings.embedding
        if number:
            made = draw_unlike(self._net, layer, channel, embedding)
            places = [(channel, one) for one in range(1, UNLIKE + 1)]
        else:
            batch = batch_of(channel, count)
            made = draw(self._net, layer, batch, embedding)
            places = [(one, 0) for one in batch]
        found = {}
        for place, drawing in zip(places, made, strict=True):
            values = _to_json(drawing)
            self._kept.try_write(_name(layer, *place), values)
            found[place] = self._from_json(layer, *place, values)
        return found

    def _known(self, layer: str, channel: int, number: int) -> UnitImage | None:
        values = self._kept.read(_name(layer, channel, number))
        return None if values is None else self._from_json(layer, channel, number, values)

    def _from_json(
        self, layer: str, channel: int, number: int, values: dict[str, Any]
    ) -> UnitImage:
        high, peak = float(self._index.channels[layer].high[channel]), values["peak"]
        return UnitImage(
            layer=layer,
            channel=channel,
            number=number,
            file=base64.b64decode(values["file"]),
            activation=peak,
            multiple=peak / high if high > 0 else None,
            embedding=np.frombuffer(base64.b64decode(values["embedding"]), np.float16),
        )


def _directions(embeddings: Array) -> Array:
    """Embeddings (N, D) with a length of one, or of zero."""
    exact = embeddings.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return exact / np.where(lengths > 0, lengths, 1)


def _name(layer: str, channel: int, number: int) -> str:
    return f"{layer}:{channel}:{number}"


def _to_json(drawing: Drawing) -> dict[str, Any]:
    return {
        "file": base64.b64encode(drawing.file).decode(),
        "peak": drawing.peak,
        "embedding": base64.b64encode(drawing.embedding.tobytes()).decode(),
    }
