"""Which layer of a network feeds which, and where branches meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from convscope.network.layers import ancestors
from convscope.network.traces.meetings import Meeting
from convscope.network.traces.tracing import Call


@dataclass(frozen=True)
class Joint:
    """A place outside of any layer where branches meet: a sum, for instance.

    Attributes:
        name: the layer whose output it is, if there is one; else one that no layer has.
        type: the operation, in words.
        shape: of its output, without the first dimension.
        layer: whether a layer has that name.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    layer: bool


@dataclass(frozen=True)
class Flow:
    """What flows from layer to layer.

    Attributes:
        joints: where branches meet, in the order in which they do.
        edges: pairs of names of layers and joints: the second reads the first, and nothing is
            between them. The layers have no parts, or else are one layer with them, as a
            normalization and its activation.
    """

    joints: tuple[Joint, ...]
    edges: tuple[tuple[str, str], ...]


class Finder:
    """Finds the flow of a traced network.

    Args:
        all_calls: of the trace.
        meetings: of the trace.
        calls: those of layers that are worth showing, by the layers' names.
    """

    def __init__(
        self, all_calls: Sequence[Call], meetings: Sequence[Meeting], calls: Mapping[str, Call]
    ) -> None:
        self._all, self._meetings, self._calls = all_calls, meetings, calls
        units = {name: call for name, call in calls.items() if call.unit}
        self._modules = {call.name for call in units.values()}
        self._shown: dict[int, str] = {
            call.index: name for name, call in units.items() if not self._is_part(call.name)
        }

    def find(self) -> Flow:
        """The flow."""
        joints = tuple(self._joints())
        edges = [
            (name, self._shown[number])
            for number in [*range(len(self._all)), *range(-1, -len(self._meetings) - 1, -1)]
            if number in self._shown
            for name in self._read(self._sources(number))
        ]
        return Flow(joints, tuple(edges))

    def _is_part(self, module: str) -> bool:
        """Whether a module is part of a layer."""
        return not self._modules.isdisjoint(ancestors(module))

    def _joints(self) -> Iterator[Joint]:
        """The meetings of several layers that are inside of none. They are shown from now on."""
        # The innermost module that ends in a meeting comes first, and gives it its name.
        outputs: dict[tuple[int | None, int], str] = {}
        for name, call in self._calls.items():
            if call.index not in self._shown:
                outputs.setdefault((call.source, call.tensor), name)
        taken = {*self._calls}
        for number, one in enumerate(self._meetings):
            inside = one.module in self._modules or self._is_part(one.module)
            if inside or len(self._read(one.sources)) < 2:
                continue
            layer = outputs.get((-number - 1, one.tensor))
            name = layer or _free(f"{one.module} {one.word.lower()}".strip(), taken)
            taken.add(name)
            self._shown[-number - 1] = name
            yield Joint(name, one.word, one.shape[1:], layer is not None)

    def _sources(self, number: int) -> tuple[int, ...]:
        if number < 0:
            return self._meetings[-number - 1].sources
        source = self._all[number].source
        return () if source is None else (source,)

    def _read(self, sources: Sequence[int]) -> list[str]:
        """What a call or meeting with these sources reads; what is not shown is looked through."""
        found, waiting = dict[int, str](), [*sources]
        while waiting:
            number = waiting.pop()
            if number in self._shown:
                found[number] = self._shown[number]
            else:
                waiting += self._sources(number)
        return [found[number] for number in sorted(found)]


def _free(name: str, taken: set[str]) -> str:
    """The name, or one with a number where it is taken."""
    if name not in taken:
        return name
    return next(new for i in range(2, len(taken) + 3) if (new := f"{name} {i}") not in taken)
