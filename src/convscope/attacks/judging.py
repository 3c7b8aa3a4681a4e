"""How visible a change is, and what changes as large do by chance."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.network import Network

WINDOW = 7  # pixels a side, of structural similarity


def structural_similarity(one: Tensor, other: Tensor) -> float | None:
    """Structural similarity of two images (1, C, H, W), 1 for equal ones; None for tiny ones."""
    if min(one.shape[-2:]) < WINDOW:
        return None
    from skimage import metrics

    first, second = (image[0].permute(1, 2, 0).double().cpu().numpy() for image in (one, other))
    return float(
        metrics.structural_similarity(
            first, second, win_size=WINDOW, channel_axis=2, data_range=1.0
        )
    )


def shuffled(net: Network, photograph: Tensor, change: Tensor, seed: int) -> Tensor:
    """The photograph with the values of a change in random places, which are as large by any norm.

    The places are those that the network sees. What would leave [0, 1] is clipped.
    """
    top, left, height, width = net.box(photograph)
    rows, columns = (
        slice(max(0, round(first)), round(first + length))
        for first, length in ((top, height), (left, width))
    )
    part = change[..., rows, columns]
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(part.numel(), generator=generator).to(change.device)
    moved = torch.zeros_like(change)
    moved[..., rows, columns] = part.flatten()[order].view(part.shape)
    return (photograph + moved).clamp(0, 1)
