"""Activations whose gradient a rule changes: in a call, or at what autograd recorded of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from convscope.network import ActivationCall

# Changes the gradient that an activation passes on, in place, given the one that came in.
Change = Callable[[Tensor, Tensor], None]


class Bent(torch.autograd.Function):
    """The activation of a tensor, whose gradient `change` changes: `Bent.apply(x, call, change)`"""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: ActivationCall, change: Change) -> Tensor:
        ctx.save_for_backward(x)
        ctx.set_materialize_grads(False)  # where the way back is cut off, it stays so
        ctx.change, ctx.slope = change, call.slope
        ctx.low = -float("inf") if call.low is None else call.low
        ctx.high = float("inf") if call.high is None else call.high
        return call.apply(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, None, None]:
        if gradient is None:
            return None, None, None
        (x,) = ctx.saved_tensors
        if ctx.slope:
            passed = torch.ops.aten.leaky_relu_backward(gradient, x, ctx.slope, False)
        else:
            passed = torch.ops.aten.hardtanh_backward(gradient, x, ctx.low, ctx.high)
        ctx.change(passed, gradient)
        return passed, None, None


class Passes(Enum):
    """What an operation does to a gradient."""

    ALL = auto()  # it leaves every value as it is, or changes the shape
    RECTIFIED = auto()  # it leaves some, and multiplies all others by one slope below 1
    OTHERWISE = auto()


def bend(node: Node, slot: int, change: Change | None, leaky: bool) -> Callable[[], Passes | None]:
    """Change the gradients that a node of autograd passes, if they show that it rectifies.

    Args:
        node: what autograd recorded of an operation on one tensor.
        slot: where the node gives the gradient of that tensor.
        change: the change; None only to look.
        leaky: whether the change is also one of rectifiers that are flat nowhere.

    Returns:
        A function that tells, after a backward pass, what the node does.
    """
    seen: list[Passes] = []

    def hook(given: Sequence[Tensor | None], came: Sequence[Tensor | None]) -> Any:
        passed, gradient = given[slot], came[0]
        if passed is None or gradient is None:
            return None
        found, slope = _passes(passed, gradient) if len(came) == 1 else (Passes.OTHERWISE, 0.0)
        seen.append(found)
        if change is None or found is not Passes.RECTIFIED or (slope and not leaky):
            return None
        passed = passed.clone()
        change(passed, gradient)
        return (*given[:slot], passed, *given[slot + 1 :])

    node.register_hook(hook)
    return lambda: seen[-1] if seen else None


def _passes(passed: Tensor, gradient: Tensor) -> tuple[Passes, float]:
    """What made `passed` of `gradient`, and the slope of a rectifier where it is not 1."""
    if passed.shape != gradient.shape:
        return Passes.ALL, 1.0
    off = passed != gradient
    if not off.any():
        return Passes.ALL, 1.0
    rest, before = passed[off], gradient[off]
    place = before.abs().argmax()
    slope = float(rest[place] / before[place])
    same = 0 <= slope < 1 and torch.allclose(rest, slope * before, rtol=1e-5, atol=0)
    rectified = same and bool((gradient[~off] != 0).any())
    return (Passes.RECTIFIED if rectified else Passes.OTHERWISE), slope
