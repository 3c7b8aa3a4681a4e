"""TODO."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from convscope import tensors
from convscope.errors import unknown
from convscope.network import Network

Fill = Literal["mean", "image", "grey", "black", "blur", "noise"]


FILLS = "the training images' mean, this image's own, mid-grey, black, a blurred photo, noise"


def filled(net: Network, seen: Tensor, fill: str, seed: int = 0) -> Tensor:
    """An image (N, 3, H, W) that says nothing, to put in the place of parts of `seen`."""
    if fill == "mean":
        return seen.new_tensor(net.mean).view(1, -1, 1, 1).expand_as(seen)
    if fill == "image":
        return seen.mean((2, 3), keepdim=True).expand_as(seen)
    if fill == "grey":
        return torch.full_like(seen, 0.5)
    if fill == "black":
        return torch.zeros_like(seen)
    if fill == "blur":
        return tensors.blur(seen, max(seen.shape[-2:]) / 16)
    if fill == "noise":
        chance = torch.Generator().manual_seed(seed)
        noise = torch.rand(seen.shape[1:], generator=chance, dtype=seen.dtype)
        return noise.to(seen.device).expand_as(seen)
    raise unknown("fill", fill, get_args(Fill))
