"""What all templates know: names, sizes, and which pictures there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from pathlib import PurePath

import torch

from convscope import __version__
from convscope.microscope import LayerFacts, Microscope
from convscope.site.formatting import as_utf8
from convscope.types import Box


class Shown:
    """What all templates know of a site; they call it `site`."""

    def __init__(self, scope: Microscope, confusions: bool) -> None:
        self._scope, self._index = scope, scope.index
        self.confusions = confusions

    @property
    def network(self) -> str:
        return self._scope.net.name

    @property
    def folder(self) -> str:
        return as_utf8(self._index.folder.name)

    @property
    def pages(self) -> list[tuple[str, str]]:
        """What all pages link to: addresses and names."""
        more = [("confusions", "Confusions")] if self.confusions else []
        return [("photographs", "Photographs"), ("map", "Map"), *more]

    @property
    def title(self) -> str:
        return f"{self.network} on {self.folder}"

    @property
    def about(self) -> str:
        """What the site shows, in a sentence."""
        return (
            f"What each unit of {self.network} has learned to see, and what it makes of the"
            f" photographs in {self.folder}."
        )

    @property
    def footer(self) -> str:
        return f"Made with convscope {__version__}."

    @property
    def count(self) -> int:
        return len(self._index)

    @cached_property
    def facts(self) -> Mapping[str, LayerFacts]:
        """What is known of each layer."""
        return {layer.name: self._scope.layer(layer.name) for layer in self._scope.layers}

    @cached_property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each photograph."""
        heights, widths = (self._index.images[name].to_pylist() for name in ("height", "width"))
        return list(zip(heights, widths, strict=True))

    def sees(self, row: int) -> Box:
        """The part of a photograph that the network sees."""
        return self._seen(self.sizes[row])

    @cached_property
    def _seen(self) -> Callable[[tuple[int, int]], Box]:
        net = self._scope.net
        return cache(lambda size: net.box(torch.empty(()).expand(1, 3, *size)))  # only size counts

    def name(self, row: int) -> str:
        """The name of a photograph's file."""
        return as_utf8(PurePath(self._index.paths[row]).name)

    def said(self, row: int) -> str:
        """The likeliest class of a photograph."""
        return self._index.prediction(row)

    def is_dead(self, layer: str, channel: int) -> bool:
        return bool(self.facts[layer].dead[channel])

    def has_image(self, layer: str, channel: int, number: int = 0) -> bool:
        """Whether there is an image of a unit; of dead ones there is none."""
        return not number and not self.is_dead(layer, channel)
