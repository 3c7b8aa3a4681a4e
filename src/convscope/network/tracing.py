"""What happens inside a module when it runs once: its layers, what they see, what may be folded.

The trace is taken from a real forward pass (module hooks for names, a `TorchFunctionMode` for
activations, a `TorchDispatchMode` for every primitive operation), so it needs no symbolic tracer
and follows branches, reused modules and functional calls in any network that runs.
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
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from convscope.network import activation_calls
from convscope.network.receptive_fields import (
    LIKE_POINTWISE,
    RULES,
    Field,
    from_end,
    union,
)
from convscope.types import Axis


@dataclass
class Call:
    """One call of a named module whose output is a tensor."""

    name: str
    type: str
    shape: tuple[int, ...]
    field: Field | None
    activation: int | None
    mutated: bool = False


@dataclass(frozen=True)
class Pair:
    """A convolution and the normalization that alone reads it; `names` are the layers whose output
    is the convolution's own tensor: itself, a module that wraps it, an Identity behind it."""

    conv: str
    norm: str
    names: frozenset[str]


@dataclass
class Trace:
    """A forward pass. `calls` are in order of completion; the root module is the name ""."""

    calls: list[Call] = field(default_factory=list)
    activations: list[str] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    output: object = None

    def counts(self) -> Counter[str]:
        return Counter(call.name for call in self.calls)

    def last(self) -> dict[str, Call]:
        """The last call of each name."""
        return {call.name: call for call in self.calls}


def trace(module: nn.Module, x: Tensor) -> Trace:
    """Run `module` on `x` (1, 3, H, W) once and write down what happened."""
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


class _Functions(TorchFunctionMode):
    """Numbers the activations in the order in which they are called."""

    def __init__(self, operations: _Operations, result: Trace) -> None:
        super().__init__()
        self.operations = operations
        self.result = result

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        met = activation_calls.find(func, args, kwargs)
        if func is F.linear:
            output = self.operations.linear(func, args, kwargs)
        else:
            output = func(*args, **kwargs)
        if met:
            self.operations.activations[id(output)] = len(self.result.activations)
            self.result.activations.append(met.name)
        return output


class _Operations(TorchDispatchMode):
    """Follows, operation by operation, which input pixels each tensor sees.

    `fields` maps a tensor's id to its Field, or to None where its units see the whole image;
    `activations` maps those that an activation made to its number, `returned` to the calls that
    returned them. All tensors met are kept alive, so that no id is used twice.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        one = Axis(1, 0, 0)
        self.fields: dict[int, Field | None] = {id(x): Field(one, one)}
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
        """A dense layer as one operation (it decomposes into reshapes that hide the positions)."""
        self.paused = True
        output: Tensor = func(*args, **kwargs)
        self.paused = False
        source = args[0] if args else kwargs["input"]
        self.consumers[id(source)] += 1
        self.alive.append((source, output))
        seen = self.fields.get(id(source))
        self.fields[id(output)] = seen if seen and -1 not in seen.dims else None
        return output

    def pairs(self, module: nn.Module, output: object) -> list[Pair]:
        """The pairs that may be folded: each part runs once, nothing else reads what lies between,
        and the weight is the convolution's own parameter, used nowhere else."""
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
        name = func.overloadpacket.__name__
        here = self.stack[-1] if self.stack else ""
        if name == "convolution":
            self.convolved[id(outputs[0])] = (here, args[1])
        elif "batch_norm" in name:
            self.normalized.append((id(inputs[0]), here))
        known = [t for t in inputs if id(t) in self.fields]
        if known:
            for tensor in outputs:
                self.fields[id(tensor)] = self._field(func, name, args, kwargs, known, tensor)
        if func._schema.is_mutable:
            for tensor in outputs:
                self._changed(tensor)

    def _changed(self, tensor: Tensor) -> None:
        """A tensor was changed in place, and with it all that share its memory."""
        for one in self.sharing[tensor.untyped_storage().data_ptr()]:
            self.activations.pop(one, None)
            for call in self.returned[one]:
                call.mutated = True
            if one != id(tensor):
                self.fields[one] = None

    def _field(
        self,
        func: Any,
        name: str,
        args: Any,
        kwargs: Mapping[str, Any],
        known: list[Tensor],
        output: Tensor,
    ) -> Field | None:
        seen = [self.fields[id(t)] for t in known]
        if any(one is None for one in seen):
            return None
        first = seen[0]
        assert first is not None
        if torch.Tag.pointwise in func.tags or name in LIKE_POINTWISE:
            both = union(seen)
            dims = both.dims if both else ()
            # One value spread over a whole map tells nothing about where it looked.
            spread = any(t.shape[d] != output.shape[d] for t in known for d in dims)
            return None if spread else both
        if name == "cat":
            dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
            return None if from_end(dim, output) in first.dims else union(seen)
        rule = RULES.get(name)
        return rule(first, known[0], output, args) if rule else None


def _tensors(values: Any) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
        elif isinstance(value, dict):
            found += _tensors(value.values())
    return found
