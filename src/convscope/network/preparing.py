"""The prepared copy of a user's module: frozen, in eval mode, folded, channels_last.

Everything here works on copies. What cannot be prepared runs as it is, and `notes` says so.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

from convscope.errors import ConvscopeError, first_line
from convscope.network.tracing import Pair, Trace, trace

# A prepared copy may differ by this much from the module, relative to its largest output.
TOLERANCE = 1e-4


@dataclass
class Prepared:
    """A module ready to be read. `variant(names)` leaves unfolded what would change those layers.

    `memory_format` is the layout that inputs should have, `inplace` names the activations that
    worked in place in the user's module.
    """

    plain: nn.Module
    trace: Trace
    memory_format: torch.memory_format
    notes: list[str]
    pairs: dict[Pair, tuple[nn.Parameter, nn.Parameter]] = field(default_factory=dict)
    inplace: tuple[str, ...] = ()
    _variants: dict[tuple[frozenset[Pair], bool], nn.Module] = field(default_factory=dict)

    def variant(self, names: Collection[str] = (), overwriting: bool = False) -> nn.Module:
        """With `overwriting`, activations work in place again: faster, where no gradient is
        needed."""
        folded = frozenset(pair for pair in self.pairs if pair.names.isdisjoint(names))
        key = folded, overwriting and bool(self.inplace)
        if not any(key):
            return self.plain
        if key not in self._variants:
            self._variants[key] = made = _folded(self.plain, {p: self.pairs[p] for p in folded})
            if key[1]:
                _set_inplace([made.get_submodule(name) for name in self.inplace], True)
        return self._variants[key]


class _Folded(nn.Module):
    """What is left of a BatchNorm that was folded away: the activation that some hold inside
    (timm's BatchNormAct2d), under its own name."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.drop = getattr(norm, "drop", nn.Identity())
        self.act = getattr(norm, "act", nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.act(self.drop(x))
        return result


def prepare(module: nn.Module, example: Tensor, device: torch.device) -> Prepared:
    """Copy `module`, make the copy fast and harmless, and check that it still computes the same.

    `example` is a normalized input (1, C, H, W).
    """
    plain = _copied(module).eval().requires_grad_(False)
    first = next((p for p in plain.parameters() if p.is_floating_point()), None)
    if first is not None and first.dtype in (torch.float16, torch.bfloat16):
        plain.float()
    plain.to(device)
    _check_finite(plain)
    double = first is not None and first.dtype == torch.float64
    example = example.to(device, torch.float64 if double else torch.float32)
    reference = _run(plain, example)

    notes: list[str] = []
    if not _agrees(plain, example, reference):
        notes.append("runs as it is: two runs of it do not give the same finite tensors")
        return Prepared(plain, trace(plain, example), torch.contiguous_format, notes)

    names = [n for n, m in plain.named_modules() if getattr(m, "inplace", None) is True]
    inplace = [plain.get_submodule(name) for name in names]
    _set_inplace(inplace, False)
    if inplace and not _agrees(plain, example, reference):
        _set_inplace(inplace, True)
        names = []
        notes.append("in-place activations kept: the module relies on them")

    memory_format = torch.channels_last
    _lay_out(plain, memory_format)
    if not _agrees(plain, example.contiguous(memory_format=memory_format), reference):
        memory_format = torch.contiguous_format  # `x.view(len(x), -1)` needs it, for one
        _lay_out(plain, memory_format)
        notes.append("not channels_last: the module relies on the order of values in memory")
    example = example.contiguous(memory_format=memory_format)

    prepared = Prepared(plain, trace(plain, example), memory_format, notes)
    prepared.pairs = {p: _fused(plain, p) for p in prepared.trace.pairs if _foldable(plain, p)}
    if prepared.pairs and not _agrees(prepared.variant(), example, reference):
        prepared.pairs = {}
        notes.append("not folded: folding changed the output")
    elif not prepared.pairs and any(isinstance(m, _BatchNorm) for m in plain.modules()):
        notes.append("not folded: no BatchNorm directly follows a convolution of its own")
    prepared.inplace = tuple(names)
    if names and not _agrees(prepared.variant(overwriting=True), example, reference):
        prepared.inplace = ()
    return prepared


def _copied(module: nn.Module) -> nn.Module:
    # A module may hold what an earlier forward pass computed, which refuses to be copied.
    computed = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    try:
        return copy.deepcopy(module, computed)
    except (RuntimeError, TypeError) as error:
        raise ConvscopeError(f"this module cannot be copied ({first_line(error)})") from error


def _run(module: nn.Module, example: Tensor) -> object:
    try:
        with torch.no_grad():
            return module(example)
    except TypeError as error:
        raise ConvscopeError(
            f"{type(module).__name__}.forward needs other inputs than one batch of images"
            f" ({first_line(error)}); wrap it in a module whose forward takes (N, C, H, W)"
        ) from error
    except Exception as error:  # the module is the user's: it may raise anything
        raise ConvscopeError(
            f"{type(module).__name__} does not run on images of shape {tuple(example.shape)}"
            f" ({first_line(error)}); is input_size right?"
        ) from error


def _agrees(module: nn.Module, example: Tensor, reference: object) -> bool:
    """Whether a changed module still runs, and computes the same."""
    try:
        with torch.no_grad():
            return _difference(module(example), reference) <= TOLERANCE
    except Exception:  # as above; whatever it is, the change caused it
        return False


def _lay_out(module: nn.Module, memory_format: torch.memory_format) -> None:
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            part.to(memory_format=memory_format)  # type: ignore[call-overload]


def _check_finite(module: nn.Module) -> None:
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.is_floating_point() and not value.isfinite().all():
            raise ConvscopeError(f"the weights hold NaN or infinity, first in {name!r}")


def _set_inplace(modules: list[nn.Module], value: bool) -> None:
    for module in modules:
        module.inplace = value  # type: ignore[assignment]


def _difference(output: object, reference: object) -> float:
    """The largest difference of two outputs, relative to the largest value of the reference;
    infinite where they cannot be compared."""
    if isinstance(output, Tensor) and isinstance(reference, Tensor):
        if output.shape != reference.shape:
            return math.inf
        if not reference.numel():
            return 0.0
        if not output.isfinite().all():
            return math.inf
        largest = reference.abs().max().clamp_min(1e-30)
        return float((output - reference).abs().max() / largest)
    if isinstance(output, dict) and isinstance(reference, dict):
        return _difference(list(output.values()), list(reference.values()))
    if (
        isinstance(output, list | tuple)
        and isinstance(reference, list | tuple)
        and len(output) == len(reference)
    ):
        return max(map(_difference, output, reference), default=0.0)
    return 0.0 if output == reference else math.inf


def _foldable(module: nn.Module, pair: Pair) -> bool:
    conv, norm = module.get_submodule(pair.conv), module.get_submodule(pair.norm)
    plain = type(norm) in (nn.BatchNorm2d, nn.SyncBatchNorm)
    with_activation = isinstance(norm, _BatchNorm) and hasattr(norm, "act")
    return (
        isinstance(conv, nn.Conv2d)
        and (plain or with_activation)
        and norm.running_mean is not None
        # Hooks of the user's own must meet the values that they were made for.
        and not any(m._forward_hooks or m._forward_pre_hooks for m in (conv, norm))
    )


def _fused(module: nn.Module, pair: Pair) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight and bias of one convolution that does the work of the pair."""
    conv, norm = module.get_submodule(pair.conv), module.get_submodule(pair.norm)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, _BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        conv.weight.double(),
        None if conv.bias is None else conv.bias.double(),
        norm.running_mean.double(),
        norm.running_var.double(),
        norm.eps,
        None if norm.weight is None else norm.weight.double(),
        None if norm.bias is None else norm.bias.double(),
    )
    dtype = conv.weight.dtype
    return (
        nn.Parameter(weight.to(dtype), requires_grad=False),
        nn.Parameter(bias.to(dtype), requires_grad=False),
    )


def _folded(plain: nn.Module, pairs: Mapping[Pair, tuple[nn.Parameter, nn.Parameter]]) -> nn.Module:
    """A copy with the pairs folded; all other tensors are shared with `plain`."""
    tensors = [*plain.parameters(), *plain.buffers()]
    module = copy.deepcopy(plain, {id(t): t for t in tensors})
    for pair, (weight, bias) in pairs.items():
        conv = module.get_submodule(pair.conv)
        conv.weight, conv.bias = weight, bias
        parent, _, child = pair.norm.rpartition(".")
        norm = module.get_submodule(pair.norm)
        setattr(module.get_submodule(parent), child, _Folded(norm))
    return module
