"""A microscope whose slow facts are made up, and quick."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from convscope.microscope import (
    ClassMap,
    ClassValue,
    Confused,
    Connections,
    Decided,
    Microscope,
    Mistake,
    Near,
    Photograph,
    Strong,
    Unit,
    UnitImage,
    UnitValue,
)
from convscope.types import Box, Prediction

NOTE = "eyes? <b>bold</b>\nand ears"


class Told(Microscope):
    """Facts that are read from an index are true; those that need the network are made up."""

    def unit(self, layer: str, channel: int) -> Unit:
        unit = super().unit(layer, channel)
        similar = tuple(UnitValue(one.name, channel % one.channels, 0.5) for one in self.layers)
        note = self.note(layer, channel)
        return replace(unit, across=unit.bottom[::-1] + unit.top[::-1], similar=similar, note=note)

    def images(self, units: Sequence[tuple[str, int]], number: int = 0) -> list[UnitImage]:
        found = []
        for layer, channel in units:
            file = io.BytesIO()
            color = (40 + 9 * channel, 7 * len(layer), 90 + number)
            Image.new("RGB", (16, 16), color).save(file, "WEBP")
            multiple = None if channel % 3 else 1.5
            nothing = np.zeros(4, np.float16)
            found.append(
                UnitImage(layer, channel, number, file.getvalue(), 5.25, multiple, nothing)
            )
        return found

    def connections(self, layer: str, channel: int) -> Connections:
        names = [one.name for one in self.layers]
        place = names.index(layer)
        before = [UnitValue(one, 0, 0.25) for one in names[max(0, place - 1) : place]]
        behind = [UnitValue(one, 1, -0.5) for one in names[place + 1 : place + 2]]
        up = (ClassValue(0, self.net.label(0), 1.5), ClassValue(1, self.net.label(1), 0.5))
        down = (ClassValue(2, self.net.label(2), -1.25),)
        return Connections(layer, channel, tuple(before), tuple(behind), up, down, 3)

    def like(self, layer: str, channel: int, count: int = 9) -> tuple[UnitValue, ...]:
        every = [(one.name, number) for one in self.layers for number in range(one.channels)]
        return tuple(UnitValue(*unit, 0.5) for unit in every[:count] if unit != (layer, channel))

    def photograph(self, row: int) -> Photograph:
        values = {name: self.index.images[name][row].as_py() for name in ("height", "width")}
        near = tuple(Near(other, 0.5) for other in range(3) if other != row)
        units = tuple(UnitValue(one.name, 0, 0.75) for one in self.layers)
        decided = tuple(Decided(one.layer, (one,), 1.0, 2.0, 0.5, False) for one in units)
        strong: dict[str, tuple[Strong, ...]] = {
            one.name: (Strong(self.unit(one.name, 0).top[0], 0.9),) for one in self.layers
        }
        wrong = Mistake(ClassValue(0, "a", 1.0), ClassValue(1, "b", 2.0), decided, near)
        return Photograph(
            row=row,
            path=self.index.paths[row],
            size=(values["height"], values["width"]),
            label=self.index.folders[row],
            predictions=(Prediction("b <i>", 0.75, 1),),
            strongest=strong,
            decided=decided,
            by_embedding=near,
            by_pixels=near,
            mistake=wrong if row % 2 else None,
        )

    def class_map(self, row: int, number: int) -> ClassMap:
        return ClassMap(np.eye(3) * number, Box(1.0, 2.0, 20.0, 20.0))

    def confusions(self) -> tuple[Confused, ...]:
        change = (UnitValue(self.layers[-1].name, 1, 0.75), UnitValue(self.layers[0].name, 0, -0.5))
        return (Confused("a", "b", (0, 1), (0, 2), change, 1.25),)

    def note(self, layer: str, channel: int) -> str:
        return NOTE if channel == 1 else ""
