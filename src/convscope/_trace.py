"""What happens inside a module when it runs once: its layers, what they see, what may be folded.

The trace is taken from a real forward pass (module hooks for names, a `TorchFunctionMode` for
activations, a `TorchDispatchMode` for every primitive operation), so it needs no symbolic tracer
and follows branches, reused modules and functional calls in any network that runs.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from convscope import _nonlinear
from convscope.types import Axis


@dataclass(frozen=True)
class Field:
    """Where a tensor's two spatial dimensions are and what its units see along each.

    Dimensions count from the end (-2, -1 for N, C, H, W), so that broadcasting keeps them.
    """

    rows: Axis
    columns: Axis
    row_dim: int = -2
    column_dim: int = -1

    @property
    def dims(self) -> tuple[int, int]:
        return self.row_dim, self.column_dim


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
    """A convolution and the normalisation that alone reads it; `names` are the layers whose output
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
        met = _nonlinear.find(func, args, kwargs)
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
        self.normalised: list[tuple[int, str]] = []
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
        norms = Counter(norm for _, norm in self.normalised)
        pairs = []
        for tensor, norm in self.normalised:
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
            self.normalised.append((id(inputs[0]), here))
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
        if torch.Tag.pointwise in func.tags or name in _LIKE_POINTWISE:
            both = _union(seen)
            dims = both.dims if both else ()
            # One value spread over a whole map tells nothing about where it looked.
            spread = any(t.shape[d] != output.shape[d] for t in known for d in dims)
            return None if spread else both
        if name == "cat":
            dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
            return None if _from_end(dim, output) in first.dims else _union(seen)
        rule = _RULES.get(name)
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


def _from_end(dim: int, tensor: Tensor) -> int:
    return dim if dim < 0 else dim - tensor.dim()


def _union(fields: list[Field | None]) -> Field | None:
    """What a unit sees that adds up several branches; None where their grids differ."""
    first = fields[0]
    for other in fields[1:]:
        if first is None or other is None or first.dims != other.dims:
            return None
        rows, columns = _widest(first.rows, other.rows), _widest(first.columns, other.columns)
        if rows is None or columns is None:
            return None
        first = replace(first, rows=rows, columns=columns)
    return first


def _widest(a: Axis, b: Axis) -> Axis | None:
    if a.jump != b.jump:
        return None
    return Axis(a.jump, min(a.start, b.start), max(a.stop, b.stop))


