"""One forward pass of a module, traced: its layers, their receptive fields, what may be folded.

The trace comes from a real forward pass: module hooks give the names, a `TorchFunctionMode` the
activations, a `TorchDispatchMode` every primitive operation. So it needs no symbolic tracer, and it
follows branches, modules used several times and functional calls in any network that runs.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn.utils.parametrize import type_before_parametrizations
from torch.utils._python_dispatch import TorchDispatchMode

from convscope.network.activation_calls import ActivationCall, ActivationMode
from convscope.network.heads.endings import Ending, Endings
from convscope.network.heads.finding import tensors_in
from convscope.network.traces import only_pixels
from convscope.network.traces.layouts import Layout, of_images, unknown
from convscope.network.traces.meetings import Meeting, Meetings
from convscope.network.traces.operations import AXES, mixed
from convscope.network.traces.propagation import FRESH, propagate
from convscope.network.traces.rules_of_mixing import dense


@dataclass
class Call:
    """One call of a named module whose output is a tensor.

    Attributes:
        name: the module's name.
        type: the name of its class.
        shape: of the output, with the batch.
        number: which call of the module it is, from 1.
        index: which of all calls it is, in the order in which they end, from 0.
        tensor: a number that stands for the output.
        layout: how the output lies; None if it does not depend on the image.
        activation: the number of the activation that made the output; None: no activation did.
        mutated: whether the output is changed in place later.
        behind: a bit for each call whose output this one depends on.
        unit: whether the module has no parts, or more parameters of its own than all of them.
        source: what it reads, as `Meetings.nearest` gives it; None if it reads no layer.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    number: int
    index: int
    tensor: int
    layout: Layout | None
    activation: int | None
    mutated: bool = False
    behind: int = 0
    unit: bool = True
    source: int | None = None

    def follows(self, other: Call) -> bool:
        """Whether this call depends on the output of another."""
        return bool(self.behind >> other.index & 1)


@dataclass(frozen=True)
class Pair:
    """A convolution and the normalization that is the only one to read it.

    `names` are the layers whose output is the convolution's own tensor: the convolution, a module
    that wraps it, an Identity behind it.
    """

    conv: str
    norm: str
    names: frozenset[str]


@dataclass(frozen=True)
class Head:
    """A tensor of the output.

    Attributes:
        tensors: numbers that stand for it, and for what goes into the activation it comes from.
        behind: a bit for each call whose output it depends on.
    """

    tensors: frozenset[int]
    behind: int


@dataclass
class Trace:
    """What happened in a forward pass.

    Attributes:
        shape: of the images, (N, C, H, W).
        calls: in the order in which they ended; the root module has the name "".
        activations: the names of the activations, in the order in which they were called.
        inputs: for each activation, the number that stands for the tensor that went into it.
        pairs: convolutions and normalizations that may be folded.
        output: what the module returned.
        heads: the tensors of the output by name.
        endings: the activations that some of them come from.
        meetings: where branches meet outside of any layer.
    """

    shape: torch.Size
    calls: list[Call] = field(default_factory=list)
    activations: list[str] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    output: object = None
    heads: dict[str, Head] = field(default_factory=dict)
    endings: dict[str, Ending] = field(default_factory=dict)
    meetings: list[Meeting] = field(default_factory=list)

    def last(self) -> dict[str, Call]:
        """The last call of each name."""
        return {call.name: call for call in self.calls}

    def depending(self) -> dict[str, list[Call]]:
        """The calls of each name whose output depends on the image; all if none does."""
        found: defaultdict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            found[call.name].append(call)
        return {
            name: [call for call in calls if call.layout is not None] or calls
            for name, calls in found.items()
        }


def trace(module: nn.Module, x: Tensor) -> Trace:
    """Run `module` on `x` (1, C, H, W) once and record what happened."""
    result, endings = Trace(x.shape), Endings()
    only_pixels.mark(x)
    operations = _Operations(x)
    functions = _Functions(operations, result)
    hooks = _module_hooks(module, operations, result)
    with torch.no_grad(), hooks, operations, functions, endings:
        result.output = module(x)
    for name, tensor in tensors_in(result.output).items():
        same, ending = {id(tensor)}, endings.of(tensor)
        if ending is not None:
            result.endings[name] = ending
            same.add(id(ending.before))
        result.heads[name] = Head(frozenset(same), operations.behind[id(tensor)])
    result.pairs = operations.pairs(module, result.output)
    result.meetings = operations.meetings.found
    return result


