"""The names in a network: layers, NAME.pre for what goes into the activation at the end of layer
NAME, "" for the output, and HEAD= for one of several outputs."""

from __future__ import annotations

from functools import cached_property

from convscope.errors import ConvscopeError, unknown
from convscope.network.flow import Finder, Flow
from convscope.network.heads.outputs import Outputs
from convscope.network.layers import Table, channel_shape
from convscope.network.tables import listed
from convscope.network.traces.tracing import Trace
from convscope.types import Layer

PRE = ".pre"


class Names:
    """The names in a network.

    Attributes:
        layers: by name; single calls of a layer that is called several times are NAME#2.
        ambiguous: layers that are called several times, each with the names of its calls.
        listed: those that a table shows.
        calls: the traced call of each layer; "" is the whole network.
        outputs: by name; "" is the main one.
    """

    def __init__(
        self,
        trace: Trace,
        table: Table,
        outputs: Outputs,
    ) -> None:
        self.ambiguous, self.outputs = table.ambiguous, outputs
        self._inputs, self._heads = trace.inputs, trace.heads
        self._all, self._meetings = trace.calls, trace.meetings
        self.layers, self.listed = table.named, table.listed
        self.calls = {**table.calls, "": trace.last()[""]} if "" in trace.last() else table.calls

    # ------------------------------------------------------------------ layers

    def layer(self, name: str) -> Layer:
        """The layer of that name, or an error that gives similar names."""
        if name in self.ambiguous:
            calls = " or ".join(self.ambiguous[name])
            raise ConvscopeError(
                f"layer {name!r} is called {len(self.ambiguous[name])} times on the image: name"
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
        if name not in self.outputs and name:
            return self.layer(name).shape
        return self.outputs.named(name).shape

    def channel_shape(self, name: str) -> tuple[int, ...]:
        """The shape of one image's values, channels first: (C, rows, columns) or (C,).

        Raises:
            ConvscopeError: there is no such layer, or the order of its values is not known.
        """
        shape = self.shape(name)
        if name in self.outputs:
            return shape
        layer = name.removesuffix(PRE) if self.is_pre(name) else name
        found = channel_shape(self.calls[layer]) if layer in self.calls else None
        if found is None:
            raise ConvscopeError(
                f"{name or 'the output'!r} cannot be read channel by channel: the order of its"
                " values is not known; name another layer (convscope layers)"
            )
        return found

    @cached_property
    def flow(self) -> Flow:
        """Which layer feeds which."""
        shown = {one.name: self.calls[one.name] for one in listed(self.listed.values())}
        return Finder(self._all, self._meetings, shown).find()

    def below(self, name: str) -> list[Layer]:
        """The layers whose output a layer, NAME.pre or the output "" is computed from, in order."""
        if name in self.outputs:
            head = self._heads[self.outputs[name].source]
            behind, same = head.behind, head.tensors
        else:
            layer = name.removesuffix(PRE) if self.is_pre(name) else name
            if layer not in self.calls:  # an output that is no tensor
                return list(self.listed.values())
            behind, same = self.calls[layer].behind, frozenset({self.calls[layer].tensor})
            if self.is_pre(name):
                same |= {self._inputs[self.activation(name)]}
        calls = [(one, self.calls[one.name]) for one in self.listed.values()]
        return [one for one, c in calls if behind >> c.index & 1 and c.tensor not in same]
