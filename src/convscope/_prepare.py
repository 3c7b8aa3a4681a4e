"""The prepared copy of a user's module: frozen, in eval mode, folded, channels_last.

Everything here works on copies. What cannot be prepared runs as it is, and `notes` says so.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

from convscope._trace import Trace, trace
from convscope.errors import ConvscopeError

FOLDING_TOLERANCE = 1e-4


@dataclass
class Prepared:
    """A module ready to be read. `variant(keep)` leaves the named convolutions unfolded."""

    plain: nn.Module
    trace: Trace
    pairs: dict[str, str]
    notes: list[str] = field(default_factory=list)
    _variants: dict[frozenset[str], nn.Module] = field(default_factory=dict)

    def variant(self, keep: frozenset[str] = frozenset()) -> nn.Module:
        keep = keep.intersection(self.pairs)
        if keep not in self._variants:
            pairs = {conv: norm for conv, norm in self.pairs.items() if conv not in keep}
            self._variants[keep] = _folded(self.plain, pairs) if pairs else self.plain
        return self._variants[keep]


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

    `example` is a normalised input (1, C, H, W).
    """
    try:
        plain = copy.deepcopy(module)
    except (RuntimeError, TypeError) as error:
        raise ConvscopeError(f"this module cannot be copied ({_first_line(error)})") from error
    plain.eval().requires_grad_(False)
    first = next((p for p in plain.parameters() if p.is_floating_point()), None)
    if first is not None and first.dtype in (torch.float16, torch.bfloat16):
        plain.float()
    plain.to(device)
    _check_finite(plain)
    example = example.to(
        device, first.dtype if first is not None and first.dtype == torch.float64 else None
    )
    reference = _run(plain, example)

    notes = []
    if any(isinstance(m, nn.Conv2d) for m in plain.modules()):
        plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        example = example.contiguous(memory_format=torch.channels_last)
    inplace = [m for m in plain.modules() if getattr(m, "inplace", None) is True]
    _set_inplace(inplace, False)
    if _difference(_run(plain, example), reference) > FOLDING_TOLERANCE:
        _set_inplace(inplace, True)
        notes.append("in-place activations kept: the module relies on them")

    traced = trace(plain, example)
    pairs = {
        conv: norm
        for conv, norm in traced.foldable
        if isinstance(plain.get_submodule(conv), nn.Conv2d)
        and _foldable_norm(plain.get_submodule(norm))
    }
    prepared = Prepared(plain, traced, pairs, notes)
    if pairs:
        difference = _difference(_run(prepared.variant(), example), reference)
        if difference > FOLDING_TOLERANCE:
            prepared = Prepared(plain, traced, {}, notes)
            notes.append(f"not folded: folding changed the output by {difference:.1e}")
    elif any(isinstance(m, _BatchNorm) for m in plain.modules()):
        notes.append("not folded: no BatchNorm directly follows a convolution of its own")
    return prepared


def _run(module: nn.Module, example: Tensor) -> object:
    try:
        with torch.no_grad():
            return module(example)
    except TypeError as error:
        raise ConvscopeError(
            f"{type(module).__name__}.forward needs other inputs than one batch of images"
            f" ({_first_line(error)}); wrap it in a module whose forward takes (N, C, H, W)"
        ) from error
    except (RuntimeError, ValueError, AssertionError, IndexError) as error:
        raise ConvscopeError(
            f"{type(module).__name__} does not run on images of shape {tuple(example.shape)}"
            f" ({_first_line(error)}); is input_size right?"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _check_finite(module: nn.Module) -> None:
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.is_floating_point() and not value.isfinite().all():
            raise ConvscopeError(f"the weights hold NaN or infinity, first in {name!r}")


def _set_inplace(modules: list[nn.Module], value: bool) -> None:
    for module in modules:
        module.inplace = value  # type: ignore[assignment]


def _difference(output: object, reference: object) -> float:
    """The largest difference of two outputs, relative to the largest value of the reference."""
    if isinstance(output, Tensor) and isinstance(reference, Tensor):
        largest = reference.abs().max().clamp_min(1e-30)
        return float((output - reference).abs().max() / largest)
    if isinstance(output, dict) and isinstance(reference, dict):
        return _difference(list(output.values()), list(reference.values()))
    if isinstance(output, list | tuple) and isinstance(reference, list | tuple):
        return max(map(_difference, output, reference), default=0.0)
    return 0.0


def _foldable_norm(norm: nn.Module) -> bool:
    plain = type(norm) in (nn.BatchNorm2d, nn.SyncBatchNorm)
    with_activation = isinstance(norm, _BatchNorm) and hasattr(norm, "act")
    return (plain or with_activation) and norm.running_mean is not None


def _folded(plain: nn.Module, pairs: dict[str, str]) -> nn.Module:
    """A copy with the pairs folded; all other tensors are shared with `plain`."""
    tensors = [*plain.parameters(), *plain.buffers()]
    module = copy.deepcopy(plain, memo={id(t): t for t in tensors})
    for conv_name, norm_name in pairs.items():
        conv, norm = module.get_submodule(conv_name), module.get_submodule(norm_name)
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
        conv.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
        conv.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
        parent, _, child = norm_name.rpartition(".")
        setattr(module.get_submodule(parent), child, _Folded(norm))
    return module
