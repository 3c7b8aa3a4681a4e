"""The prepared copy of a user's module: frozen, in eval mode, folded, channels_last.

Everything here works on copies. Each step is checked on an example. A step that changes the output
is undone, and `Prepared.notes` says so.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from convscope.errors import ConvscopeError, first_line
from convscope.network.folding import foldable, folded_copy, fused
from convscope.network.nested import difference, mixing
from convscope.network.normalizing import ScaleAndShift, has_fixed_statistics
from convscope.network.tracing import Pair, Trace, trace

# The output of a prepared copy may differ by this fraction of the module's largest output.
TOLERANCE = 1e-4


@dataclass
class Prepared:
    """A module that is ready to be read.

    Attributes:
        plain: the copy, unfolded.
        dtype: the precision of its weights.
        trace: what happens in a forward pass of it.
        memory_format: the memory layout that its input should have.
        notes: optimizations that were skipped, each with its reason.
        pairs: what may be folded, with the weight and bias of the folded convolution.
        inplace: the names of the activations that work in place in the user's module.
        normalizations: the calls, in a forward pass, that normalize by fixed statistics.
        alone: whether images must run one at a time, as they change each other's output in a batch.
    """

    plain: nn.Module
    dtype: torch.dtype
    trace: Trace
    memory_format: torch.memory_format
    notes: list[str]
    pairs: dict[Pair, tuple[nn.Parameter, nn.Parameter]] = field(default_factory=dict)
    inplace: tuple[str, ...] = ()
    normalizations: int = 0
    alone: bool = False
    _variants: dict[tuple[frozenset[Pair], bool], nn.Module] = field(default_factory=dict)
    _normalizing: dict[int, bool] = field(default_factory=dict)

    def variant(self, names: Collection[str] = (), overwriting: bool = False) -> nn.Module:
        """The module with everything folded that leaves the output of the named layers unchanged.

        Args:
            names: layers that are to be read.
            overwriting: whether activations may work in place. This is faster, and possible where
                no gradient is needed.
        """
        folded = frozenset(pair for pair in self.pairs if pair.names.isdisjoint(names))
        key = folded, overwriting and bool(self.inplace)
        if not any(key):
            return self.plain
        if key not in self._variants:
            self._variants[key] = made = folded_copy(self.plain, {p: self.pairs[p] for p in folded})
            if key[1]:
                _set_inplace([made.get_submodule(name) for name in self.inplace], True)
        return self._variants[key]

    def normalizes(self, variant: nn.Module) -> bool:
        """Whether a variant may normalize by fixed statistics; what is folded does so no more."""
        if id(variant) not in self._normalizing:
            functional = self.normalizations > len(self.pairs)
            self._normalizing[id(variant)] = functional or has_fixed_statistics(variant)
        return self._normalizing[id(variant)]


def prepare(module: nn.Module, examples: Tensor, device: torch.device) -> Prepared:
    """Copy a module, make the copy fast and harmless, and check that it computes the same.

    Args:
        module: it is not changed.
        examples: two normalized inputs (2, C, H, W) that differ much.
        device: where the copy is to run.

    Raises:
        ConvscopeError: the module cannot be copied, does not run on the examples, or has weights
            that are not finite.
    """
    plain, dtype = _frozen_copy(module, device)
    examples = examples.to(device, torch.float64 if dtype == torch.float64 else torch.float32)
    notes: list[str] = []
    with ScaleAndShift() as norms:
        check = _Check(examples, _run(plain, examples[:1].clone()))
    inplace, memory_format = _made_fast(plain, check, notes)
    if memory_format is None:
        notes.append(f"not optimized at all: {_unsteady(plain, check)}")
        traced, memory_format = check.traced(plain), torch.contiguous_format
        return Prepared(plain, dtype, traced, memory_format, notes, normalizations=norms.count)
    traced, alone = _traced(plain, check, notes)
    prepared = Prepared(
        plain, dtype, traced, memory_format, notes, normalizations=norms.count, alone=alone
    )
    _fold(prepared, check)
    prepared.inplace = inplace
    if inplace and not check(prepared.variant(overwriting=True)):
        prepared.inplace = ()
    return prepared


class _Check:
    """Whether a module still runs on the first example, and computes the reference."""

    def __init__(self, examples: Tensor, reference: object) -> None:
        self.examples, self.reference = examples, reference

    def __call__(self, module: nn.Module) -> bool:
        try:
            return difference(self.run(module, slice(1)), self.reference) <= TOLERANCE
        except Exception:  # the module is the user's and may raise anything; the change caused it
            return False

    def run(self, module: nn.Module, which: slice) -> object:
        """The output for some of the examples. A module may change its input, so it gets a copy."""
        with torch.no_grad():
            return module(self.examples[which].clone())

    def lay_out(self, module: nn.Module, memory_format: torch.memory_format) -> None:
        """Lay out the examples and the weights of the convolutions."""
        self.examples = self.examples.contiguous(memory_format=memory_format)
        for part in module.modules():
            if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
                part.to(memory_format=memory_format)  # type: ignore[call-overload]

    def traced(self, module: nn.Module) -> Trace:
        """The trace of both examples; that of the first where two do not run together."""
        try:
            return trace(module, self.examples.clone())
        except Exception:  # the module is the user's
            return trace(module, self.examples[:1].clone())


def _traced(plain: nn.Module, check: _Check, notes: list[str]) -> tuple[Trace, bool]:
    """The trace, and whether images must run one at a time."""
    try:
        second = check.run(plain, slice(1, 2))
        traced = trace(plain, check.examples.clone())
        apart = mixing(traced.output, check.reference, second)
        reason = "" if apart <= TOLERANCE else "in a batch they change each other's output"
    except Exception:  # the module is the user's
        apart, reason = math.inf, "a batch of two does not run"
    if reason:
        notes.append(f"images run one at a time: {reason}")
    if math.isinf(apart):
        traced = trace(plain, check.examples[:1].clone())
    return traced, bool(reason)


def _frozen_copy(module: nn.Module, device: torch.device) -> tuple[nn.Module, torch.dtype]:
    """A copy in eval mode, at least in float32, and the precision of its first weight."""
    plain = _copied(module).eval().requires_grad_(False)
    dtype = next((p.dtype for p in plain.parameters() if p.is_floating_point()), torch.float32)
    if dtype in (torch.float16, torch.bfloat16):
        plain.float()
        dtype = torch.float32
    plain.to(device)
    _check_finite(plain)
    return plain, dtype


def _made_fast(
    plain: nn.Module, check: _Check, notes: list[str]
) -> tuple[tuple[str, ...], torch.memory_format | None]:
    """Let no activation work in place, so that every value can be read; lay out as channels_last.

    Returns:
        The names of the activations that worked in place, none if the module relies on them, and
        the memory format, None if the module does not give the same output twice.
    """
    names = tuple(n for n, m in plain.named_modules() if getattr(m, "inplace", None) is True)
    modules = [plain.get_submodule(name) for name in names]
    _set_inplace(modules, False)
    check.lay_out(plain, torch.channels_last)
    if check(plain):  # nearly always
        return names, torch.channels_last
    _set_inplace(modules, True)
    check.lay_out(plain, torch.contiguous_format)
    if not check(plain):
        return (), None
    return _without_inplace(modules, names, plain, check, notes), _laid_out(plain, check, notes)


def _without_inplace(
    modules: list[nn.Module],
    names: tuple[str, ...],
    plain: nn.Module,
    check: _Check,
    notes: list[str],
) -> tuple[str, ...]:
    _set_inplace(modules, False)
    if not names or check(plain):
        return names
    _set_inplace(modules, True)
    notes.append("in-place activations kept: the module relies on them")
    return ()


def _laid_out(plain: nn.Module, check: _Check, notes: list[str]) -> torch.memory_format:
    check.lay_out(plain, torch.channels_last)
    if check(plain):
        return torch.channels_last
    # `x.view(len(x), -1)`, for instance, needs the usual order.
    check.lay_out(plain, torch.contiguous_format)
    notes.append("not channels_last: the module relies on the order of values in memory")
    return torch.contiguous_format


def _unsteady(plain: nn.Module, check: _Check) -> str:
    """Why two runs of a module do not give the same output."""
    outputs = []
    for _ in range(2):
        with torch.random.fork_rng(devices=_gpus(check.examples.device)):
            torch.manual_seed(0)
            outputs.append(check.run(plain, slice(1)))
    if difference(outputs[0], outputs[1]) <= TOLERANCE:
        return "its output is random at evaluation (dropout that is always on, for instance)"
    if math.isinf(difference(outputs[0], outputs[0])):
        return "its output is not finite, or of a kind that cannot be compared"
    return "two runs of the module do not give the same output"


def _gpus(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def _fold(prepared: Prepared, check: _Check) -> None:
    """Fold every BatchNorm that can be into the convolution before it."""
    plain = prepared.plain
    pairs = [pair for pair in prepared.trace.pairs if foldable(plain, pair)]
    prepared.pairs = {pair: fused(plain, pair) for pair in pairs}
    if pairs and not check(prepared.variant()):
        prepared.pairs = {}
        prepared.notes.append("not folded: folding changed the output")
    elif not pairs and any(isinstance(m, _BatchNorm) for m in plain.modules()):
        prepared.notes.append("not folded: no BatchNorm directly follows a convolution of its own")


def _copied(module: nn.Module) -> nn.Module:
    # A module may hold a value computed by an earlier forward pass. Such tensors cannot be copied.
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


def _check_finite(module: nn.Module) -> None:
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.is_floating_point() and not value.isfinite().all():
            raise ConvscopeError(f"the weights contain NaN or infinity, first in {name!r}")


def _set_inplace(modules: list[nn.Module], value: bool) -> None:
    for module in modules:
        module.inplace = value  # type: ignore[assignment]