@contextmanager
def _module_hooks(module: nn.Module, operations: _Operations, result: Trace) -> Iterator[None]:
    handles = []
    counts: Counter[str] = Counter()

    def watch(name: str, child: nn.Module) -> None:
        unit = _is_unit(child)

        def before(*_: Any) -> None:
            operations.stack.append(name)

        def after(_module: nn.Module, _args: Any, output: Any) -> None:
            operations.stack.pop()
            if isinstance(output, Tensor):
                counts[name] += 1
                call = Call(
                    name,
                    type_before_parametrizations(child).__name__,
                    tuple(output.shape),
                    counts[name],
                    len(result.calls),
                    id(output),
                    operations.layouts.get(id(output)),
                    operations.activations.get(id(output)),
                    behind=operations.behind[id(output)],
                    unit=unit,
                    source=operations.meetings.nearest.get(id(output)),
                )
                operations.behind[id(output)] |= 1 << len(result.calls)
                if unit:
                    operations.meetings.nearest[id(output)] = len(result.calls)
                result.calls.append(call)
                operations.returned[id(output)].append(call)

        handles.append(child.register_forward_pre_hook(before))
        handles.append(child.register_forward_hook(after))

    for name, child in module.named_modules():
        if not isinstance(child, torch.jit.ScriptModule):
            watch(name, child)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_unit(module: nn.Module) -> bool:
    parts = {name for name, _ in module.named_children()} - {"parametrizations"}
    own = sum(p.numel() for p in module.parameters(recurse=False))
    return not parts or 2 * own > sum(p.numel() for p in module.parameters())


class _Functions(ActivationMode):
    """Numbers the activations in the order in which they are called."""

    def __init__(self, operations: _Operations, result: Trace) -> None:
        super().__init__()
        self.operations = operations
        self.result = result

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is F.linear:
            return self.operations.linear(func, args, kwargs or {})
        return super().__torch_function__(func, types, args, kwargs)

    def activation(self, call: ActivationCall) -> Tensor:
        self.result.inputs.append(id(call.input))
        output = call.run()
        if not _inside_own_function():
            self.operations.activations[id(output)] = len(self.result.activations)
        self.result.activations.append(call.name)
        return output


