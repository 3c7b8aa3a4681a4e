"""Backward rules: what an activation does to the gradient on its way back to the image.

The forward pass is unchanged. A rule works in a context: inside `with guided().mode():` every
piecewise linear activation (ReLU, ReLU6, LeakyReLU, hardtanh, clamp) sends its gradient back by
the rule, whether it is a module or a function, in place or used several times. The network itself
is not modified.

Rules are not odd functions: rule(-g) is not -rule(g). Maximize a score; do not minimize its
negative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network import ActivationCall, ActivationMode, activation_calls
from convscope.vocabulary.word import Word


class Rule(Word):
    """How gradients pass activations.

    A rule with `must_apply` raises an error where it meets no activation that it can change: the
    result would be the true gradient under another name.
    """

    name: ClassVar[str]
    must_apply: ClassVar[bool] = True

    def mode(self) -> RuleMode:
        """The context in which to run the forward pass."""
        return RuleMode(self)

    def activate(self, call: ActivationCall, x: Tensor, mode: RuleMode) -> Tensor:
        """The activation of `x`, whose gradient follows the rule while `mode` is enabled."""
        raise NotImplementedError


@dataclass(frozen=True)
class plain(Rule):
    """The gradient passes as it is."""

    name: ClassVar[str] = "plain"

    def mode(self) -> RuleMode:
        return _PlainMode(self)


@dataclass(frozen=True)
class guided(Rule):
    """Only positive gradients pass, and only through units that were active (Springenberg 2015)."""

    name: ClassVar[str] = "guided"

    def activate(self, call: ActivationCall, x: Tensor, mode: RuleMode) -> Tensor:
        def positive(passed: Tensor, _gradient: Tensor) -> None:
            passed.clamp_min_(0)

        return _changed(x, call, positive, mode)


@dataclass(frozen=True)
class deconv(Rule):
    """Only positive gradients pass, whether or not the unit was active (Zeiler and Fergus 2014)."""

    name: ClassVar[str] = "deconv"

    def activate(self, call: ActivationCall, x: Tensor, mode: RuleMode) -> Tensor:
        def positive(passed: Tensor, gradient: Tensor) -> None:
            torch.clamp_min(gradient, 0, out=passed)

        return _changed(x, call, positive, mode)


@dataclass(frozen=True)
class redirected(Rule):
    """Where the activation is flat, the fraction `leak` of the gradient passes nevertheless.

    A unit that is silent everywhere has no gradient to climb. A tenth of it is enough to activate
    the unit, and little enough to keep the class. Where an activation is flat nowhere (SiLU, GELU),
    this is the true gradient.
    """

    leak: Annotated[
        float, Field(ge=0, le=1, description="fraction of the gradient that passes")
    ] = 0.1
    name: ClassVar[str] = "redirected"
    must_apply: ClassVar[bool] = False

    def activate(self, call: ActivationCall, x: Tensor, mode: RuleMode) -> Tensor:
        if call.slope:
            return call.apply(x)  # flat nowhere

        def leaking(passed: Tensor, gradient: Tensor) -> None:
            passed.lerp_(gradient, self.leak)

        return _changed(x, call, leaking, mode)


class RuleMode(ActivationMode):
    """Runs a forward pass under a rule.

    Attributes:
        rule: the rule.
        applied: the number of activations that the rule was applied to.
        enabled: whether backward passes follow the rule. If False, the gradients of the same
            forward pass are the true ones.
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule
        self.applied = 0
        self.enabled = True

    def activation(self, call: ActivationCall) -> Tensor:
        if not call.piecewise or not call.input.requires_grad:
            return call.run()
        self.applied += 1
        if not call.inplace:
            return self.rule.activate(call, call.input, self)
        # An in-place call overwrites its input, which the rule's backward pass still needs.
        return call.input.copy_(self.rule.activate(call, call.input.clone(), self))

    def check(self) -> None:
        """Call this after the forward pass.

        Raises:
            ConvscopeError: there was no activation that the rule could change.
        """
        if self.applied == 0 and self.rule.must_apply:
            raise ConvscopeError(
                f"rule {self.rule.name!r} would change nothing: between the image and the target"
                f" there is no {activation_calls.PIECEWISE_LINEAR}; use the plain gradient"
            )


class _PlainMode(RuleMode):
    """The plain rule: no mode at all, and nothing to check."""

    def __enter__(self) -> _PlainMode:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def check(self) -> None:
        pass


# Changes the gradient that an activation passes on, in place, given the one that came in.
_Change = Callable[[Tensor, Tensor], None]


def _changed(x: Tensor, call: ActivationCall, change: _Change, mode: RuleMode) -> Tensor:
    """The activation of `x`, whose gradient `change` changes while `mode` is enabled."""
    result: Tensor = _Changed.apply(x, call, change, mode)
    return result


class _Changed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, call: ActivationCall, change: _Change, mode: RuleMode
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.change, ctx.mode, ctx.slope = change, mode, call.slope
        ctx.low = -float("inf") if call.low is None else call.low
        ctx.high = float("inf") if call.high is None else call.high
        return call.apply(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        if ctx.slope:
            passed = torch.ops.aten.leaky_relu_backward(gradient, x, ctx.slope, False)
        else:
            passed = torch.ops.aten.hardtanh_backward(gradient, x, ctx.low, ctx.high)
        if ctx.mode.enabled:
            ctx.change(passed, gradient)
        return passed, None, None, None
