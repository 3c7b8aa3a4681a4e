"""A frozen copy of a user's module, which shares nothing with it that a forward pass may change."""

from __future__ import annotations

import contextlib
import copy
import math
import threading
import types
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from convscope.errors import ConvscopeError, first_line
from convscope.network.prepared.exported import restore_layers
from convscope.network.prepared.unwrapping import unwrap_parts
from convscope.network.prepared.users_hooks import act_on_copies
from convscope.system import quiet

_LOCKS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}
# What deepcopy leaves as it is, or what knows how to copy itself.
_OPAQUE = (
    *(nn.Module, type, types.FunctionType, types.ModuleType, types.BuiltinFunctionType),
    *(str, bytes, int, float),
)
_PLAIN = (str, bytes, int, float, type(None))
# Attributes of a module that training uses only; copies of them may be huge.
_OF_TRAINING = ("_trainer", "_fabric")


def frozen_copy(
    module: nn.Module, device: torch.device, notes: list[str]
) -> tuple[nn.Module, torch.dtype]:
    """A copy in eval mode, at least in float32, and the precision of its first weight."""
    plain = copied(module, {}, notes)
    unwrap_parts(plain)
    restore_layers(plain)
    scripts = [n for n, part in plain.named_modules() if isinstance(part, torch.jit.ScriptModule)]
    if scripts:
        notes.append(f"{scripts[0]!r} is TorchScript: its layers cannot be read")
    _evaluating(plain)
    dtype = next((p.dtype for p in plain.parameters() if p.is_floating_point()), torch.float32)
    if dtype in (torch.float16, torch.bfloat16):
        plain.float()
        dtype = torch.float32
    plain.to(device)
    _check_finite(plain)
    return plain, dtype


def _evaluating(plain: nn.Module) -> None:
    """In evaluation mode, frozen, and without what other tools added to calls of a module."""
    with contextlib.suppress(NotImplementedError):  # an exported program keeps its mode
        plain.eval()
    plain.requires_grad_(False)
    for part in plain.modules():
        part._backward_hooks.clear()
        part._backward_pre_hooks.clear()
        part._compiled_call_impl = None  # made by `module.compile()`: it would be slow to make


@torch.no_grad()  # TorchScript parts clone their weights
def copied(module: nn.Module, memo: dict[int, Any], notes: list[str]) -> nn.Module:
    """A deep copy of a module, also where some of its values cannot be copied.

    Args:
        module: it is not changed.
        memo: what the copy shares with it, by its id.
        notes: says which values are shared because they cannot be copied.
    """
    for value in _attributes(module, memo):
        _copy_by_hand(value, memo, set())
    shared: list[str] = []
    everything = dict(memo)
    try:
        with quiet():  # torch warns of parts of exported programs
            made = copy.deepcopy(module, everything)
    except Exception:  # some value cannot be copied
        for name, value in _uncopied(module, memo):
            shared.append(name)
            memo[id(value)] = value
        everything = memo
        try:
            with quiet():
                made = copy.deepcopy(module, everything)
        except Exception as error:  # the module's own code may raise anything
            raise ConvscopeError(f"this module cannot be copied ({first_line(error)})") from error
    if shared:
        names = ", ".join(dict.fromkeys(shared))
        notes.append(f"shared with your module, as it cannot be copied: {names}")
    act_on_copies(made, everything)
    return made


def _attributes(module: nn.Module, memo: dict[int, Any]) -> Iterator[object]:
    """The values of a module's attributes; those that only training uses are shared."""
    for part in module.modules():
        for name, value in vars(part).items():
            if name in _OF_TRAINING and value is not None:
                memo[id(value)] = value
            elif name not in ("_parameters", "_modules") and not _is_plain(value):
                yield value


def _is_plain(value: object) -> bool:
    """Whether a value is certain to be copied, as nearly all are: dicts of hooks are empty."""
    return isinstance(value, _PLAIN) or (isinstance(value, dict) and not value)


def _copy_by_hand(value: object, memo: dict[int, Any], seen: set[int]) -> None:
    """Copy what deepcopy cannot: tensors computed earlier, torch's random numbers, locks."""
    if id(value) in seen or id(value) in memo or isinstance(value, _OPAQUE):
        return
    seen.add(id(value))
    if isinstance(value, Tensor):
        if not value.is_leaf or value.is_inference():
            memo[id(value)] = value.detach().clone()
    elif isinstance(value, torch.Generator):
        memo[id(value)] = value.clone_state()
    elif type(value) in _LOCKS:
        memo[id(value)] = _LOCKS[type(value)]()
    else:
        for inside in _inside(value):
            _copy_by_hand(inside, memo, seen)


def _inside(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    return list(vars(value).values()) if hasattr(value, "__dict__") else []


def _uncopied(module: nn.Module, memo: Mapping[int, Any]) -> Iterator[tuple[str, object]]:
    """The values that cannot be copied, in attributes and in dicts and lists of these."""
    for prefix, part in module.named_modules():
        for name, value in vars(part).items():
            if name in ("_parameters", "_modules", "_buffers"):
                continue
            full = f"{prefix}.{name}".removeprefix(".")
            yield from ((full, found) for found in _uncopied_inside(value, memo))


def _uncopied_inside(value: object, memo: Mapping[int, Any]) -> Iterator[object]:
    try:
        copy.deepcopy(value, dict(memo))
    except Exception:  # a value's own code may raise anything
        if isinstance(value, dict | list):
            for inside in _inside(value):
                yield from _uncopied_inside(inside, memo)
        else:
            yield value


def _check_finite(module: nn.Module) -> None:
    for path, part in module.named_modules():
        buffers = dict(part.named_buffers(recurse=False))
        for name, value in [*part.named_parameters(recurse=False), *buffers.items()]:
            # The mask of an attention, or a bound that clamps nothing, may be infinite.
            mask = name in buffers and not isinstance(part, _BatchNorm)
            if value.is_floating_point() and not _finite(value, mask):
                whole = f"{path}.{name}".lstrip(".")
                raise ConvscopeError(f"the weights contain NaN or infinity, first in {whole!r}")


def _finite(value: Tensor, mask: bool) -> bool:
    """Whether all values are finite, or numbers at least if it is a mask."""
    if math.isfinite(value.sum()):  # the quick way: nearly always it is
        return True
    return not value.isnan().any() if mask else bool(value.isfinite().all())
