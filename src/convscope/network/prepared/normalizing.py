"""BatchNorm in evaluation mode as a scale and a shift, where gradients are taken.

The CPU kernel of torch (2.13, for one) gives a wrong gradient for the input of a BatchNorm in
evaluation mode, where that input is contiguous and the incoming gradient is transposed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.overrides import TorchFunctionMode

from convscope.network.traces import only_pixels

# The names of the arguments in their order, by function. "batch" is whether statistics are the
# batch's own.
_FUNCTIONAL = "input mean variance weight bias batch momentum eps"
_ATEN = "input weight bias mean variance batch momentum eps"
_NO_TRAINING = "input weight bias mean variance momentum eps"
_OPS = torch.ops.aten
_SIGNATURES: dict[Callable[..., Any], str] = {
    F.batch_norm: _FUNCTIONAL,
    F.instance_norm: _FUNCTIONAL,
    **dict.fromkeys((torch.batch_norm, torch.instance_norm), _ATEN),
    **dict.fromkeys((_OPS.batch_norm, _OPS.batch_norm.default), _ATEN),
    **dict.fromkeys((_OPS.instance_norm, _OPS.instance_norm.default), _ATEN),
    **dict.fromkeys((torch.native_batch_norm, _OPS.native_batch_norm.default), _ATEN),
    _OPS._native_batch_norm_legit_no_training.default: _NO_TRAINING,
}
_TRIPLES = {torch.native_batch_norm, _OPS.native_batch_norm.default} | {
    _OPS._native_batch_norm_legit_no_training.default
}
_ALIASES = {
    "running_mean": "mean",
    "running_var": "variance",
    "training": "batch",
    "use_input_stats": "batch",
}


class ScaleAndShift(TorchFunctionMode):
    """Inside it, a normalization with fixed statistics is a scale and a shift, if gradients flow.

    Attributes:
        count: how many normalizations with fixed statistics there were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        signature = _SIGNATURES.get(func)
        if signature is None:
            return func(*args, **kwargs)
        given = dict(zip(signature.split(), args, strict=False))
        given.update((_ALIASES.get(name, name), value) for name, value in kwargs.items())
        if _of_the_batch(func, given):
            return func(*args, **kwargs)
        self.count += 1
        if not torch.is_grad_enabled():
            return func(*args, **kwargs)
        output = _scaled_and_shifted(**given)
        only_pixels.end(output)
        nothing = output.new_empty(0)
        return (output, nothing, nothing) if func in _TRIPLES else output


def has_fixed_statistics(module: nn.Module) -> bool:
    """Whether a module contains a normalization with fixed statistics."""
    return any(
        isinstance(part, _BatchNorm | _InstanceNorm) and part.running_mean is not None
        for part in module.modules()
    )


def _of_the_batch(func: Any, given: Mapping[str, Any]) -> bool:
    """Whether a call normalizes by what it computes from its own input."""
    default = func is F.instance_norm
    return given.get("mean") is None or bool(given.get("batch", default))


def _scaled_and_shifted(
    input: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    **_: Any,
) -> Tensor:
    scale = (variance + eps).rsqrt()
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale if bias is None else torch.addcmul(bias, mean, scale, value=-1)
    shape = (1, -1) + (1,) * (input.dim() - 2)
    return torch.addcmul(shift.view(shape), input, scale.view(shape)).to(input.dtype)