def _windowed(axis: Axis, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
    """The axis behind a sliding window."""
    start = axis.start - axis.jump * padding
    reach = axis.jump * (dilation * (kernel - 1) - padding)
    return Axis(axis.jump * stride, start, axis.stop + reach)


def _pair(value: Any, default: Any = None) -> tuple[int, int]:
    value = default if value is None or value == [] else value
    if isinstance(value, int):
        return value, value
    return (value[0], value[-1])


def _sliding(seen: Field, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Field | None:
    if seen.dims != (-2, -1):
        return None
    k, s, p, d = _pair(kernel), _pair(stride, kernel), _pair(padding, 0), _pair(dilation, 1)
    rows = _windowed(seen.rows, k[0], s[0], p[0], d[0])
    return Field(rows, _windowed(seen.columns, k[1], s[1], p[1], d[1]))


def _convolution(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    kernel = args[1].shape[2:]
    stride, padding, dilation, transposed = args[3:7]
    if output.dim() != 4 or seen.dims != (-2, -1):
        return None
    if not transposed:
        return _sliding(seen, list(kernel), stride, padding, dilation)

    def spread(axis: Axis, k: int, s: int, p: int, d: int) -> Axis:
        jump = axis.jump / s
        return Axis(jump, axis.start + jump * (p - d * (k - 1)), axis.stop + jump * p)

    (kr, kc), (sr, sc), (pr, pc), (dr, dc) = map(_pair, (list(kernel), stride, padding, dilation))
    return Field(spread(seen.rows, kr, sr, pr, dr), spread(seen.columns, kc, sc, pc, dc))


def _pool(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    stride, padding, dilation = (list(args[2:5]) + [None] * 3)[:3]
    return _sliding(seen, args[1], stride, padding, dilation)


def _average_pool(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    return _pool(seen, source, output, args[:4])  # the fifth is ceil_mode, not a dilation


def _adaptive_pool(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    sizes = [(i, o) for i, o in zip(source.shape[-2:], output.shape[-2:], strict=True)]
    if any(i % o for i, o in sizes) or all(o == 1 for _, o in sizes):
        return None
    windows = [i // o for i, o in sizes]
    return _sliding(seen, windows, windows, 0, 1)


def _pad(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    pads = list(args[1]) + [0, 0, 0, 0]
    if seen.dims != (-2, -1):
        return None

    def shift(axis: Axis, by: int) -> Axis:
        return Axis(axis.jump, axis.start - axis.jump * by, axis.stop - axis.jump * by)

    return Field(shift(seen.rows, pads[2]), shift(seen.columns, pads[0]))


def _nearest(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    def axis(old: Axis, before: int, after: int, factor: float | None) -> Axis:
        ratio = 1 / factor if factor else before / after
        # Unit i copies unit floor(i * ratio), which lies behind i * ratio by less than one.
        behind = max(i * ratio - math.floor(i * ratio + 1e-6) for i in range(after))
        return Axis(old.jump * ratio, old.start - old.jump * max(0.0, behind), old.stop)

    return _resized(seen, source, output, args[2:4], axis)


def _interpolated(reach: int) -> Callable[[Field, Tensor, Tensor, Any], Field | None]:
    """Interpolation that reads `reach` neighbours on either side."""

    def rule(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
        corners = args[2]

        def axis(old: Axis, before: int, after: int, factor: float | None) -> Axis:
            if corners:
                ratio = (before - 1) / max(1, after - 1)
                shift = 0.0
            else:
                ratio = 1 / factor if factor else before / after
                shift = (ratio - 1) / 2
            low, high = (old.jump * (shift + side) for side in (-reach, reach))
            return Axis(old.jump * ratio, old.start + low, old.stop + high)

        return _resized(seen, source, output, args[3:5], axis)

    return rule


def _resized(
    seen: Field,
    source: Tensor,
    output: Tensor,
    factors: Any,
    axis: Callable[[Axis, int, int, float | None], Axis],
) -> Field | None:
    if seen.dims != (-2, -1):
        return None
    down, across = (list(factors) + [None, None])[:2]
    (h, w), (oh, ow) = source.shape[-2:], output.shape[-2:]
    return Field(axis(seen.rows, h, oh, down), axis(seen.columns, w, ow, across))


def _reshape(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    same = output.dim() >= 3 and output.shape[-2:] == source.shape[-2:] and seen.dims == (-2, -1)
    return seen if same else None


def _permute(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    order = [_from_end(d, source) for d in args[1]]
    n = len(order)
    return replace(
        seen, row_dim=order.index(seen.row_dim) - n, column_dim=order.index(seen.column_dim) - n
    )


def _transpose(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    order = list(range(source.dim()))
    a, b = args[1] % source.dim(), args[2] % source.dim()
    order[a], order[b] = order[b], order[a]
    return _permute(seen, source, output, (source, order))


def _reduce(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    dims = args[1] if len(args) > 1 else None
    dims = [dims] if isinstance(dims, int) else dims
    keep = len(args) > 2 and args[2]
    if not dims or not keep or any(_from_end(d, source) in seen.dims for d in dims):
        return None
    return seen


def _normalise_last(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    return seen if not any(d >= -len(args[1]) for d in seen.dims) else None


def _batch_norm(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    training = len(args) > 5 and args[5] is True
    return None if training else seen


def _slice(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    dim, start, _end, step = (list(args[1:]) + [None] * 4)[:4]
    dim = _from_end(dim or 0, source)
    if dim not in seen.dims:
        return seen
    start, step = int(start or 0), int(step or 1)
    start = max(0, start + source.shape[dim]) if start < 0 else start

    def cut(axis: Axis) -> Axis:
        return Axis(axis.jump * step, axis.start + axis.jump * start, axis.stop + axis.jump * start)

    if dim == seen.row_dim:
        return replace(seen, rows=cut(seen.rows))
    return replace(seen, columns=cut(seen.columns))


def _split(seen: Field, source: Tensor, output: Tensor, args: Any) -> Field | None:
    dim = args[2] if len(args) > 2 else 0
    return None if _from_end(dim, source) in seen.dims else seen


_LIKE_POINTWISE = {
    "clone", "detach", "alias", "_to_copy", "contiguous", "lift_fresh", "expand", "native_dropout",
    "_native_batch_norm_legit_no_training", "copy_", "_prelu_kernel",
}  # fmt: skip
_RULES: dict[str, Callable[[Field, Tensor, Tensor, Any], Field | None]] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _pool,
    "avg_pool2d": _average_pool,
    "_adaptive_avg_pool2d": _adaptive_pool,
    "adaptive_max_pool2d": _adaptive_pool,
    "constant_pad_nd": _pad,
    "reflection_pad2d": _pad,
    "replication_pad2d": _pad,
    "upsample_nearest2d": _nearest,
    "upsample_bilinear2d": _interpolated(1),
    "upsample_bicubic2d": _interpolated(2),
    "view": _reshape,
    "_unsafe_view": _reshape,
    "reshape": _reshape,
    "_reshape_alias": _reshape,
    "permute": _permute,
    "transpose": _transpose,
    "mean": _reduce,
    "sum": _reduce,
    "native_layer_norm": _normalise_last,
    "native_batch_norm": _batch_norm,
    "cudnn_batch_norm": _batch_norm,
    "slice": _slice,
    "split": _split,
    "split_with_sizes": _split,
}
