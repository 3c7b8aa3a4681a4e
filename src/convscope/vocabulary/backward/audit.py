"""What a rule changed on the way back from what was read to the image."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from convscope.errors import ConvscopeError, RuleError
from convscope.network import activation_calls
from convscope.vocabulary.backward.bending import Bent, Change, Passes, bend
from convscope.vocabulary.backward.nodes import Role, name, roles
from convscope.vocabulary.backward.ways_back import Flow, WaysBack

NEARLY_NOTHING = 0.05
NEARLY_ALL = 0.995


def ways_back(values: Mapping[str, Tensor], image: Tensor) -> WaysBack:
    """The ways from values, by layer, to the image.

    Raises:
        ConvscopeError: no way leads from one of them to the image.
    """
    ways = WaysBack(values.values(), image)
    for layer, root in zip(values, ways.roots, strict=True):
        if root is None:
            raise no_gradient(f"from {layer!r}" if layer else "from the output")
    return ways


def no_gradient(start: str = "from the score") -> ConvscopeError:
    """The error for a way back that is cut off."""
    return ConvscopeError(
        f"no gradient reaches the image {start}: something between them cuts it off (no_grad,"
        " detach, quantization, argmax or rounding); use a technique without gradients (occlusion)"
    )


class Audit:
    """The activations on the ways back, divided into those that a rule changes and the others.

    A rule that changes all of them, on every way, needs no look at the gradients. Otherwise they
    are measured in the first backward pass: a network whose only ReLUs sit in side branches
    (squeeze-and-excite, say) has hundreds of them and almost no gradient that passes one.

    Args:
        ways: from what was read to the image.
        change: the change that the rule makes.
        leaky: whether it makes this change at activations that are flat nowhere.
        images: how many there are.
        measured: whether to measure.
    """

    def __init__(
        self, ways: WaysBack, change: Change, leaky: bool, images: int, measured: bool
    ) -> None:
        self._bent = {i for i, node in enumerate(ways.nodes) if isinstance(node, _BENT)}
        self._kept: set[int] = set()
        self._unsure: dict[int, Callable[[], Passes | None]] = {}
        self._masks: dict[int, Callable[[], Passes | None]] = {}
        self._names: dict[int, str] = {}
        for i, role in enumerate(roles(ways)):
            if i in self._bent or role is Role.OTHER:
                continue
            self._names[i] = name(ways, i)
            (slot, _), *others = ways.receivers[i]
            if role is Role.KEPT or others:
                self._kept.add(i)
            elif role is Role.UNKNOWN:
                self._masks[i] = bend(ways.nodes[i], slot, None, leaky)
            else:
                self._unsure[i] = bend(ways.nodes[i], slot, change, leaky)
        mixed = self._kept or self._unsure or self._masks or ways.avoid(self._bent)
        self._flow = Flow(ways, images) if measured and mixed else None

    @property
    def bends(self) -> bool:
        """Whether further passes need it: it changes what the mode does not meet."""
        return bool(self._unsure)

    def check(self, rule: str) -> None:
        """Call this before the backward pass.

        Raises:
            RuleError: there is no activation that the rule could change.
        """
        if not self._bent and not self._unsure:
            raise RuleError(
                f"rule {rule!r} would change nothing: between the image and the target there is no"
                f" {activation_calls.PIECEWISE_LINEAR}{self._only(self._kept)}; use the plain"
                " gradient (saliency)"
            )

    def changed(self, rule: str) -> Tensor | None:
        """The fraction of the activations that the rule changed, for each image; None: all.

        Each counts by the gradient that passes it on its way to the image.

        Raises:
            RuleError: the rule changed nothing, or nearly nothing.
        """
        states = {i: state() for i, state in self._unsure.items()}
        bent = self._bent | {i for i, state in states.items() if state is Passes.RECTIFIED}
        kept = self._kept | {i for i, state in states.items() if state is Passes.OTHERWISE}
        kept |= {i for i, state in self._masks.items() if state() is Passes.RECTIFIED}
        if not bent and kept:
            raise RuleError(
                f"rule {rule!r} would change nothing: between the image and the target there is no"
                f" activation that it knows{self._only(kept)}; use the plain gradient (saliency)"
            )
        if self._flow is None:
            return None
        by_rule, touched = self._flow.walks(bent)
        others, _ = self._flow.walks(kept)
        fraction = by_rule / (by_rule + others)
        least = float(torch.minimum(fraction, touched).nan_to_num(1.0).min())
        if least < NEARLY_NOTHING:
            raise RuleError(
                f"rule {rule!r} would change nearly nothing: on the main way from the target back"
                f" to the image there is no ReLU or the like{self._only(kept)}; use the plain"
                " gradient (saliency)"
            )
        fraction = fraction.nan_to_num(1.0)
        return None if bool((fraction >= NEARLY_ALL).all()) else fraction

    def _only(self, kept: Collection[int]) -> str:
        names = dict.fromkeys(self._names[i] for i in sorted(kept))
        return f", only {', '.join(names)}" if names else ""


_BENT = Bent._backward_cls
