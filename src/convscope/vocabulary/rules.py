"""Backward rules: what an activation does to the gradient on its way back to the image.

The forward pass is unchanged. A rule works in a context: inside `with guided().mode():` every
piecewise linear activation (ReLU, ReLU6, LeakyReLU, hardtanh, clamp) sends its gradient back by
the rule, however it is written. The network itself is not modified. What acts on the pixels before
any learned layer (a clamp of the input) is no activation.

Rules are not odd functions: rule(-g) is not -rule(g). Maximize a score; do not minimize its
negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from convscope.network import ActivationCall, ActivationMode
from convscope.vocabulary.backward.audit import Audit, ways_back
from convscope.vocabulary.backward.bending import Bent
from convscope.vocabulary.backward.rectifiers import by_values
from convscope.vocabulary.word import Word


class Rule(Word):
    """How gradients pass activations.

    A rule with `must_apply` raises an error where it changes nothing, or nearly nothing: the result
    would be the true gradient under another name. One with `leaky` also changes activations that
    are flat nowhere (LeakyReLU).
    """

    name: ClassVar[str]
    must_apply: ClassVar[bool] = True
    leaky: ClassVar[bool] = True

    def mode(self) -> RuleMode:
        """The context in which to run the forward pass."""
        return RuleMode(self)

    def change(self, passed: Tensor, gradient: Tensor) -> None:
        """Change, in place, what an activation passes on of the gradient that came in."""
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

    def change(self, passed: Tensor, gradient: Tensor) -> None:
        passed.clamp_min_(0)


@dataclass(frozen=True)
class deconv(Rule):
    """Only positive gradients pass, whether or not the unit was active (Zeiler and Fergus 2014)."""

    name: ClassVar[str] = "deconv"

    def change(self, passed: Tensor, gradient: Tensor) -> None:
        torch.clamp_min(gradient, 0, out=passed)


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
    leaky: ClassVar[bool] = False

    def change(self, passed: Tensor, gradient: Tensor) -> None:
        passed.lerp_(gradient, self.leak)


class RuleMode(ActivationMode):
    """Runs forward passes under a rule, and tells what the rule changed.

    Use it around a forward pass, call `watch` with what was read, and `changed` after the backward
    pass. A mode serves several passes of one network; only the first one is measured.

    Attributes:
        rule: the rule.
        enabled: whether backward passes follow the rule. If False, the gradients of the same
            forward pass are the true ones.
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule
        self._change = _Switch(rule)
        self._audit: Audit | None = None
        self._changed: Tensor | None = None
        self._measured = not rule.must_apply
        self._settled = False

    @property
    def enabled(self) -> bool:
        return self._change.on

    @enabled.setter
    def enabled(self, on: bool) -> None:
        self._change.on = on

    def find(self, func: Any, args: Any, kwargs: Mapping[str, Any]) -> ActivationCall | None:
        return super().find(func, args, kwargs) or by_values(func, args, kwargs)

    def activation(self, call: ActivationCall) -> Tensor:
        # What runs without gradients inside a custom autograd function has its own way back.
        if not call.piecewise or not call.input.requires_grad or not torch.is_grad_enabled():
            return call.run()
        if call.slope and not self.rule.leaky:
            return call.run()
        if not call.inplace:
            return self._bent(call, call.input)
        # An in-place call overwrites its input, which the rule's backward pass still needs.
        return call.input.copy_(self._bent(call, call.input.clone()))

    def watch(self, values: Mapping[str, Tensor], image: Tensor) -> None:
        """Look at the ways back to the image; call this after the forward pass.

        Args:
            values: what was read and is to be differentiated, by layer.
            image: what the network got.

        Raises:
            ConvscopeError: no way leads from one of the values back to the image, or none passes
                an activation that the rule could change.
        """
        if self._settled or not image.requires_grad:
            return
        ways = ways_back(values, image)
        measured = not self._measured
        self._audit = Audit(ways, self._change, self.rule.leaky, len(image), measured)
        if self.rule.must_apply:
            self._audit.check(self.rule.name)
        self._settled = not self._audit.bends

    def changed(self) -> Tensor | None:
        """The fraction of the activations on the way back that the rule changed, for each image.

        Call this after the backward pass. None stands for all of them.

        Raises:
            RuleError: the rule changed nothing, or nearly nothing.
        """
        if self._audit and not self._measured:
            self._changed, self._measured = self._audit.changed(self.rule.name), True
        self._audit = None
        return self._changed

    def _bent(self, call: ActivationCall, x: Tensor) -> Tensor:
        result: Tensor = Bent.apply(x, call, self._change)
        return result


class _Switch:
    """A rule's change, on or off. Autograd holds it; it must hold no part of autograd's graph."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.on = rule, True

    def __call__(self, passed: Tensor, gradient: Tensor) -> None:
        if self.on:
            self.rule.change(passed, gradient)


class _PlainMode(RuleMode):
    """The plain rule: no mode at all, and nothing to change."""

    def __enter__(self) -> _PlainMode:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def watch(self, values: Mapping[str, Tensor], image: Tensor) -> None:
        if image.requires_grad and not self._settled:
            ways_back(values, image)
            self._settled = True

    def changed(self) -> None:
        return None
