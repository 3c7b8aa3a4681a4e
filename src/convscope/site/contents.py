"""The pages of a site: from what the microscope knows to HTML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

import numpy as np

from convscope import __version__
from convscope.collection import cached_layout, tiled, unique_grid
from convscope.errors import ConvscopeError
from convscope.microscope import (
    Confused,
    Connections,
    LayerFacts,
    Microscope,
    Patch,
    Unit,
    UnitImage,
    UnitValue,
)
from convscope.render import fill_template
from convscope.reports.facts import about
from convscope.site import charts, formatting
from convscope.site.charts import overlay
from convscope.site.drawing import Drawn, Task
from convscope.site.links import Addresses, Inside, Relative
from convscope.site.seen import Seen, Spot
from convscope.site.shown import Shown

STRONGEST = 12  # units of a layer that the first page shows

ALIKE, EVERY = 12, 1 << 30  # units that look alike, and more than there can be

CONFUSIONS, BESIDE = 60, 3  # confusions that are shown, and photographs of each


@dataclass(frozen=True)
class Tile:
    """A unit on the page of its layer."""

    channel: int
    high: float
    sparsity: float
    dead: bool
    label: str | None
    push: float


class Contents:
    """The pages of a site.

    Args:
        scope: what is shown.
        at: the addresses of all pages.
        method: the method that lays out the photographs.
        single: whether all pages become one file.
    """

    def __init__(self, scope: Microscope, at: Addresses, method: str, single: bool) -> None:
        self.scope, self.at, self.method, self.single = scope, at, method, single
        self.confusions = _confusions(scope)
        self.shown = Shown(scope, bool(self.confusions))
        self.seen = Seen({}, {})  # what is known of them so far
        self.drawn: dict[Task, Drawn] = {}  # that no page has said yet
        self.facts = cache(scope.unit)

    # --------------------------------------------------------------------------- pages

    def home(self) -> str:
        layers = [
            {
                "name": layer.name,
                "channels": layer.channels,
                "dead": int(self.shown.facts[layer.name].dead.sum()),
                "shown": self._strongest(layer.name),
            }
            for layer in self.at.layers.values()
        ]
        index = self.scope.index
        facts = [
            ("photographs", f"{len(index):,} in {self.shown.folder}"),
            *about(self.scope.net),
        ]
        return self._page("home.html", self.at.home, layers=layers, facts=facts)

    def layer(self, name: str) -> str:
        facts, names = self.scope.layer(name), list(self.at.layers)  # it knows more by now
        place = names.index(name)
        tiles = [self._tile(facts, channel) for channel in range(len(facts.high))]
        return self._page(
            "layer.html",
            self.at.layer(name),
            layer=self.at.layers[name],
            dead=int(facts.dead.sum()),
            tiles=tiles,
            pushes=any(one.label is not None for one in tiles),
            before=names[place - 1] if place else None,
            behind=names[place + 1] if place + 1 < len(names) else None,
        )

    def unit(
        self,
        layer: str,
        channel: int,
        images: Sequence[UnitImage],
        wires: Connections | str,
    ) -> str:
        """The page of a unit.

        Args:
            layer, channel: the unit.
            images: its images.
            wires: what it is connected with, or why that is not known.
        """
        unit = self.facts(layer, channel)
        return self._page(
            "unit.html",
            self.at.unit(layer, channel),
            unit=unit,
            layer=self.at.layers[layer],
            images=images,
            wires=wires,
            alike=self._alike(layer, channel),
            evidence=self._evidence(unit),
            histogram=charts.histogram(unit.edges, unit.counts),
            shade=self._shade,
        )

    def _alike(self, layer: str, channel: int) -> list[UnitValue]:
        """Living units of the site whose images look most like a unit's."""
        if self.shown.is_dead(layer, channel):
            return []
        every = self.scope.like(layer, channel, count=EVERY)
        shown = (
            one
            for one in every
            if self.at.has_unit(one.layer) and not self.shown.is_dead(one.layer, one.channel)
        )
        return list(islice(shown, ALIKE))

    def _evidence(self, unit: Unit) -> dict[str, str]:
        """Pictures of what excites a unit in the strongest photograph, by how they were made."""
        return self.seen.evidence.get(Spot.of(unit.top[0]), {}) if unit.top else {}

    def _shade(self, patch: Patch) -> str:
        """What darkens the photograph of a patch where its unit is not active."""
        size, mask = self.shown.sizes[patch.row], self.seen.masks.get(Spot.of(patch))
        if mask is None:
            return charts.veil(patch.box, size)
        return charts.shade(mask, self.shown.sees(patch.row), size)

    def photograph(self, row: int) -> str:
        rows, place = list(self.at.photographs), self.at.photographs[row]
        return self._page(
            "photograph.html",
            self.at.photograph(row),
            photo=self.scope.photograph(row),
            before=rows[place - 1] if place else None,
            behind=rows[place + 1] if place + 1 < len(rows) else None,
        )

    def photographs(self) -> str:
        return self._page(
            "photographs.html", self.at.photograph_list, rows=list(self.at.photographs)
        )

    def map(self) -> str:
        rows = np.array(list(self.at.photographs))
        made = cached_layout(self.scope.index, self.method)
        grid = unique_grid(made.places[rows])
        cells = tiled(grid)
        places = (cells.places - 0.5).astype(int).tolist()
        numbers = rows[cells.rows].tolist()
        return self._page(
            "map.html",
            self.at.map,
            method=METHODS.get(made.method, made.method),
            columns=grid.shape[1],
            lines=grid.shape[0],
            cells=[(row, *place) for row, place in zip(numbers, places, strict=True)],
            shown=len(numbers),
            trustworthiness=f"{made.trustworthiness:.2f}",
        )

    def confusion_list(self) -> str:
        found = [self._confusion(one) for one in self.confusions[:CONFUSIONS]]
        total = len(self.confusions)
        return self._page("confusions.html", self.at.confusions, confusions=found, total=total)

    def _confusion(self, one: Confused) -> dict[str, Any]:
        """What the page says of two classes, with the first photographs and their maps."""
        rows = [row for row in one.rows if row in self.at.photographs][:BESIDE]
        names = (one.label, one.prediction)
        numbers = list(zip(names, one.numbers, strict=True)) if one.numbers else []
        return {
            "label": formatting.as_utf8(one.label),
            "prediction": formatting.as_utf8(one.prediction),
            "count": len(one.rows),
            "photographs": [
                (row, [(name, self._overlay(row, number)) for name, number in numbers])
                for row in rows
            ],
            "change": one.change,
            "gap": one.gap,
        }

    def _overlay(self, row: int, number: int) -> str:
        return overlay(self.scope.class_map(row, number), self.shown.sizes[row])

    def names(self) -> str:
        """What the search knows, as a script."""
        at, index = self.at, self.scope.index
        layers = [(one.name, at.names[one.name], one.channels) for one in at.layers.values()]
        labels = [formatting.as_utf8(index.folders[row] or "") for row in at.photographs]
        photographs = [
            (row, self.shown.name(row), label, self.shown.said(row))
            for row, label in zip(at.photographs, labels, strict=True)
        ]
        found = {"layers": layers, "classes": self._classes(), "photographs": photographs}
        text = json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")
        return f"window.convscopeNames({text});\n"

    # -------------------------------------------------------------------------- pieces

    def _page(self, template: str, address: str, **values: Any) -> str:
        links = Inside() if self.single else Relative(address)

        return fill_template(
            "convscope.site",
            template,
            layout="section.html" if self.single else "page.html",
            version=__version__,
            site=self.shown,
            at=self.at,
            links=links,
            here=address,
            single=self.single,
            number=formatting.number,
            signed=formatting.signed,
            percent=formatting.percent,
            counted=formatting.count,
            breakable=formatting.breakable,
            as_utf8=formatting.as_utf8,
            **values,
        )

    def _strongest(self, layer: str) -> list[int]:
        """Units of a layer that are shown as examples: living ones, evenly spread."""
        living = np.flatnonzero(~self.shown.facts[layer].dead)
        count = min(STRONGEST, len(living))
        chosen: list[int] = living[
            np.linspace(0, len(living) - 1, count).round().astype(int)
        ].tolist()
        return chosen

    def _tile(self, facts: LayerFacts, channel: int) -> Tile:
        return Tile(
            channel=channel,
            high=float(facts.high[channel]),
            sparsity=float(facts.sparsity[channel]),
            dead=bool(facts.dead[channel]),
            label=self._label(int(facts.pushed[channel])),
            push=float(facts.push[channel]),
        )

    def _label(self, number: int) -> str | None:
        return None if number < 0 else self.scope.net.label(number)

    def _classes(self) -> list[tuple[str, str, str, int]]:
        """The unit that pushes each class up most: label, folder, layer and channel."""
        best: dict[int, tuple[float, str, int]] = {}
        for layer in self.at.layers:
            facts = self.scope.layer(layer)
            for channel, (number, push) in enumerate(
                zip(facts.pushed.tolist(), facts.push.tolist(), strict=True)
            ):
                if number >= 0 and push > best.get(number, (0.0, "", 0))[0]:
                    best[number] = push, layer, channel
        return [
            (self._label(number) or "", self.at.names[layer], layer, channel)
            for number, (_, layer, channel) in sorted(best.items())
        ]


def _confusions(scope: Microscope) -> tuple[Confused, ...]:
    """The confusions of a labeled collection; none of one that is not."""
    try:
        return scope.confusions()
    except ConvscopeError:
        return ()


METHODS = {"tsne": "t-SNE", "pca": "PCA", "isomap": "Isomap", "umap": "UMAP"}


def asset(name: str) -> str:
    """The text of a file that lies beside the templates."""
    return files("convscope.site").joinpath(name).read_text(encoding="utf-8")