def _inside_own_function() -> bool:
    """Whether a user's autograd function is running: what it calls has no gradient of its own."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        first = frame.f_code.co_varnames[:1]
        if frame.f_code.co_name == "forward" and first:
            context = frame.f_locals.get(first[0])
            if isinstance(context, FunctionCtx):
                return True
        frame = frame.f_back
    return False


class _Operations(TorchDispatchMode):
    """Follows every tensor from operation to operation.

    All tensors are kept alive, so that no id is used twice.

    Attributes:
        layouts: from a tensor's id to how it lies; tensors that do not depend on the image are
            absent.
        behind: from a tensor's id to a bit for each call that it depends on.
        meetings: which layers tensors come from, and where branches meet.
        activations: from the id of a tensor that an activation made to the activation's number.
        returned: from a tensor's id to the calls that returned it.
        shapes: from a tensor's id to its shape.
        sharing: from the address of memory to the ids of the tensors in it.
        stack: the names of the modules that are running.
        consumers: from a tensor's id to the number of its readers.
        convolved: from the id of a convolution's output to the module that ran it and its weight.
        normalized: the input's id and the module's name of every normalization.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.layouts: dict[int, Layout] = {id(x): of_images(x.shape)}
        self.behind: defaultdict[int, int] = defaultdict(int)
        self.meetings = Meetings()
        self.activations: dict[int, int] = {}
        self.returned: defaultdict[int, list[Call]] = defaultdict(list)
        self.alive: list[Any] = [x]
        self.sharing: defaultdict[int, set[int]] = defaultdict(set)
        self.shapes: dict[int, torch.Size] = {}
        self.stack: list[str] = []
        self.consumers: Counter[int] = Counter()
        self.convolved: dict[int, tuple[str, Tensor]] = {}
        self.normalized: list[tuple[int, str]] = []
        self.paused = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if not self.paused:
            self._note(func, args, kwargs or {}, output)
        return output

    def linear(self, func: Any, args: Any, kwargs: Mapping[str, Any]) -> Tensor:
        """Run a dense layer as one operation: its own operations reshape the positions away."""
        self.paused = True
        output: Tensor = func(*args, **kwargs)
        self.paused = False
        source = args[0] if args else kwargs["input"]
        self.consumers[id(source)] += 1
        self.alive.append((source, output))
        layout = dense(self.layouts.get(id(source)), output.shape[-1])
        if layout is not None:
            self.layouts[id(output)] = layout
        self.behind[id(output)] |= self.behind[id(source)]
        self.meetings.note("linear", "", [source], [output])
        return output

    def pairs(self, module: nn.Module, output: object) -> list[Pair]:
        """The pairs that may be folded.

        Convolution and normalization run once, nothing else reads the tensor between them, and the
        weight is the convolution's own parameter and used nowhere else.
        """
        self.consumers.update(id(t) for t in _tensors((output,)))
        norms = Counter(norm for _, norm in self.normalized)
        pairs = []
        for tensor, norm in self.normalized:
            if tensor not in self.convolved:
                continue
            conv, weight = self.convolved[tensor]
            own = module.get_submodule(conv)._parameters.get("weight") is weight
            once = self.consumers[tensor] == self.consumers[id(weight)] == norms[norm] == 1
            if own and once:
                names = frozenset(call.name for call in self.returned[tensor])
                pairs.append(Pair(conv, norm, names))
        return pairs

    def _note(self, func: Any, args: Any, kwargs: Mapping[str, Any], output: Any) -> None:
        inputs = _tensors(args) + _tensors(kwargs.values())
        outputs = _tensors((output,))
        self.alive.append((inputs, outputs))
        self.consumers.update(id(t) for t in inputs)
        for tensor in inputs + outputs:
            self.shapes[id(tensor)] = tensor.shape
            self.sharing[tensor.untyped_storage().data_ptr()].add(id(tensor))
        self._note_pair(func.overloadpacket.__name__, args, inputs, outputs)
        if func._schema.is_mutable:
            for tensor in outputs:
                self._changed(tensor, any(id(t) in self.layouts for t in inputs))
        self._pass_on(func, args, kwargs, inputs, outputs)

    def _pass_on(
        self, func: Any, args: Any, kwargs: Any, inputs: list[Tensor], outputs: list[Tensor]
    ) -> None:
        """Find out how the outputs lie, and which calls they depend on."""
        if func.overloadpacket.__name__ in FRESH:
            return
        name, module = func.overloadpacket.__name__, self.stack[-1] if self.stack else ""
        self.meetings.note(name, module, inputs, outputs)
        behind = 0
        for tensor in inputs:
            behind |= self.behind[id(tensor)]
        known = [(tensor, self.layouts.get(id(tensor))) for tensor in inputs]
        depends = any(layout is not None for _, layout in known)
        for number, tensor in enumerate(outputs):
            self.behind[id(tensor)] |= behind
            if depends:
                layout = propagate(func, args, kwargs, known, tensor, number)
                self.layouts[id(tensor)] = layout

    def _note_pair(self, name: str, args: Any, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """Remember the two kinds of operation that may be folded together."""
        here = self.stack[-1] if self.stack else ""
        if name == "convolution":
            self.convolved[id(outputs[0])] = (here, args[1])
        elif "batch_norm" in name:
            self.normalized.append((id(inputs[0]), here))

    def _changed(self, tensor: Tensor, depends: bool) -> None:
        """A tensor was changed in place, and with it all that share its memory."""
        for one in self.sharing[tensor.untyped_storage().data_ptr()]:
            self.activations.pop(one, None)
            for call in self.returned[one]:
                call.mutated = True
            if one != id(tensor) and depends:
                self._lose_fields(one)

    def _lose_fields(self, one: int) -> None:
        """Values of a tensor came from somewhere else: which pixels it sees is not known."""
        layout = self.layouts.get(one)
        if layout is not None:
            self.layouts[one] = mixed(layout, AXES)
        elif one in self.shapes:
            self.layouts[one] = unknown(self.shapes[one], "a change in place")


def _tensors(values: Any) -> list[Tensor]:
    """The tensors in nested lists, tuples and dicts, in order."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
        elif isinstance(value, dict):
            found += _tensors(value.values())
    return found
