"""Which program reads layers of a network: it must give torch's values, in less time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from convscope.errors import ConvscopeError, first_line
from convscope.network import fused
from convscope.network.alone import Values
from convscope.network.converted import Converted
from convscope.network.fused import Fused
from convscope.network.nested import difference
from convscope.network.parts import Program, rows
from convscope.network.prepared.examples import TOLERANCE
from convscope.network.reading import Reader

ReaderName = Literal["torch", "fused", "openvino"]

SLOWEST = 0.95  # of torch's time
_KEPT = 16  # judgments of one network

_PROGRAMS: dict[ReaderName, Callable[[Reader, Tensor, Values], Program]] = {
    "fused": Fused,
    "openvino": Converted,
}


def is_installed(name: ReaderName) -> bool:
    """Whether what a program needs is there."""
    return fused.is_there() if name == "fused" else find_spec("openvino") is not None


def is_possible(reader: Reader) -> bool:
    """Whether a network can be read by programs at all."""
    prepared = reader.prepared
    on_cpu = all(p.device.type == "cpu" for p in prepared.plain.parameters())
    return on_cpu and prepared.dtype == torch.float32 and prepared.steady and not prepared.alone


@dataclass(frozen=True)
class Judged:
    """What became of a program.

    Attributes:
        name: what was to read the layers.
        program: reads them; None if it is of no use.
        words: how it compares with torch, or why there is none.
    """

    name: ReaderName
    program: Program | None
    words: str


@dataclass(frozen=True)
class By:
    """Programs of a network, each for some layers and images of one size.

    Attributes:
        names: the programs to choose from, the fastest first.
        needed: whether it is an error if there is none, and its speed does not matter.
    """

    names: tuple[ReaderName, ...]
    needed: bool = False

    def read(self, reader: Reader, x: Tensor, names: list[str]) -> Values | None:
        """The values for a normalized batch; None if torch is to read them."""
        found = self.judged(reader, x, names)
        if self.needed and found.program is None:
            raise ConvscopeError(
                f"the reader {found.name!r} cannot read {reader.preprocessing.name}"
                f" ({found.words}); use the reader 'torch', and another output"
            )
        return None if found.program is None else found.program(x)

    def judged(self, reader: Reader, x: Tensor, names: list[str]) -> Judged:
        """The first program that is of use, or else the last; made at the first few images."""
        about = tuple(names), tuple(x.shape[1:]), torch.get_num_threads()
        sample = _Sample(reader.by(None), x[: rows()], names)
        for name in self.names:
            found = _kept(reader, (name, about), partial(_made, sample, name))
            if name == "openvino" and not self.needed:
                found = _kept(reader, ("timed", name, about), partial(_timed, sample, found))
            if found.program is not None:
                break
        return found


def _kept(reader: Reader, key: object, make: Callable[[], Judged]) -> Judged:
    """What was judged before, or else now."""
    known: dict[object, Judged] = reader.compiled
    if key not in known:
        made = make()
        while len(known) >= _KEPT:
            del known[next(iter(known))]
        known[key] = made
    return known[key]


@dataclass(frozen=True)
class _Sample:
    """The first few images of a run, which torch reads."""

    reader: Reader
    x: Tensor
    names: list[str]

    def read(self) -> Values:
        return self.reader.read(self.x, self.names, leaves=False)

    @cached_property
    def wanted(self) -> Values | None:
        """The values of the layers; None if the path of a pass may depend on the image."""
        with _Decisions() as decisions:
            values = self.read()
        return None if decisions.found else values


def _made(sample: _Sample, name: ReaderName) -> Judged:
    """A program, if its values are those of torch."""
    if sample.wanted is None:
        return Judged(name, None, "its path may depend on the image")
    try:
        program = _PROGRAMS[name](sample.reader, sample.x, sample.wanted)
        values = program(sample.x)
    except Exception as error:  # the module is the user's, and a program may lack an operation
        return Judged(name, None, first_line(error))
    apart = max(_apart(value, sample.wanted[layer]) for layer, value in values.items())
    words = f"values apart by {apart:.0e} of the largest"
    return Judged(name, program if apart <= TOLERANCE else None, words)


def _timed(sample: _Sample, found: Judged) -> Judged:
    """A program, if it takes less time than torch."""
    if found.program is None:
        return found
    ratio = _ratio(partial(found.program, sample.x), sample.read)
    words = f"{ratio:.2f} of torch's time, {found.words}"
    return replace(found, program=found.program if ratio <= SLOWEST else None, words=words)


class _Decisions(TorchDispatchMode):
    """Notices where Python code looks at a value, which may decide how a pass goes on.

    A recorded pass would always go the way of the images that it was recorded with.
    """

    found = False
    _LOOKS = frozenset(("aten::_local_scalar_dense", "aten::equal", "aten::nonzero"))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found |= func.name() in self._LOOKS
        return func(*args, **(kwargs or {}))


def _apart(value: Tensor, wanted: Tensor) -> float:
    """The largest difference, as a fraction of the largest value, where torch's are finite."""
    fine = wanted.isfinite()
    return difference(torch.where(fine, value, 0), torch.where(fine, wanted, 0))


def _ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """The time of a call as a fraction of that of another, each at its best."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(2):
        for call, spent in zip((ours, theirs), times, strict=True):
            begun = time.perf_counter()
            call()
            spent.append(time.perf_counter() - begun)
    return min(times[0]) / min(times[1])
