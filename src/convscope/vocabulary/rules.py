"""Backward rules: what an activation does to the gradient on its way back to the image.

The forward pass stays exact. A rule is a `TorchFunctionMode`: inside `with guided():` every
piecewise linear activation (ReLU, ReLU6, LeakyReLU, hardtanh, clamp), written as a module or a
function, in place or reused, sends its gradient back by the rule. The network is left alone.

Rules are not odd functions: rule(-g) is not -rule(g). Climb a score; do not minimize its negative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from convscope.errors import ConvscopeError, unknown
from convscope.network import ActivationCall, activation_calls


class Rule:
    """How gradients pass activations. `mode()` is the context in which to run the forward pass.

    Where it meets no activation that it knows, a rule that is `must_apply` from the true gradient
    is refused rather than quietly giving that.
    """

    name: ClassVar[str]
    must_apply: ClassVar[bool] = True

    def mode(self) -> RuleMode:
        return RuleMode(self)

    def activate(self, met: ActivationCall, x: Tensor, mode: RuleMode) -> Tensor:
        """The activation's value, with the rule's gradient while `mode` bends."""
        raise NotImplementedError


@dataclass(frozen=True)
class plain(Rule):
    """The true gradient."""

    name: ClassVar[str] = "plain"

    def mode(self) -> RuleMode:
        return _Untouched(self)

    def activate(self, met: ActivationCall, x: Tensor, mode: RuleMode) -> Tensor:
        return met.apply(x)


@dataclass(frozen=True)
class guided(Rule):
    """Only positive gradients, and only through units that were active (Springenberg 2015)."""

    name: ClassVar[str] = "guided"

    def activate(self, met: ActivationCall, x: Tensor, mode: RuleMode) -> Tensor:
        def positive(through: Tensor, gradient: Tensor) -> None:
            through.clamp_min_(0)

        result: Tensor = _Bent.apply(x, met, positive, mode)
        return result


@dataclass(frozen=True)
class deconv(Rule):
    """Only positive gradients, whatever the unit did on the way up (Zeiler and Fergus 2014)."""

    name: ClassVar[str] = "deconv"

    def activate(self, met: ActivationCall, x: Tensor, mode: RuleMode) -> Tensor:
        def positive(through: Tensor, gradient: Tensor) -> None:
            torch.clamp_min(gradient, 0, out=through)

        result: Tensor = _Bent.apply(x, met, positive, mode)
        return result


@dataclass(frozen=True)
class redirected(Rule):
    """Where the activation is flat, `leak` of the gradient passes all the same.

    A unit that is silent everywhere has no gradient to be found by; a tenth of it is enough to
    wake it and little enough to keep the class. Where nothing is ever flat (SiLU, GELU) it is the
    true gradient.
    """

    leak: float = 0.1
    name: ClassVar[str] = "redirected"
    must_apply: ClassVar[bool] = False

    def activate(self, met: ActivationCall, x: Tensor, mode: RuleMode) -> Tensor:
        if met.slope:
            return met.apply(x)  # nowhere flat

        def leaking(through: Tensor, gradient: Tensor) -> None:
            through.lerp_(gradient, self.leak)

        result: Tensor = _Bent.apply(x, met, leaking, mode)
        return result


RULES: Mapping[str, type[Rule]] = {rule.name: rule for rule in (plain, guided, deconv, redirected)}


def as_rule(rule: str | Rule) -> Rule:
    """A rule by its name, or as it is."""
    if isinstance(rule, Rule):
        return rule
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    return RULES[rule]()


class RuleMode(TorchFunctionMode):
    """Runs a forward pass under a rule; `met` counts the activations that it applied to.

    While `enabled` is False, gradients take their true way back through that very pass.
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule
        self.met = 0
        self.enabled = True

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        met = activation_calls.find(func, args, kwargs)
        if met is None or not met.piecewise or not met.input.requires_grad:
            return func(*args, **kwargs)
        self.met += 1
        if not met.inplace:
            return self.rule.activate(met, met.input, self)
        # An in-place call overwrites its input, which the rule's backward still needs.
        return met.input.copy_(self.rule.activate(met, met.input.clone(), self))

    def check(self) -> None:
        """Call after the forward pass.

        Raises:
            ConvscopeError: there was no activation that the rule could change.
        """
        if self.met == 0 and self.rule.must_apply:
            raise ConvscopeError(
                f"rule {self.rule.name!r} would change nothing: between the image and the target"
                f" there is no {activation_calls.PIECEWISE_LINEAR}; take the plain gradient"
            )


class _Untouched(RuleMode):
    """The plain rule: no mode at all, and nothing to check."""

    def __enter__(self) -> _Untouched:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def check(self) -> None:
        pass


class _Bent(torch.autograd.Function):
    """The activation's own gradient, then changed in place by `bend(through, gradient)`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        met: ActivationCall,
        bend: Callable[[Tensor, Tensor], None],
        mode: RuleMode,
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bend, ctx.mode, ctx.slope = bend, mode, met.slope
        ctx.low = -float("inf") if met.low is None else met.low
        ctx.high = float("inf") if met.high is None else met.high
        return met.apply(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        if ctx.slope:
            through = torch.ops.aten.leaky_relu_backward(gradient, x, ctx.slope, False)
        else:
            through = torch.ops.aten.hardtanh_backward(gradient, x, ctx.low, ctx.high)
        if ctx.mode.enabled:
            ctx.bend(through, gradient)
        return through, None, None, None
