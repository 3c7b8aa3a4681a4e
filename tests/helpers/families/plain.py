"""What plain PyTorch gives, without convscope: the values to compare with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_NORMALIZATIONS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm)


class Enough(Exception):
    """Ends a forward pass behind the layer that was asked for."""


def enliven(module: nn.Module, images: Tensor) -> None:
    """Make random weights as alive as learned ones, so that a fault in any branch shows.

    Nothing is multiplied by zero, and BatchNorms hold the statistics of these images.
    """
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for part in module.modules():
            for name, p in part.named_parameters(recurse=False):
                _enliven(part, name, p, generator)
        norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
        norms = [m for m in norms if m.running_mean is not None]
        module.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        if norms:
            module(images)
        module.eval()


def _enliven(part: nn.Module, name: str, p: nn.Parameter, generator: torch.Generator) -> None:
    normalizes = isinstance(part, _NORMALIZATIONS) or "norm" in type(part).__name__.lower()
    noise = torch.rand(p.shape, generator=generator)
    if normalizes and p.dim() == 1:
        p.copy_(noise * 0.4 - 0.2 if name == "bias" else noise * 0.8 + 0.6)
    elif name != "bias" and p.dim() <= 1 and p.abs().max() < 0.01:
        p.copy_(noise * 0.4 + 0.3)  # scales of layers, gains of skips
    elif p.dim() > 1 and not p.any():
        p.copy_((noise - 0.5) * 0.2)


def _fixed_normalization(
    x: Tensor,
    mean: Tensor | None,
    var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """BatchNorm by its formula: the gradient of torch's CPU kernel can be wrong (torch 2.13)."""
    if training or mean is None or var is None:
        return torch.batch_norm(
            x, weight, bias, mean, var, training, momentum, eps, torch.backends.cudnn.enabled
        )
    factor = (var + eps).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * factor
    shape = (1, -1) + (1,) * (x.dim() - 2)
    return x * factor.view(shape) + shift.view(shape)


class Plain:
    """A module, run by plain PyTorch.

    Args:
        module: in evaluation mode, without in-place activations.
        mean, std: of the images that it was trained on.
    """

    def __init__(self, module: nn.Module, mean: Collection[float], std: Collection[float]) -> None:
        self.module, self.mean, self.std = module, mean, std

    def run(self, image: Tensor, *names: str, stop: bool = False) -> tuple[Any, dict[str, Tensor]]:
        """The output, and what the named layers gave in their only call.

        A layer that is called several times is left out.
        """
        calls: dict[str, list[Tensor]] = {name: [] for name in names}
        handles = [
            self.module.get_submodule(name).register_forward_hook(_noting(calls[name], stop))
            for name in names
        ]
        mean, std = (image.new_tensor(list(v)).view(1, -1, 1, 1) for v in (self.mean, self.std))
        out = None
        try:
            with mock.patch.object(F, "batch_norm", _fixed_normalization):
                out = self.module((image - mean) / std)
        except Enough:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return out, {name: found[0] for name, found in calls.items() if len(found) == 1}

    def outputs(self, image: Tensor, *names: str) -> dict[str, Tensor]:
        """What the named layers gave, of those that are called once."""
        with torch.no_grad():
            return self.run(image, *names)[1]

    def gradient(self, image: Tensor, target: int) -> Tensor:
        """The gradient of one score with respect to the pixels, (C, H, W)."""
        leaf = image.clone().requires_grad_()
        out, _ = self.run(leaf)
        (slope,) = torch.autograd.grad(out[0, target], leaf)
        return slope[0]


def _noting(found: list[Tensor], stop: bool) -> Callable[..., Tensor | None]:
    def note(_module: nn.Module, _inputs: object, output: object) -> Tensor | None:
        if not isinstance(output, Tensor):
            return None
        found.append(output)
        if stop:
            raise Enough
        return output.clone()  # what comes may work in place

    return note


class _Guided(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.low, ctx.high = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return gradient.clamp_min(0) * ((x > ctx.low) & (x < ctx.high)), None, None


def _relu(x: Tensor, *_: Any, **__: Any) -> Tensor:
    result: Tensor = _Guided.apply(x, 0.0, torch.inf)
    return result


def _hardtanh(x: Tensor, low: float = -1.0, high: float = 1.0, *_: Any) -> Tensor:
    result: Tensor = _Guided.apply(x, low, high)
    return result


def _relu6(x: Tensor, *_: Any, **__: Any) -> Tensor:
    return _hardtanh(x, 0.0, 6.0)


@contextmanager
def guided_relus() -> Iterator[None]:
    """Guided backpropagation by hand: every ReLU passes positive gradients only."""
    with (
        mock.patch.object(F, "relu", _relu),
        mock.patch.object(torch, "relu", _relu),
        mock.patch.object(torch.Tensor, "relu", _relu),
        mock.patch.object(F, "relu6", _relu6),
        mock.patch.object(F, "hardtanh", _hardtanh),
    ):
        yield
