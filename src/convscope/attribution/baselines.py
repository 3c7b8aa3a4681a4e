"""TODO."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from convscope import tensors
from convscope.errors import unknown
from convscope.network import Network

Baseline = Literal["mean", "image", "gray", "black", "blur", "noise"]


BASELINES = "the training images' mean, this image's own, mid-gray, black, a blurred photo, noise"


def baseline_images(net: Network, inputs: Tensor, baseline: str, seed: int = 0) -> Tensor:
    """An image (N, 3, H, W) that says nothing, to put in the place of parts of `inputs`."""
    if baseline == "mean":
        return inputs.new_tensor(net.mean).view(1, -1, 1, 1).expand_as(inputs)
    if baseline == "image":
        return inputs.mean((2, 3), keepdim=True).expand_as(inputs)
    if baseline == "gray":
        return torch.full_like(inputs, 0.5)
    if baseline == "black":
        return torch.zeros_like(inputs)
    if baseline == "blur":
        return tensors.blur(inputs, max(inputs.shape[-2:]) / 16)
    if baseline == "noise":
        chance = torch.Generator().manual_seed(seed)
        noise = torch.rand(inputs.shape[1:], generator=chance, dtype=inputs.dtype)
        return noise.to(inputs.device).expand_as(inputs)
    raise unknown("baseline", baseline, get_args(Baseline))
