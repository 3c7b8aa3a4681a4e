"""The connections of units as they are kept in the index, and the class that each pushes most."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from convscope.collection import Index
from convscope.microscope.facts import ClassValue, Connections, UnitValue
from convscope.microscope.head import Head, head_of
from convscope.microscope.kept import Kept
from convscope.microscope.weights import CLASSES, LINKS, PHOTOGRAPHS, connections_of
from convscope.network import Network
from convscope.types import Array


class Links:
    """The connections of an index's units, computed once for each unit."""

    def __init__(self, net: Network, index: Index) -> None:
        self._net, self._index = net, index
        depends = [index.digest, net.digest, PHOTOGRAPHS, LINKS, CLASSES]
        self._kept = Kept(index.path, "connections", depends)
        self._read: dict[str, Connections] = {}

    def of(self, layer: str, channel: int) -> Connections:
        """The connections of a unit; they are kept if they were not yet."""
        known = self._known(layer, channel)
        if known is None:
            known = connections_of(self._net, self._index, layer, channel)
            self.keep(known)
        return known

    def keep(self, found: Connections) -> None:
        """Keep connections in the index, where it can be written."""
        name = f"{found.layer}:{found.channel}"
        self._kept.try_write(name, _to_json(found))
        self._read[name] = found

    def has(self, layer: str, channels: int) -> Array:
        """Which channels of a layer have connections that are kept: (channels,) bool."""
        names = self._kept.names()
        return np.array([self._kept.stem(f"{layer}:{i}") in names for i in range(channels)])

    def pushed(self, layer: str, channels: int) -> tuple[Array, Array]:
        """The number of the class that each channel pushes up most, and how much: each (C,).

        They are -1 and NaN where nothing is known yet. Where the scores are linear in the layer's
        means, all are known.
        """
        if layer == self._index.settings.embedding and self.head is not None:
            best = self.head.weights.argmax(0)
            return best, self.head.weights[best, np.arange(channels)]
        numbers, values = np.full(channels, -1), np.full(channels, np.nan)
        for channel in np.flatnonzero(self.has(layer, channels)).tolist():
            known = self._known(layer, channel)
            if known is not None and known.up:
                numbers[channel], values[channel] = known.up[0].number, known.up[0].value
        return numbers, values

    @cached_property
    def head(self) -> Head | None:
        """How the scores follow from the embedding; None where not linearly."""
        return head_of(self._net, self._index.settings.embedding)

    def _known(self, layer: str, channel: int) -> Connections | None:
        name = f"{layer}:{channel}"
        if name not in self._read:
            values = self._kept.read(name)
            if values is None:
                return None
            self._read[name] = _from_json(self._net, values)
        return self._read[name]


def _to_json(found: Connections) -> dict[str, object]:
    links = {name: [list(one) for one in getattr(found, name)] for name in ("fed_by", "feeds")}
    classes = {n: [[c.number, c.value] for c in getattr(found, n)] for n in ("up", "down")}
    names = {name: getattr(found, name) for name in ("layer", "channel", "photographs")}
    return {**names, **links, **classes}


def _from_json(net: Network, values: dict[str, Any]) -> Connections:
    links = {n: tuple(UnitValue(*one) for one in values[n]) for n in ("fed_by", "feeds")}
    classes = {
        name: tuple(ClassValue(number, net.label(number), value) for number, value in values[name])
        for name in ("up", "down")
    }
    return Connections(**{**values, **links, **classes})
