"""Where the pages and pictures of a site lie, and how one page names another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from convscope.microscope import LayerName

LONGEST = 100  # letters of a folder's name

_SAFE = re.compile(r"[^a-z0-9._-]+")

_DEVICES = {"con", "prn", "aux", "nul", *(f"{n}{i}" for n in ("com", "lpt") for i in range(1, 10))}


def folder_names(layers: Iterable[str]) -> dict[str, str]:
    """A name for each layer that every file system and every address takes, each only once."""
    found: dict[str, str] = {}
    for layer in layers:
        plain = _SAFE.sub("_", layer.lower()).strip(".")[:LONGEST].strip(".") or "layer"
        if plain.split(".")[0] in _DEVICES:
            plain = f"_{plain}"
        name, number = plain, 2
        while name in found.values():
            name, number = f"{plain}_{number}", number + 1
        found[layer] = name
    return found


@dataclass(frozen=True)
class Addresses:
    """The addresses of all pages of a site, without an ending: "units/blocks.4/12".

    Args:
        layers: the layers that have pages.
        names: the name of each layer's folder.
        photographs: the place among each other of the photographs that have pages, by their rows.
    """

    layers: Mapping[str, LayerName]
    names: Mapping[str, str]
    photographs: Mapping[int, int]

    @classmethod
    def of(cls, layers: Sequence[LayerName], photographs: Iterable[int]) -> Addresses:
        named = {layer.name: layer for layer in layers}
        rows = sorted(photographs)
        return cls(named, folder_names(named), {row: place for place, row in enumerate(rows)})

    home = "index"
    map = "map"
    confusions = "confusions"
    photograph_list = "photographs"

    def layer(self, layer: str) -> str:
        return f"layers/{self.names[layer]}"

    def unit(self, layer: str, channel: int) -> str:
        return f"units/{self.names[layer]}/{channel}"

    def photograph(self, row: int) -> str:
        return f"photographs/{row}"

    def has_unit(self, layer: str) -> bool:
        """Whether the units of a layer have pages."""
        return layer in self.layers

    def image(self, layer: str, channel: int, number: int = 0) -> str:
        """The file of an image of a unit."""
        more = f"-{number + 1}" if number else ""
        return f"{self.unit(layer, channel)}{more}.webp"


class Links(Protocol):
    """How the page at hand names other pages."""

    def page(self, address: str) -> str: ...


@dataclass(frozen=True)
class Relative:
    """Links from a page in a folder, which work without a server.

    Args:
        here: the address of the page that links.
    """

    here: str

    @property
    def root(self) -> str:
        """The way to the folder of the site."""
        return "../" * self.here.count("/")

    def page(self, address: str) -> str:
        return f"{self.root}{address}.html"

    def file(self, name: str) -> str:
        return f"{self.root}{name}"


@dataclass(frozen=True)
class Inside:
    """Links within the one page that a whole site is in."""

    def page(self, address: str) -> str:
        return f"#{address}"
