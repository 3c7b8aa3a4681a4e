"""The map of a collection in a notebook; its pages are the explorer's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import traitlets
from anywidget import AnyWidget

from convscope.collection import Facts, Index, Layout, sheet
from convscope.errors import ConvscopeError
from convscope.widgets.scripts import MAP

COLORS = ("outcome", "label", "prediction")  # what colors the map if nothing is asked for


class EmbeddingMap(AnyWidget):
    """The map of a collection; `embedding_map` makes it.

    Attributes:
        index: the collection.
        layout_made: where the photographs lie, and how far that can be believed.
        color: name of the column that colors the map; "" for none.
        selected: the rows of the index that are chosen, by a lasso or from Python.
    """

    _esm = MAP
    _css = Path(__file__).with_name("map.css")
    title = traitlets.Unicode().tag(sync=True)
    photographs = traitlets.Int().tag(sync=True)
    places = traitlets.Bytes().tag(sync=True)
    columns: traitlets.List[Any] = traitlets.List().tag(sync=True)
    color = traitlets.Unicode("").tag(sync=True)
    selected = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(self, index: Index, layout: Layout, color: str | None) -> None:
        facts = Facts(index)
        if color is None:
            color = next((name for name in COLORS if name in facts.names), "")
        elif color and color not in facts.names:
            facts[color]  # says which there are
            raise ConvscopeError(f"nothing is known of {color!r} in this index")
        super().__init__(
            title=f"Map of {index.folder.name}",
            photographs=len(index),
            places=layout.places.astype("<f4").tobytes(),
            columns=[_sent(facts, name) for name in facts.names],
            color=color,
        )
        self.index, self.layout_made = index, layout
        self.on_msg(self._heard)

    def __repr__(self) -> str:
        return f"<{self.title}: {len(self.selected)} of {self.photographs} photographs chosen>"

    @traitlets.validate("selected")
    def _check(self, proposal: Any) -> list[int]:
        rows = [int(row) for row in proposal["value"]]
        if wrong := [row for row in rows if not 0 <= row < self.photographs]:
            raise ConvscopeError(f"there is no photograph {wrong[0]} among {self.photographs:,}")
        return rows

    def _heard(self, _widget: object, content: Any, _buffers: object) -> None:
        """The page asks for thumbnails."""
        if content.get("kind") == "sheet":
            data = sheet(self.index, content["rows"], content["size"])
            self.send({"kind": "sheet", "id": content["id"]}, buffers=[data])


def _sent(facts: Facts, name: str) -> dict[str, object]:
    """A column as the page reads it: numbers, or numbers of words and then the words."""
    about = {"name": name, "title": facts.title(name), "kind": facts.kind(name)}
    return {**about, "data": facts[name].packed()}
