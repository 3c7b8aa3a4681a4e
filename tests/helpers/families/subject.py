"""A network that is tried: convscope's and plain PyTorch's, in both precisions."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

import convscope as cs
from tests.helpers.families.networks import Chosen, build
from tests.helpers.families.plain import Plain, enliven


class Wrong(Exception):
    """A number that differs from plain PyTorch's, or an answer that makes no sense."""


@dataclass(frozen=True)
class Side:
    """A network, the same module in plain PyTorch, and the input of both, in one precision."""

    net: cs.Network
    plain: Plain
    image: Tensor


class Subject:
    """One network with random weights, and what was found out of it.

    Args:
        name: the network's name in messages.
        chosen: which network.
        photo: a photograph (1, 3, H, W).
    """

    def __init__(self, name: str, chosen: Chosen, photo: Tensor) -> None:
        self.name, self.photo = name, photo
        self._module, self._settings = build(chosen)
        size: Any = self._settings["input_size"]
        self.size: tuple[int, int] = (size, size) if isinstance(size, int) else size
        noise = torch.Generator().manual_seed(2)
        enliven(self._module, torch.randn(4, 3, *self.size, generator=noise))

    @cached_property
    def single(self) -> Side:
        return self._side(self._module)

    @cached_property
    def double(self) -> Side:
        """In float64, where rounding decides nothing."""
        return self._side(copy.deepcopy(self._module).double())

    @property
    def net(self) -> cs.Network:
        return self.single.net

    @cached_property
    def target(self) -> int:
        """The class with the largest score."""
        out, _ = self.single.plain.run(self.single.image)
        return int(out.argmax())

    def _side(self, module: nn.Module) -> Side:
        net = cs.Network(module, name=self.name, device="cpu", **self._settings)
        plain = copy.deepcopy(module).requires_grad_(False)
        for part in plain.modules():
            if getattr(part, "inplace", None) is True:
                part.inplace = False  # type: ignore[assignment]
        return Side(net, Plain(plain, net.mean, net.std), net.preprocess(self.photo))

    def agree(
        self,
        what: str,
        ours: Callable[[Side], Tensor],
        theirs: Callable[[Side], Tensor],
        tolerance: float,
    ) -> None:
        """Compare in float32, and where that differs in float64, which is the judge.

        Random weights make some networks so steep that a rounded value falls on the other side of
        a ReLU's kink. Neither gradient is wrong then, and in float64 they agree.

        Raises:
            Wrong: they differ in float64 too.
        """
        error = relative(what, ours(self.single), theirs(self.single))
        if error > tolerance:
            exact = relative(what, ours(self.double), theirs(self.double))
            if exact > max(1e-6, 1e-4 * error):
                raise Wrong(f"{what}: relative error {error:.1e}, in float64 {exact:.1e}")


def relative(what: str, ours: Tensor, theirs: Tensor) -> float:
    """The largest difference over the largest value.

    Raises:
        Wrong: the shapes differ, or a value is not finite.
    """
    if ours.shape != theirs.shape:
        raise Wrong(f"{what}: shape {tuple(ours.shape)} instead of {tuple(theirs.shape)}")
    if not ours.isfinite().all():
        raise Wrong(f"{what}: not finite")
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-30))
