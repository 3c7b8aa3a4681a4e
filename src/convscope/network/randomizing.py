"""Random weights in a fraction of a network's layers, from the output down."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from convscope.network.layers import ancestors
from convscope.network.prepared.copying import copied


def randomized_copy(
    module: nn.Module, order: Sequence[str], fraction: float, seed: int
) -> nn.Module:
    """A copy of a module, with random weights in the last `fraction` of its layers.

    Args:
        module: it is not changed.
        order: the names of its layers, in the order in which they run.
        fraction: fraction of the layers; 0 means only the last layer.
        seed: seed of the random weights.
    """
    module = copied(module, {}, [])
    generator = torch.Generator().manual_seed(seed)
    names = [name for name, part in module.named_modules() if part._parameters]
    names.sort(key=lambda name: _start(name, order), reverse=True)
    for name in names[: max(1, round(fraction * len(names)))]:
        _randomize(module.get_submodule(name), generator)
    return module


def _start(name: str, order: Sequence[str]) -> int:
    """When a module starts to work: the position in `order` of the first module inside it.

    Where none is known, as for a module that returns a tuple, that of what contains it counts.
    """
    for outer in (name, *ancestors(name)):
        for position, called in enumerate(order):
            if not outer or f"{called}.".startswith(f"{outer}."):
                return position
    return 0


@torch.no_grad()
def _randomize(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights (He et al. 2015), and make a normalization do nothing."""
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.dim() > 1:
            drawn = torch.empty(parameter.shape)
            nn.init.kaiming_normal_(drawn, nonlinearity="relu", generator=generator)
            parameter.copy_(drawn)
        else:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    for name, buffer in module.named_buffers(recurse=False):
        if name in ("running_mean", "running_var"):
            buffer.fill_(0.0 if name == "running_mean" else 1.0)
