"""Rectifiers that are written with other functions than those named after them.

`torch.where(x > 0, x, 0)`, `torch.maximum(x, zeros)`, `x.masked_fill(x < 0, 0)`, `x * (x > 0)` and
`x[x < 0] = 0` compute a ReLU, `torch.maximum(x, 0.1 * x)` a LeakyReLU. The functions alone do not
tell: the values of their arguments do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.network import ActivationCall

# A rectified tensor, and the slope below zero.
_Found = tuple[Tensor, float] | None


def by_values(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> ActivationCall | None:
    """The rectifier that a call computes of a tensor with a gradient, or None if it is none."""
    reader = _READERS.get(func)
    found = reader(*args, **kwargs) if reader else None
    if found is None:
        return None
    x, slope = found
    changes = func.__name__.strip("_") in ("setitem", "imul") or (
        func.__name__.endswith("_") and not func.__name__.endswith("__")
    )
    return ActivationCall(
        "LeakyReLU" if slope else "ReLU",
        x,
        lambda: func(*args, **kwargs),
        partial(F.leaky_relu, negative_slope=slope) if slope else F.relu,
        changes,
        True,
        0.0,
        None,
        slope,
    )


def _where(condition: Any, input: Any = None, other: Any = None, **_: Any) -> _Found:
    return _chosen(input, other, condition, True) or _chosen(other, input, condition, False)


def _where_method(input: Any, condition: Any, other: Any = None, **_: Any) -> _Found:
    return _where(condition, input, other)


def _chosen(x: Any, other: Any, condition: Any, kept: bool) -> _Found:
    """What `where` computes if it keeps the positive values of x."""
    if not _differentiable(x) or not _tells_signs(condition, x, kept):
        return None
    return _above(x, other)


def _larger(input: Any, other: Any = None, **_: Any) -> _Found:
    for x, y in ((input, other), (other, input)):
        if _differentiable(x) and isinstance(y, Tensor) and (found := _above(x, y)):
            return found
    return None


def _filled(input: Any, mask: Any, value: Any, **_: Any) -> _Found:
    fits = _differentiable(input) and _is_zero(value) and _tells_signs(mask, input, False)
    return (input, 0.0) if fits else None


def _masked(input: Any, other: Any, **_: Any) -> _Found:
    for x, mask in ((input, other), (other, input)):
        if _differentiable(x) and _tells_signs(mask, x, True):
            return x, 0.0
    return None


def _above(x: Tensor, other: Any) -> _Found:
    """The slope below zero of a rectifier whose negative values are those of `other`."""
    if _is_zero(other):
        return x, 0.0
    if not isinstance(other, Tensor) or other.shape != x.shape or not x.numel():
        return None
    place = x.detach().abs().argmax()
    slope = float(other.detach().flatten()[place] / x.detach().flatten()[place])
    same = 0 < slope < 1 and torch.allclose(other, slope * x, rtol=1e-5, atol=0)
    return (x, slope) if same else None


def _differentiable(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _is_zero(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not value.requires_grad and not value.any()
    return isinstance(value, int | float) and value == 0


def _tells_signs(mask: Any, x: Tensor, positive: bool) -> bool:
    """Whether a mask, of whatever type, is that of the positive (or of the negative) values."""
    if not isinstance(mask, Tensor) or mask.shape != x.shape or mask.requires_grad:
        return False
    signs = (x > 0, x >= 0) if positive else (x <= 0, x < 0)
    return any(torch.equal(mask, sign.to(mask.dtype)) for sign in signs)


_READERS: dict[Callable[..., Any], Callable[..., _Found]] = {
    torch.where: _where,
    Tensor.where: _where_method,
    **dict.fromkeys((torch.maximum, Tensor.maximum, torch.max, Tensor.max), _larger),
    **dict.fromkeys((torch.fmax, Tensor.fmax), _larger),
    **dict.fromkeys((torch.masked_fill, Tensor.masked_fill, Tensor.masked_fill_), _filled),
    **dict.fromkeys((torch.mul, Tensor.mul, Tensor.mul_, torch.multiply), _masked),
    **dict.fromkeys((Tensor.multiply, Tensor.__mul__, Tensor.__rmul__, Tensor.__imul__), _masked),
    Tensor.__setitem__: _filled,
}
