"""A unit in a notebook: what excites it, and the units that are like it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import traitlets
from anywidget import AnyWidget
from PIL import Image

from convscope.errors import ConvscopeError
from convscope.files import preview
from convscope.microscope import Microscope, Patch, Show, Unit, UnitValue, extremes
from convscope.widgets.scripts import script

SIDE = 192  # pixels of the longer side of a patch

SMALL = 72  # and of one that stands for a similar unit

SIMILAR = 8  # of those

CLASSES = 5  # each way


class UnitView(AnyWidget):
    """A unit of a network; `unit` makes it.

    Attributes:
        microscope: the network and its index, and everything that can be asked of the two.
    """

    _esm = script("unit_view.js")
    _css = Path(__file__).with_name("unit_view.css")
    facts: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)

    def __init__(self, microscope: Microscope, unit: str) -> None:
        super().__init__()
        self.microscope = microscope
        self._show: Show = "field"
        self.unit = unit
        self.on_msg(self._heard)

    def __repr__(self) -> str:
        return f"<Unit {self.unit} of {self.microscope.net.name}>"

    @property
    def unit(self) -> str:
        """The unit that is shown; assign another to go there."""
        return self._unit.name

    @unit.setter
    def unit(self, name: str) -> None:
        target = self.microscope.net.target(name)
        if not target.layer or target.channel is None or target.place:
            raise ConvscopeError(f"a unit is a layer and a channel, as in blocks.4:12, not {name}")
        found = self.microscope.unit(target.layer, target.channel)
        facts = self._facts(found)
        self._unit, self.facts = found, facts

    @property
    def show(self) -> Show:
        """What is shown of the photographs, as `Microscope.pictures` shows it."""
        return self._show

    @show.setter
    def show(self, show: Show) -> None:
        patches = self._patches(self._unit, show)
        self._show = show
        self.facts |= {"show": show, "patches": patches}

    def draw(self) -> None:
        """Make the image of the unit, and keep it in the index."""
        self.facts |= {"image": self._image(self._unit)}

    def connect(self) -> None:
        """Find the classes that the unit pushes up and down, and keep them in the index."""
        self.facts |= {"classes": self._classes(self._unit)}

    def write_note(self, text: str) -> None:
        """Keep a note on the unit in the index."""
        self.microscope.write_note(self._unit.layer, self._unit.channel, text)
        self.facts |= {"note": text}

    def _facts(self, unit: Unit) -> dict[str, Any]:
        """What the page shows of a unit."""
        scope = self.microscope
        (layer,) = (one for one in scope.layers if one.name == unit.layer)
        maps = math.prod(layer.size) > 1
        show = "field" if self._show == "mask" and not maps else self._show
        edges, counts = unit.histogram
        drawn = scope.drawn(unit.layer)[unit.channel]
        connected = scope.connected(unit.layer)[unit.channel]
        plain = ("layer", "channel", "high", "low", "mean", "sparsity", "dead", "missing", "note")
        return {
            **{name: getattr(unit, name) for name in plain},
            "channels": layer.channels,
            "edges": [one if math.isfinite(one) else None for one in edges.tolist()],
            "counts": counts.tolist(),
            "maps": maps,
            "show": show,
            "patches": self._patches(unit, show),
            "similar": self._similar(unit.similar[:SIMILAR]),
            "image": self._image(unit) if drawn else None,
            "classes": self._classes(unit) if connected else None,
        }

    def _patches(self, unit: Unit, show: Show) -> list[dict[str, Any]]:
        """The strongest patches, each with what is known of its photograph."""
        index = self.microscope.index
        labels = index.images["label"]
        return [
            {"picture": picture, "value": patch.value, "said": labels[patch.row].as_py() or name}
            for patch, picture in zip(unit.top, self._pictures(unit.top, show, SIDE), strict=True)
            for name in [Path(index.paths[patch.row]).name]
        ]

    def _similar(self, units: Sequence[UnitValue]) -> list[dict[str, Any]]:
        """Similar units, each with its strongest patch."""
        scope = self.microscope
        tops = [extremes(scope.net, scope.index, one.layer, one.channel)[0][0] for one in units]
        pictures = self._pictures(tops, "field", SMALL)
        return [
            {"name": one.name, "value": one.value, "picture": picture}
            for one, picture in zip(units, pictures, strict=True)
        ]

    def _pictures(self, patches: Sequence[Patch], show: Show, side: int) -> list[bytes]:
        found = self.microscope.pictures(patches, show)
        return [preview(Image.fromarray(pixels), side).data for pixels in found]

    def _image(self, unit: Unit) -> dict[str, Any]:
        found = self.microscope.image(unit.layer, unit.channel)
        values = {"activation": found.activation, "multiple": found.multiple}
        return {"picture": found.file, **values}

    def _classes(self, unit: Unit) -> dict[str, list[tuple[str, float]]]:
        found = self.microscope.connections(unit.layer, unit.channel)
        return {
            name: [(one.label, one.value) for one in classes[:CLASSES]]
            for name, classes in (("up", found.up), ("down", found.down))
        }

    def _heard(self, _widget: object, content: Any, _buffers: object) -> None:
        """What a click on the page asks for; the page hears when it is done."""
        asked: dict[str, Callable[..., None]] = {
            "go": lambda: setattr(self, "unit", content["unit"]),
            "show": lambda: setattr(self, "show", content["show"]),
            "note": lambda: self.write_note(content["text"]),
            "image": self.draw,
            "classes": self.connect,
        }
        problem = ""
        try:
            asked[content["kind"]]()
        except ConvscopeError as error:
            problem = str(error)
        self.send({"kind": "done", "problem": problem})
