"""The weights of a module, and how many of them are near zero."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

FEWEST = 64  # numbers in a tensor that is worth compressing

NEAR = 0.05  # of the largest magnitude in its layer: what is near zero


def weight_names(module: nn.Module) -> list[str]:
    """The names of the weights that are compressed: matrices and filters, in the order of layers.

    Biases and the numbers of normalizations are few, and stay as they are.
    """
    return [
        name
        for name, value in module.named_parameters()
        if value.dim() > 1 and value.numel() >= FEWEST and value.is_floating_point()
    ]


def near_zero(weights: Tensor) -> float:
    """The fraction of weights whose magnitude is below 5 % of the largest one."""
    magnitudes = weights.detach().abs()
    return float((magnitudes < NEAR * magnitudes.max()).float().mean())


@torch.no_grad()
def merge_statistics(module: nn.Module) -> None:
    """Make each batch normalization in a module a scale and an offset, with the same output.

    Its mean becomes 0 and its variance 1, so that only two of its four rows of numbers are left to
    be written.
    """
    for part in module.modules():
        if isinstance(part, _BatchNorm) and part.affine and part.running_var is not None:
            assert part.running_mean is not None
            scale = part.weight / (part.running_var + part.eps).sqrt()
            part.bias.sub_(part.running_mean * scale)
            part.weight.copy_(scale)
            part.running_mean.zero_()
            part.running_var.fill_(1 - part.eps)


def fractional(module: nn.Module) -> Mapping[str, Tensor]:
    """The tensors of a module's state dict that hold fractions, not counters."""
    return {name: v for name, v in module.state_dict().items() if v.is_floating_point()}
