"""The prepared copy of a user's module: frozen, in eval mode, folded, channels_last.

Everything here works on copies. Each step is checked on an example. A step that changes the output
is undone, and `Prepared.notes` says so.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from convscope.network.prepared.checkpointing import without_checkpoints
from convscope.network.prepared.copying import frozen_copy
from convscope.network.prepared.examples import TOLERANCE, Examples
from convscope.network.prepared.folding import foldable, folded_copy, fused
from convscope.network.prepared.normalizing import has_fixed_statistics
from convscope.network.prepared.users_hooks import HooksWatch
from convscope.network.traces.tracing import Pair, Trace


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
        checkpointed: whether parts of it are checkpointed (torch.utils.checkpoint).
        steady: whether two runs give the same output.
        default: the precision of tensors that the module makes in its forward pass.
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
    checkpointed: bool = False
    steady: bool = True
    default: torch.dtype = torch.float32
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
                _Inplace(made, self.inplace).set(True)
        return self._variants[key]

    def normalizes(self, variant: nn.Module) -> bool:
        """Whether a variant may normalize by fixed statistics; what is folded does so no more."""
        if id(variant) not in self._normalizing:
            functional = self.normalizations > len(self.pairs)
            self._normalizing[id(variant)] = functional or has_fixed_statistics(variant)
        return self._normalizing[id(variant)]


def usual_default(module: nn.Module) -> torch.dtype:
    """The precision of new tensors in a module: float64 if the caller has that and so has it."""
    weight = next((p for p in module.parameters() if p.is_floating_point()), None)
    own = torch.float32 if weight is None else weight.dtype
    return own if own == torch.get_default_dtype() == torch.float64 else torch.float32


def prepare(module: nn.Module, images: Tensor, device: torch.device) -> Prepared:
    """Copy a module, make the copy fast and harmless, and check that it computes the same.

    Args:
        module: it is not changed.
        images: two normalized inputs (2, C, H, W) that differ much.
        device: where the copy is to run.

    Raises:
        ConvscopeError: the module cannot be copied, does not run on the images, or has weights
            that are not finite.
    """
    with without_checkpoints() as checkpointed:
        prepared = _prepared(module, images, device)
        prepared.checkpointed = checkpointed()
    return prepared


def _prepared(module: nn.Module, images: Tensor, device: torch.device) -> Prepared:
    notes: list[str] = []
    plain, dtype = frozen_copy(module, device, notes)
    images = images.to(device, torch.float64 if dtype == torch.float64 else torch.float32)
    hooks = HooksWatch(plain)
    examples = Examples(plain, images)
    hooks.keep_those_that_matter(examples.same, notes)
    names = tuple(
        name
        for name, part in plain.named_modules()
        if getattr(part, "inplace", None) is True and not isinstance(part, torch.jit.ScriptModule)
    )
    inplace = _Inplace(plain, names)
    inplace.set(False)
    examples.lay_out(plain, torch.channels_last)
    traced, apart = examples.together(plain)
    if traced is not None and apart <= TOLERANCE:  # nearly always
        prepared = Prepared(plain, dtype, traced, torch.channels_last, notes, inplace=names)
    else:
        prepared = _step_by_step(plain, dtype, examples, inplace, notes)
    prepared.normalizations, prepared.default = examples.normalizations, torch.get_default_dtype()
    if prepared.steady:
        _fold(prepared, examples)
    if prepared.inplace and not examples.same(prepared.variant(overwriting=True)):
        prepared.inplace = ()
    return prepared


@dataclass
class _Inplace:
    """The activations of a module that work in place, by name."""

    module: nn.Module
    names: tuple[str, ...]

    def set(self, value: bool) -> None:
        for name in self.names:
            self.module.get_submodule(name).inplace = value  # type: ignore[assignment]


def _step_by_step(
    plain: nn.Module, dtype: torch.dtype, examples: Examples, inplace: _Inplace, notes: list[str]
) -> Prepared:
    """Find out which of the steps changed the output, and leave these out."""
    inplace.set(True)
    examples.lay_out(plain, torch.contiguous_format)
    steady = examples.same(plain)
    kept, memory_format = inplace.names, torch.contiguous_format
    if not steady:
        notes.append(f"not optimized at all: {examples.unsteady(plain)}")
        kept = ()
    else:
        kept = _without_inplace(inplace, examples, notes)
        memory_format = _laid_out(plain, examples, notes)
    traced, apart = examples.together(plain)
    alone = traced is None or (steady and not apart <= TOLERANCE)
    if alone:
        reason = examples.why_alone(traced)
        notes.append(f"images run one at a time: {reason}")
    if traced is None or (alone and math.isinf(apart)):
        traced = examples.traced_alone(plain)
    return Prepared(
        plain, dtype, traced, memory_format, notes, inplace=kept, alone=alone, steady=steady
    )


def _without_inplace(inplace: _Inplace, examples: Examples, notes: list[str]) -> tuple[str, ...]:
    """Let no activation work in place; the names of those that did, if the module allows it."""
    inplace.set(False)
    if not inplace.names or examples.same(inplace.module):
        return inplace.names
    inplace.set(True)
    notes.append("in-place activations kept: the module relies on them")
    return ()


def _laid_out(plain: nn.Module, examples: Examples, notes: list[str]) -> torch.memory_format:
    examples.lay_out(plain, torch.channels_last)
    if examples.same(plain):
        return torch.channels_last
    # `x.view(len(x), -1)`, for instance, needs the usual order.
    examples.lay_out(plain, torch.contiguous_format)
    notes.append("not channels_last: the module relies on the order of values in memory")
    return torch.contiguous_format


def _fold(prepared: Prepared, examples: Examples) -> None:
    """Fold every BatchNorm that can be into the convolution before it."""
    plain = prepared.plain
    pairs = [pair for pair in prepared.trace.pairs if foldable(plain, pair)]
    prepared.pairs = {pair: fused(plain, pair) for pair in pairs}
    if pairs and not examples.same(prepared.variant()):
        prepared.pairs = {}
        prepared.notes.append("not folded: folding changed the output")
    elif not pairs and any(isinstance(m, _BatchNorm) for m in plain.modules()):
        prepared.notes.append("not folded: no BatchNorm directly follows a convolution of its own")
