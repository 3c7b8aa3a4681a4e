"""What a user's names stand for: classes, layers, channels, neurons, inputs of activations.

The grammar is "tabby" or 281 (a class), "blocks.4" (a layer), "blocks.4:12" (a channel),
"blocks.4:12@7,7" (a neuron: row, column), and NAME.pre for what goes into the activation at the end
of layer NAME. "" is the output.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import SupportsIndex

from torch import Tensor

from convscope.errors import ConvscopeError, unknown
from convscope.network.layers import Table, channel_shape
from convscope.network.tracing import Trace
from convscope.types import Layer, Target, TargetLike

PRE = ".pre"
_UNIT = re.compile(r"(?P<layer>[^:@]*)(:(?P<channel>\d+))?(@(?P<row>\d+),(?P<column>\d+))?")


class Names:
    """The names in a network.

    Attributes:
        layers: by name; single calls of a layer that is called several times are NAME#2.
        listed: those that a table shows.
        calls: the traced call of each layer; "" is the whole network.
        num_classes: None if the output is no matrix of class scores (N, classes).
        labels: one name a class; empty if none were given.
        synonyms: all names of each class.
    """

    def __init__(
        self,
        network: str,
        trace: Trace,
        table: Table,
        labels: Sequence[str] | None,
    ) -> None:
        output = trace.output
        self._network, self._output, self._ambiguous = network, output, table.ambiguous
        self._inputs = trace.inputs
        self.layers, self.listed = table.named, table.listed
        self.calls = {**table.calls, "": trace.last()[""]} if "" in trace.last() else table.calls
        self.num_classes = (
            output.shape[1] if isinstance(output, Tensor) and output.dim() == 2 else None
        )
        if labels is not None and self.num_classes is None:
            raise ConvscopeError(
                f"{network} gives no class scores (N, classes): leave out the labels"
            )
        if labels is not None and len(labels) != self.num_classes:
            raise ConvscopeError(
                f"{len(labels)} labels for {self.num_classes} classes of {network}; give one label"
                " for each class"
            )
        self.synonyms = [tuple(name.strip() for name in label.split(",")) for label in labels or ()]
        self.labels = tuple(names[0] for names in self.synonyms)

    # ------------------------------------------------------------------ layers

    def layer(self, name: str) -> Layer:
        """The layer of that name, or an error that gives similar names."""
        if name in self._ambiguous:
            calls = " or ".join(self._ambiguous[name])
            raise ConvscopeError(
                f"layer {name!r} is called {len(self._ambiguous[name])} times on the image: name"
                f" {calls}"
            )
        if name not in self.layers:
            raise unknown("layer", name, self.layers, "'convscope layers' lists them")
        return self.layers[name]

    def is_pre(self, name: str) -> bool:
        """Whether a name means what goes into an activation. A layer may itself be called so."""
        return name not in self.layers and name.endswith(PRE)

    def activation(self, name: str) -> int:
        """The number of the activation that NAME.pre goes into."""
        layer = self.layer(name.removesuffix(PRE))
        number = self.calls[layer.name].activation
        if number is None:
            raise ConvscopeError(
                f"{name!r}: layer {layer.name!r} ({layer.type}) does not end in an activation"
            )
        return number

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a layer's output, of NAME.pre or of the output, without the batch."""
        if self.is_pre(name):
            self.activation(name)
            name = name.removesuffix(PRE)
        if name:
            return self.layer(name).shape
        return tuple(self._output.shape[1:]) if isinstance(self._output, Tensor) else ()

    def channel_shape(self, name: str) -> tuple[int, ...]:
        """The shape of one image's values, channels first: (C, rows, columns) or (C,).

        Raises:
            ConvscopeError: there is no such layer, or the order of its values is not known.
        """
        self.shape(name)
        layer = name.removesuffix(PRE) if self.is_pre(name) else name
        found = channel_shape(self.calls[layer]) if layer in self.calls else None
        if found is None:
            raise ConvscopeError(
                f"{name or 'the output'!r} cannot be read channel by channel: the order of its"
                " values is not known; name another layer (convscope layers)"
            )
        return found

    def below(self, name: str) -> list[Layer]:
        """The layers whose output a layer, NAME.pre or the output "" is computed from, in order."""
        layer = name.removesuffix(PRE) if self.is_pre(name) else name
        if layer not in self.calls:  # an output that is no tensor
            return list(self.listed.values())
        call = self.calls[layer]
        same = {call.tensor}
        if self.is_pre(name):
            same.add(self._inputs[self.activation(name)])
        calls = [(one, self.calls[one.name]) for one in self.listed.values()]
        return [one for one, c in calls if call.follows(c) and c.tensor not in same]

    def need_output(self) -> None:
        """Raise an error if the output is no tensor."""
        if not isinstance(self._output, Tensor):
            raise ConvscopeError(
                f"the output of {self._network} is no tensor; name a layer (convscope layers)"
            )

    # ----------------------------------------------------------------- classes

    def label(self, index: int) -> str:
        return self.labels[index] if self.labels else f"class {index}"

    def need_classes(self) -> None:
        """Raise an error if the network gives no class scores."""
        if self.num_classes is None:
            raise ConvscopeError(
                f"{self._network} gives no class scores (N, classes); name a layer or a channel"
                " instead"
            )

    def _class(self, index: int) -> Target:
        self.need_classes()
        assert self.num_classes is not None
        if not 0 <= index < self.num_classes:
            last = self.num_classes - 1
            raise ConvscopeError(f"no class {index}: {self._network} has classes 0 to {last}")
        return Target("", index, label=self.label(index))

    def _classes_called(self, name: str) -> list[int]:
        """The classes with this label or, if there are none, those with this synonym."""

        def plain(text: str) -> str:
            return text.replace("_", " ").replace("-", " ").strip().lower()

        wanted = plain(name)
        first = [i for i, names in enumerate(self.synonyms) if plain(names[0]) == wanted]
        return first or [i for i, names in enumerate(self.synonyms) if wanted in map(plain, names)]

    # ----------------------------------------------------------------- targets

    def target(self, target: TargetLike) -> Target:
        """The target that a name, a class number or a target stands for."""
        if isinstance(target, Target):
            return self._checked(target)
        if not isinstance(target, str):
            return self._class(_integer(target))
        if target.strip().isdecimal():
            return self._class(int(target))
        classes = self._classes_called(target)
        if len(classes) > 1:
            numbers = ", ".join(map(str, classes))
            raise ConvscopeError(
                f"several classes are called {target!r}: give one of the numbers {numbers}"
            )
        return self._class(classes[0]) if classes else self._unit(target)

    def _unit(self, text: str) -> Target:
        match = _UNIT.fullmatch(text)
        name = match["layer"] if match else text
        if match is None or not (name in self.layers or self.is_pre(name)):
            if text in self.layers:
                return Target(text)
            known = [*self.layers, *(n for names in self.synonyms for n in names)]
            raise unknown("class or layer", name, known)
        channel = None if match["channel"] is None else int(match["channel"])
        row, column = match["row"], match["column"]
        position = None if row is None else (int(row), int(column))
        return self._checked(Target(name, channel, position))

    def _checked(self, target: Target) -> Target:
        """The target, if its layer exists and has such a channel and position."""
        name, channel, position = target.layer, target.channel, target.position
        if channel is None and position is None:
            self.shape(name)
            return target
        shape = self.channel_shape(name)
        if channel is not None and not 0 <= channel < shape[0]:
            has = f"has channels 0 to {shape[0] - 1}"
            raise ConvscopeError(f"no channel {channel}: {name or 'the output'!r} {has}")
        if position is None:
            return target
        if channel is None or len(shape) != 3:
            raise ConvscopeError(
                f"{str(target)!r}: a position needs a channel of a layer with feature maps"
            )
        if not (0 <= position[0] < shape[1] and 0 <= position[1] < shape[2]):
            raise ConvscopeError(
                f"no position {position[0]},{position[1]}: the feature maps of {name!r} are"
                f" {shape[1]} x {shape[2]}"
            )
        return target


def _integer(value: SupportsIndex) -> int:
    """An integer of any type, such as NumPy's or a tensor of one."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise ConvscopeError(
            f"a target is a class, a layer or a channel, not {type(value).__name__}"
        ) from error
