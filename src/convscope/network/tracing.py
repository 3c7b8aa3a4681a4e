"""One forward pass of a module, traced: its layers, their receptive fields, what may be folded.

The trace comes from a real forward pass: module hooks give the names, a `TorchFunctionMode` the
activations, a `TorchDispatchMode` every primitive operation. So it needs no symbolic tracer, and it
follows branches, modules used several times and functional calls in any network that runs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from convscope.network.activation_calls import ActivationCall, ActivationMode
from convscope.network.propagation import propagate, through_dense
from convscope.network.receptive_fields import ReceptiveField, of_pixels


@dataclass
class Call:
    """One call of a named module whose output is a tensor.

    Attributes:
        name: the module's name.
        type: the name of its class.
        shape: of the output, with the batch.
        field: the receptive field of the output; None: the whole image, or not known.
        activation: the number of the activation that made the output; None: no activation did.
        mutated: whether the output is changed in place later.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    field: ReceptiveField | None
    activation: int | None
    mutated: bool = False


@dataclass(frozen=True)
class Pair:
    """A convolution and the normalization that is the only one to read it.

    `names` are the layers whose output is the convolution's own tensor: the convolution, a module
    that wraps it, an Identity behind it.
    """

    conv: str
    norm: str
    names: frozenset[str]


@dataclass
class Trace:
    """What happened in a forward pass.

    Attributes:
        calls: in the order in which they ended; the root module has the name "".
        activations: the names of the activations, in the order in which they were called.
        pairs: convolutions and normalizations that may be folded.
        output: what the module returned.
    """

    calls: list[Call] = field(default_factory=list)
    activations: list[str] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    output: object = None

    def counts(self) -> Counter[str]:
        """How often each name was called."""
        return Counter(call.name for call in self.calls)

    def last(self) -> dict[str, Call]:
        """The last call of each name."""
        return {call.name: call for call in self.calls}


def trace(module: nn.Module, x: Tensor) -> Trace:
    """Run `module` on `x` (1, C, H, W) once and record what happened."""
    result = Trace()
    operations = _Operations(x)
    functions = _Functions(operations, result)
    hooks = _module_hooks(module, operations, result)
    with torch.no_grad(), hooks, operations, functions:
        result.output = module(x)
    result.pairs = operations.pairs(module, result.output)
    return result


@contextmanager
def _module_hooks(module: nn.Module, operations: _Operations, result: Trace) -> Iterator[None]:
    handles = []

    def watch(name: str, child: nn.Module) -> None:
        def before(*_: Any) -> None:
            operations.stack.append(name)

        def after(_module: nn.Module, _args: Any, output: Any) -> None:
            operations.stack.pop()
            if isinstance(output, Tensor):
                call = Call(
                    name,
                    type(child).__name__,
                    tuple(output.shape),
                    operations.fields.get(id(output)),
                    operations.activations.get(id(output)),
                )
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
        output = call.run()
        self.operations.activations[id(output)] = len(self.result.activations)
        self.result.activations.append(call.name)
        return output


class _Operations(TorchDispatchMode):
    """Follows every tensor from operation to operation.

    All tensors are kept alive, so that no id is used twice.

    Attributes:
        fields: from a tensor's id to its receptive field; tensors that do not depend on the image
            are absent.
        activations: from the id of a tensor that an activation made to the activation's number.
        returned: from a tensor's id to the calls that returned it.
        sharing: from the address of memory to the ids of the tensors in it.
        stack: the names of the modules that are running.
        consumers: from a tensor's id to the number of its readers.
        convolved: from the id of a convolution's output to the module that ran it and its weight.
        normalized: the input's id and the module's name of every normalization.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.fields: dict[int, ReceptiveField | None] = {id(x): of_pixels()}
        self.activations: dict[int, int] = {}
        self.returned: defaultdict[int, list[Call]] = defaultdict(list)
        self.alive: list[Any] = [x]
        self.sharing: defaultdict[int, set[int]] = defaultdict(set)
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
        self.fields[id(output)] = through_dense(self.fields.get(id(source)))
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
            self.sharing[tensor.untyped_storage().data_ptr()].add(id(tensor))
        self._note_pair(func.overloadpacket.__name__, args, inputs, outputs)
        known = [(t, self.fields[id(t)]) for t in inputs if id(t) in self.fields]
        if known:
            for tensor in outputs:
                self.fields[id(tensor)] = propagate(func, args, kwargs, known, tensor)
        if func._schema.is_mutable:
            for tensor in outputs:
                self._changed(tensor)

    def _note_pair(self, name: str, args: Any, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """Remember the two kinds of operation that may be folded together."""
        here = self.stack[-1] if self.stack else ""
        if name == "convolution":
            self.convolved[id(outputs[0])] = (here, args[1])
        elif "batch_norm" in name:
            self.normalized.append((id(inputs[0]), here))

    def _changed(self, tensor: Tensor) -> None:
        """A tensor was changed in place, and with it all that share its memory."""
        for one in self.sharing[tensor.untyped_storage().data_ptr()]:
            self.activations.pop(one, None)
            for call in self.returned[one]:
                call.mutated = True
            if one != id(tensor):
                self.fields[one] = None


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
