"""Tensors that are still a photograph: what a module does to its input before any learned layer.

Modules guard and normalize their input: `(x.clamp(0, 1) - mean) / std`. Such a clamp is no
activation of the network. The mark of a photograph passes arithmetic with constants and changes of
size, shape and order. Everything else, and every parameter, ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from torch import Tensor, nn

_MARK = "_only_pixels"


_KEEPING = frozenset(
    {"abs", "add", "amax", "amin", "bfloat16", "cat", "chunk", "clamp", "clamp_max", "clamp_min"}
    | {"clip", "clone", "concat", "concatenate", "contiguous", "detach", "div", "divide", "double"}
    | {
        "expand",
        "expand_as",
        "flatten",
        "flip",
        "float",
        "ge",
        "getitem",
        "grid_sample",
        "gt",
        "half",
    }
    | {
        "hardtanh",
        "iadd",
        "imul",
        "index_select",
        "interpolate",
        "movedim",
        "isub",
        "itruediv",
        "le",
    }
    | {"leaky_relu", "lerp", "lt", "masked_fill", "max", "maximum", "mean", "min", "minimum"}
    | {"mul", "multiply", "nan_to_num", "narrow", "neg", "normalize", "pad", "permute", "pow"}
    | {
        "radd",
        "relu",
        "relu6",
        "repeat",
        "requires_grad",
        "reshape",
        "rmul",
        "rot90",
        "roll",
        "rsub",
    }
    | {"rtruediv", "select", "split", "squeeze", "stack", "sub", "subtract", "sum", "swapaxes"}
    | {"threshold", "to", "transpose", "true_divide", "truediv", "type", "type_as", "unbind"}
    | {"unflatten", "unsqueeze", "upsample", "view", "where"}
)


def mark(value: Any) -> None:
    """Note that a tensor, or each of several, is a photograph."""
    for tensor in value if isinstance(value, list | tuple) else [value]:
        if isinstance(tensor, Tensor):
            setattr(tensor, _MARK, True)


def end(tensor: Tensor) -> None:
    """Note that a tensor is no photograph any more, whatever simple operations made it."""
    setattr(tensor, _MARK, False)


def reads(func: Callable[..., Any], args: Sequence[Any]) -> bool:
    """Whether a call makes of photographs, and of constants, what is still a photograph."""
    if not args or not _keeps(func):
        return False
    first = args[0]
    tensors = first if isinstance(first, list | tuple) else args
    if not any(_marked(tensor) for tensor in tensors):
        return False
    return all(_is_constant(one, tensors) for one in tensors if isinstance(one, Tensor))


@cache
def _keeps(func: Callable[..., Any]) -> bool:
    """Whether what a function makes of a photograph may be one still."""
    return getattr(func, "__name__", "").strip("_") in _KEEPING


def _marked(value: Any) -> bool:
    return isinstance(value, Tensor) and getattr(value, _MARK, False)


def _is_constant(value: Tensor, among: Sequence[Any]) -> bool:
    """Whether a tensor is a photograph, or a constant that is smaller than one."""
    if getattr(value, _MARK, False):
        return True
    largest = max(one.numel() for one in among if _marked(one))
    return not isinstance(value, nn.Parameter) and value.numel() < largest
