"""Reading the values of layers in a forward pass that goes no deeper than it must."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeError
from convscope.network.activation_calls import ActivationCall, ActivationMode
from convscope.network.alone import Values, read_alone
from convscope.network.arranging import Arranger
from convscope.network.heads.endings import Endings
from convscope.network.heads.finding import tensors_in
from convscope.network.heads.outputs import Output
from convscope.network.names import Names
from convscope.network.nested import in_full
from convscope.network.prepared.checkpointing import without_checkpoints
from convscope.network.prepared.normalizing import ScaleAndShift
from convscope.network.prepared.preparing import Prepared
from convscope.network.preprocessing import Preprocessing
from convscope.network.traces import only_pixels
from convscope.network.traces.tracing import Call
from convscope.system import ForkSafeLock, usual_torch
from convscope.tensors import changes


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Full float32 and the same result every time, on a GPU too."""
    if device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield


@dataclass(frozen=True)
class _Request:
    """What to read.

    Attributes:
        names: as the user gave them, each once.
        layers: the layers whose output is read.
        activations: from the number of an activation to the names of what goes into it.
        outputs: the outputs that are read.
    """

    names: list[str]
    layers: Set[str]
    activations: Mapping[int, list[str]]
    outputs: Sequence[Output]

    @property
    def calls(self) -> set[int]:
        """The activations at the end of the module whose input is read in place of the output."""
        return {output.call for output in self.outputs if output.call is not None}


class Programs(Protocol):
    """Another way to read layers, for some batches."""

    def read(self, reader: Reader, x: Tensor, names: list[str]) -> Values | None:
        """The values for a normalized batch; None if the module itself is to be run."""


class Reader:
    """Reads the values of layers off a prepared module, in one thread at a time.

    It remembers the layers whose output an in-place activation overwrites. Only a forward pass
    shows which these are.
    """

    def __init__(self, prepared: Prepared, names: Names, preprocessing: Preprocessing) -> None:
        self.prepared, self.names, self.preprocessing = prepared, names, preprocessing
        self.arranger = Arranger(prepared, names)
        self.programs: Programs | None = None
        self.compiled: dict[Any, Any] = {}  # what programs remember of this module
        self.overwritten: set[str] = set()
        self._lock = ForkSafeLock()

    def by(self, programs: Programs | None) -> Reader:
        """This reader, which leaves to some programs what they can read; to none if None."""
        reader = copy.copy(self)
        reader.programs = programs
        return reader

    @property
    def order(self) -> list[str]:
        """The names of the layers, in the order in which their calls end."""
        return list(self.names.listed)

    def read(self, x: Tensor, names: Collection[str], leaves: bool) -> dict[str, Tensor]:
        """The values of the named layers for a normalized batch `x`.

        Args:
            x: (N, C, H, W), on the module's device.
            names: layers, NAME.pre, or "" for the output.
            leaves: whether gradients begin at the first of the layers.
        """
        names = [names] if isinstance(names, str) else list(dict.fromkeys(names))
        usual = usual_torch(dtype=self.prepared.default)
        with self._lock, usual, deterministic(x.device):
            x = x.clone() if x.is_inference() else x
            if self.prepared.alone and len(x) > 1:
                values = read_alone(self._read, x, names, leaves)
            else:
                values = self._by_program(x, names) or self._read(x, names, leaves, {})
        return {name: values[name] for name in names}

    def _by_program(self, x: Tensor, names: list[str]) -> Values | None:
        """The values that a program gives, where there is one and no gradient is needed."""
        if self.programs is None or torch.is_grad_enabled():
            return None
        x = x.contiguous(memory_format=self.prepared.memory_format)
        return self.programs.read(self, x, names)

    def traced(self, x: Tensor, names: Collection[str]) -> Values:
        """The values in one pass in which nothing works in place, so that it can be recorded."""
        reading = Reading(self, self._resolve(names), False, {}, overwriting=False)
        reading.run(x)
        return reading.values

    def _read(
        self, x: Tensor, names: Collection[str], leaves: bool, given: Mapping[str, Tensor]
    ) -> Values:
        """The values in the order in which the network computes them."""
        request = self._resolve(names)
        x = x.contiguous(memory_format=self.prepared.memory_format)
        self.arranger.follow(x, [n for n in request.names if n not in self.names.outputs])
        only_pixels.mark(x)
        reading = Reading(self, request, leaves, given)
        reading.run(x)
        while not reading.overwritten <= self.overwritten:
            self.overwritten |= reading.overwritten
            reading = Reading(self, request, leaves, given)
            reading.run(x)
        for name in request.names:
            if name not in reading.values:
                raise ConvscopeError(
                    f"the network did not run {name!r} on this image of {_pixels(x)} pixels: its"
                    " path depends on the image"
                )
        return reading.values

    def _resolve(self, wanted: Collection[str]) -> _Request:
        layers: set[str] = set()
        activations: dict[int, list[str]] = {}
        for name in wanted:
            if self.names.is_pre(name):
                activations.setdefault(self.names.activation(name), []).append(name)
            elif name and name not in self.names.outputs:
                layers.add(self.names.layer(name).name)
        outputs = [self.names.outputs.named(n) for n in wanted if not n or n in self.names.outputs]
        return _Request(list(wanted), layers, activations, outputs)


