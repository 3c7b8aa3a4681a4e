"""Function calls that compute an activation, however they are written.

`F.relu`, `torch.relu_`, `x.relu()`, `nn.ReLU` and `x.clamp(min=0)` all reach a `TorchFunctionMode`
as a function with arguments. `find` turns such a call into an `ActivationCall`; `ActivationMode` is
the base of all modes that do something at activations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from convscope.network.traces import only_pixels


class ActivationCall(NamedTuple):
    """One call of an elementwise activation.

    Attributes:
        name: the activation, "ReLU" for instance.
        input: what the activation is applied to.
        run: makes the call as it was written, in place or not.
        apply: computes the activation of another tensor, out of place.
        inplace: whether the call overwrites `input`.
        piecewise: whether the activation is piecewise linear. It then has slope 1 between `low` and
            `high`, and `slope` outside; a bound that is None is infinite.
    """

    name: str
    input: Tensor
    run: Callable[[], Tensor]
    apply: Callable[[Tensor], Tensor]
    inplace: bool
    piecewise: bool = False
    low: float | None = None
    high: float | None = None
    slope: float = 0.0


class ActivationMode(TorchFunctionMode):
    """Inside it, every activation is handed to `activation`; all other calls run as usual.

    What acts on the pixels themselves (see `only_pixels`) is no activation: a clamp of the input,
    say.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        pixels = only_pixels.reads(func, args)
        call = None if pixels else self.find(func, args, kwargs)
        if call is not None:
            return self.activation(call)
        output = func(*args, **kwargs)
        if pixels:
            only_pixels.mark(output)
        return output

    def find(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> ActivationCall | None:
        """The activation that a call computes, or None if it computes none."""
        return find(func, args, kwargs)

    def activation(self, call: ActivationCall) -> Tensor:
        """The value that the call returns, `call.run()` if nothing is to change."""
        raise NotImplementedError


_FUNCTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "ReLU": (F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_),
    "ReLU6": (F.relu6,),
    "LeakyReLU": (F.leaky_relu, F.leaky_relu_),
    "RReLU": (F.rrelu, F.rrelu_, torch.rrelu, torch.rrelu_),
    "Hardtanh": (F.hardtanh, F.hardtanh_),
    "Threshold": (F.threshold, torch.threshold, torch.threshold_),
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
    "LogSigmoid": (F.logsigmoid,),
    "Softsign": (F.softsign,),
    "Tanhshrink": (F.tanhshrink,),
    "Hardshrink": (F.hardshrink, torch.hardshrink, Tensor.hardshrink),
    "Softshrink": (F.softshrink,),
}


NAMES = tuple(_FUNCTIONS)

_NAMES = {function: name for name, functions in _FUNCTIONS.items() for function in functions}


_INPLACE_ARGUMENT = {
    "LeakyReLU": 2, "RReLU": 4, "Hardtanh": 3, "Threshold": 3, "ELU": 2, "CELU": 2,
}  # fmt: skip


PIECEWISE_LINEAR = "ReLU, ReLU6, LeakyReLU, Hardtanh or clamp"


class _Arguments(NamedTuple):
    """The arguments of a call, each by its position or its name."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def get(self, position: int, name: str, default: Any = None) -> Any:
        if len(self.args) > position:
            return self.args[position]
        return self.kwargs.get(name, default)


class _Pieces(NamedTuple):
    """Where a piecewise linear activation has slope 1, and its slope elsewhere."""

    low: float | None
    high: float | None = None
    slope: float = 0.0


def _leaky(arguments: _Arguments) -> _Pieces:
    return _Pieces(0.0, slope=float(arguments.get(1, "negative_slope", 0.01)))


def _randomized(arguments: _Arguments) -> _Pieces | None:
    """An RReLU has one slope in evaluation mode; in training mode it has one for each value."""
    lower, upper = arguments.get(1, "lower", 1 / 8), arguments.get(2, "upper", 1 / 3)
    return None if arguments.get(3, "training", False) else _Pieces(0.0, slope=(lower + upper) / 2)


def _hardtanh(arguments: _Arguments) -> _Pieces:
    return _Pieces(
        float(arguments.get(1, "min_val", -1.0)), float(arguments.get(2, "max_val", 1.0))
    )


def _clamp(arguments: _Arguments) -> _Pieces | None:
    """A clamp that bounds at zero (a ReLU) or on both sides (a hardtanh); None for others.

    A lone `clamp_min(1e-6)` guards a division.
    """
    low, high = (_number(arguments.get(i, name)) for i, name in ((1, "min"), (2, "max")))
    if not all(bound is None or isinstance(bound, int | float) for bound in (low, high)):
        return None
    return None if low != 0 and None in (low, high) else _Pieces(low, high)


def _is_size(value: object) -> bool:
    """Whether a value may be a size: while torch records a pass, sizes are single numbers."""
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined]
    return tracing and isinstance(value, Tensor) and value.dim() == 0


def _number(bound: Any) -> Any:
    """A bound that is a tensor of one value as a number."""
    return bound.item() if isinstance(bound, Tensor) and bound.numel() == 1 else bound


_PIECEWISE: dict[str, Callable[[_Arguments], _Pieces | None]] = {
    "ReLU": lambda _: _Pieces(0.0),
    "ReLU6": lambda _: _Pieces(0.0, 6.0),
    "LeakyReLU": _leaky,
    "RReLU": _randomized,
    "Hardtanh": _hardtanh,
    "Threshold": lambda arguments: _Pieces(float(arguments.get(1, "threshold"))),
    "clamp": _clamp,
}


def find(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> ActivationCall | None:
    """The activation that a call computes, or None if it computes none."""
    name = _NAMES.get(func)
    if name is None:
        return None
    arguments = _Arguments(args, kwargs)
    if _is_size(arguments.get(0, "input")):
        return None
    pieces = _PIECEWISE[name](arguments) if name in _PIECEWISE else None
    if name == "clamp" and pieces is None:
        return None
    if name == "Hardtanh" and pieces == (0, 6, 0):
        name = "ReLU6"
    position = _INPLACE_ARGUMENT.get(name, 1)
    inplace = func.__name__.endswith("_") or arguments.get(position, "inplace") is True

    def apply(x: Tensor) -> Tensor:
        x = x.clone() if inplace else x
        result: Tensor = func(x, *args[1:], **{k: v for k, v in kwargs.items() if k != "input"})
        return result

    return ActivationCall(
        name,
        arguments.get(0, "input"),
        lambda: func(*args, **kwargs),
        apply,
        inplace,
        pieces is not None,
        *(pieces or ()),
    )
