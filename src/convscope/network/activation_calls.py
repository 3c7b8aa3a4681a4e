"""Which function calls are activations, however they are written.

`F.relu`, `torch.relu_`, `x.relu()`, `nn.ReLU`, `x.clamp(min=0)` all reach a `TorchFunctionMode` as
some function with some arguments; `find` says what each one means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class ActivationCall:
    """One call of a pointwise activation on `input`; `apply` computes it out of place.

    A piecewise linear one has slope 1 between `low` and `high` and `slope` outside (0 but for a
    leaky ReLU).
    """

    name: str
    input: Tensor
    apply: Callable[[Tensor], Tensor]
    inplace: bool
    piecewise: bool = False
    low: float | None = None
    high: float | None = None
    slope: float = 0.0


_FUNCTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "ReLU": (F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_),
    "ReLU6": (F.relu6,),
    "LeakyReLU": (F.leaky_relu, F.leaky_relu_),
    "Hardtanh": (F.hardtanh, F.hardtanh_),
    "clamp": (torch.clamp, torch.clamp_, Tensor.clamp, Tensor.clamp_)
    + (torch.clip, torch.clip_, Tensor.clip, Tensor.clip_)
    + (torch.clamp_min, torch.clamp_min_, Tensor.clamp_min, Tensor.clamp_min_),
    "SiLU": (F.silu,),
    "GELU": (F.gelu,),
    "ELU": (F.elu, F.elu_),
    "SELU": (F.selu, F.selu_, torch.selu, torch.selu_),
    "CELU": (F.celu, F.celu_, torch.celu, torch.celu_),
    "Mish": (F.mish,),
    "Softplus": (F.softplus,),
    "Hardswish": (F.hardswish,),
    "Hardsigmoid": (F.hardsigmoid,),
    "PReLU": (F.prelu, torch.prelu, Tensor.prelu),
    "Sigmoid": (torch.sigmoid, torch.sigmoid_, Tensor.sigmoid, Tensor.sigmoid_),
    "Tanh": (torch.tanh, torch.tanh_, Tensor.tanh, Tensor.tanh_),
}


_NAMES = {function: name for name, functions in _FUNCTIONS.items() for function in functions}


_INPLACE_ARGUMENT = {"LeakyReLU": 2, "Hardtanh": 3, "ELU": 2, "CELU": 2}


PIECEWISE_LINEAR = "ReLU, ReLU6, LeakyReLU, Hardtanh or clamp"


def find(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> ActivationCall | None:
    """The activation that this call computes, or None if it is not one.

    A clamp counts where it bounds at zero (a ReLU by another name) or on both sides (a hardtanh):
    a lone `clamp_min(1e-6)` guards a division.
    """
    name = _NAMES.get(func)
    if name is None:
        return None

    def argument(position: int, word: str, default: Any = None) -> Any:
        return args[position] if len(args) > position else kwargs.get(word, default)

    def apply(x: Tensor) -> Tensor:
        x = x.clone() if inplace else x
        result: Tensor = func(x, *args[1:], **{k: v for k, v in kwargs.items() if k != "input"})
        return result

    x: Tensor = argument(0, "input")
    spelled = getattr(func, "__name__", "")
    inplace = spelled.endswith("_") or argument(_INPLACE_ARGUMENT.get(name, 1), "inplace") is True
    if name == "ReLU":
        return ActivationCall(name, x, apply, inplace, True, 0.0)
    if name == "ReLU6":
        return ActivationCall(name, x, apply, inplace, True, 0.0, 6.0)
    if name == "LeakyReLU":
        slope = float(argument(1, "negative_slope", 0.01))
        return ActivationCall(name, x, apply, inplace, True, 0.0, slope=slope)
    if name == "Hardtanh":
        low, high = float(argument(1, "min_val", -1.0)), float(argument(2, "max_val", 1.0))
        name = "ReLU6" if (low, high) == (0, 6) else name
        return ActivationCall(name, x, apply, inplace, True, low, high)
    if name == "clamp":
        bounds = argument(1, "min"), argument(2, "max")
        if not all(b is None or isinstance(b, int | float) for b in bounds):
            return None
        if bounds[0] != 0 and None in bounds:
            return None
        low, high = bounds
        return ActivationCall(name, x, apply, inplace, True, low, high)
    return ActivationCall(name, x, apply, inplace)
