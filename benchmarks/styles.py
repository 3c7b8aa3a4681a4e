"""Evaluations of `style` against a plain loop of the kind that neural-style-pt has: VGG-19 at 256
pixels, the same layers, L-BFGS on pixels, as many evaluations. Random weights do for the time.

Both run the network for the photograph and for the painting before the first evaluation.
SqueezeNet is so small that the Gram products of the five layers take as long as half of its forward
and backward pass. There, 1.5 times that pass is the least that an evaluation can cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from benchmarks.measure import Row
from convscope.network.zoo import build
from convscope.vocabulary.style_losses import style_loss

EVALUATIONS = {"timm/vgg19": 6, "squeezenet1_1": 15}  # a round
SIDE = 256


def rows(wanted: Callable[[str], bool]) -> Iterator[Row]:
    """One photograph in one style, on VGG-19 and on SqueezeNet, if the row's name is wanted."""
    chance = torch.Generator().manual_seed(0)
    photo, painting = torch.rand(2, 1, 3, SIDE, SIDE, generator=chance)
    for name, pretrained in (("timm/vgg19", False), ("squeezenet1_1", True)):
        if not wanted(_title(name)):  # a row counts its evaluations beforehand
            continue
        net = cs.load(name, pretrained=pretrained, input_size=SIDE, device="cpu")
        module = build(name, pretrained)[0].eval()
        yield _row(name, net, module, photo, painting)


def _title(name: str) -> str:
    return f"style; {name}, 1"


def _row(name: str, net: cs.Network, module: nn.Module, photo: Tensor, painting: Tensor) -> Row:
    loss = style_loss(net)
    count = EVALUATIONS[name]
    peer = _Loop(module.features, loss.style, loss.content, photo, painting)  # type: ignore[arg-type]

    def ours() -> object:
        options = {"size": SIDE, "sizes": 1, "steps": count}
        return cs.style(net, photo, style=painting, **options).result()  # type: ignore[arg-type]

    peer.evaluations = _evaluations(net, ours)
    steps, deepest = peer.evaluations, peer.deepest
    return Row(_title(name), ours, peer.run, net, 3, steps=steps, layer=deepest)


def _evaluations(net: cs.Network, work: Callable[[], object]) -> int:
    """How often a network runs with gradients: a line search may overrun the number asked for."""
    run, calls = net.activations, [0]

    def counted(*arguments: Any, **options: Any) -> dict[str, Tensor]:
        calls[0] += torch.is_grad_enabled()
        return run(*arguments, **options)

    net.activations = counted  # type: ignore[method-assign]
    try:
        work()
    finally:
        del net.activations
    return calls[0]


class _Enough(Exception):
    """The peer has made as many evaluations as we."""


class _Loop:
    """Modules one after the other; some positions compare what they give, and add to the loss."""

    def __init__(
        self,
        modules: nn.Sequential,
        style: dict[str, float],
        content: dict[str, float],
        photo: Tensor,
        painting: Tensor,
    ) -> None:
        names = {int(name.rpartition(".")[2]): name for name in (*style, *content)}
        self.deepest = names[max(names)]
        self.modules = [module for n, module in enumerate(modules) if n <= max(names)]
        for module in self.modules:
            module.requires_grad_(False)
            for part in module.modules():
                if isinstance(part, nn.ReLU):
                    part.inplace = False
        self.names, self.style, self.content = names, style, content
        self.photo, self.painting, self.evaluations = photo, painting, 0  # until ours are counted

    def run(self) -> Tensor:
        """As many evaluations by L-BFGS, from the photograph; the wanted values come first."""
        left = self.evaluations
        with torch.no_grad():
            grams = {n: _gram(v) for n, v in self._read(self.painting).items()}
            shown = self._read(self.photo)
        image = self.photo.clone().requires_grad_()
        optimizer = torch.optim.LBFGS(
            [image], max_iter=self.evaluations, max_eval=2 * self.evaluations, history_size=20,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )  # fmt: skip

        def closure() -> Tensor:
            nonlocal left
            if not left:
                raise _Enough
            left -= 1
            optimizer.zero_grad()
            found = self._read(image)
            style = [w * F.mse_loss(_gram(found[n]), grams[n]) for n, w in self.style.items()]
            content = [w * F.mse_loss(found[n], shown[n]) for n, w in self.content.items()]
            total = 1000 * torch.stack(style).sum() + torch.stack(content).sum()
            total.backward()
            return total

        with suppress(_Enough):
            optimizer.step(closure)
        assert left == 0
        return image.detach()

    def _read(self, image: Tensor) -> dict[str, Tensor]:
        found = {}
        for number, module in enumerate(self.modules):
            image = module(image)
            if number in self.names:
                found[self.names[number]] = image
        return found


def _gram(values: Tensor) -> Tensor:
    flat = values.flatten(2)[0]
    return flat @ flat.T / flat.numel()