class Reading:
    """One forward pass that keeps the values asked for, and ends when it has them all.

    Where a value is `given`, the pass goes on from that value instead of its own.
    """

    def __init__(
        self,
        reader: Reader,
        request: _Request,
        leaves: bool,
        given: Mapping[str, Tensor],
        overwriting: bool | None = None,
    ) -> None:
        self.reader, self.request, self.leaves, self.given = reader, request, leaves, given
        self.values: Values = {}
        self._versions: dict[str, int] = {}
        # In-place activations save memory and time where no gradient needs their input.
        self.overwriting = not torch.is_grad_enabled() if overwriting is None else overwriting

    def run(self, x: Tensor) -> None:
        """Run the variant of the module in which the layers have their values, and keep these."""
        calls = {name: self.reader.names.calls[name] for name in self.request.layers}
        modules = {call.name for call in calls.values()}
        module = self.reader.prepared.variant(modules, self.overwriting)
        with ExitStack() as stack:
            for name, call in calls.items():
                hook = self._hook(name, call)
                handle = module.get_submodule(call.name).register_forward_hook(hook)
                stack.callback(handle.remove)
            if self.reader.prepared.checkpointed:
                stack.enter_context(without_checkpoints())
            if torch.is_grad_enabled() and self.reader.prepared.normalizes(module):
                stack.enter_context(ScaleAndShift())
            endings = Endings(self.request.calls)
            if endings.numbers:
                stack.enter_context(endings)
            if self.request.activations:
                stack.enter_context(_BeforeActivations(self.request.activations, self._keep))
            self._run(module, x, endings)

    @property
    def overwritten(self) -> Set[str]:
        """The names whose value was overwritten after it was kept."""
        return {n for n, version in self._versions.items() if changes(self.values[n]) != version}

    def _run(self, module: nn.Module, x: Tensor, endings: Endings) -> None:
        try:
            output = module(x)
        except _Complete:
            return
        found = tensors_in(output) if self.request.outputs else {}
        for one in self.request.outputs:
            self.values[one.name] = one.read(found, endings, len(x))

    def _keep(self, name: str, value: Tensor) -> Tensor:
        value = self.given.get(name, value)
        leaf = self.leaves and value.is_floating_point() and not value.requires_grad
        self.values[name] = value.requires_grad_() if leaf else value
        self._versions[name] = changes(value)
        if not self.request.outputs and len(self.values) == len(self.request.names):
            raise _Complete
        return value

    def _hook(self, name: str, call: Call) -> Callable[..., Tensor | None]:
        """A forward hook that keeps the layer's output at one of its calls."""
        changed = call.mutated or (self.overwriting and name in self.reader.overwritten)
        left = call.number

        def hook(_module: nn.Module, _args: Any, output: object) -> Tensor | None:
            nonlocal left
            if not isinstance(output, Tensor):
                return None
            left -= 1
            if left:
                return None
            value = self._keep(name, in_full(output))
            if output.is_quantized:
                return None
            going_on = value.to(output.dtype)
            # Where what follows changes the output, it changes a copy.
            return going_on.clone() if changed and going_on is value else going_on

        return hook


class _Complete(Exception):
    """Raised inside a forward pass when everything asked for has been read."""


class _BeforeActivations(ActivationMode):
    """Keeps what goes into the activations of the given numbers."""

    def __init__(
        self, wanted: Mapping[int, list[str]], keep: Callable[[str, Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.wanted, self.keep, self.count = wanted, keep, 0

    def activation(self, call: ActivationCall) -> Tensor:
        names = self.wanted.get(self.count)
        self.count += 1
        if names is None:
            return call.run()
        # The output is computed from the copy, so that gradients flow to it. Nothing else reads the
        # copy, so that nothing overwrites it.
        before = call.input.clone()
        if before.is_quantized:
            for name in names:
                self.keep(name, in_full(before))
            return call.run()
        for name in names:
            before = self.keep(name, in_full(before)).to(before.dtype)
        if not torch.is_grad_enabled():
            return call.run()
        result = call.apply(before)
        return call.input.copy_(result) if call.inplace else result


def _pixels(x: Tensor) -> str:
    return f"{x.shape[-2]}x{x.shape[-1]}"


def first_not_finite(order: Iterable[str], read: Callable[[set[str]], Mapping[str, Tensor]]) -> str:
    """Say which layer, in their order, first gives a NaN or an infinity."""
    for name in order:
        with torch.no_grad():
            value = read({name})[name]
        if not value.isfinite().all():
            return f"the first such layer is {name!r}"
    return "no layer alone shows it"
