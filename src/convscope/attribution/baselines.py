"""Baselines: images that hold no evidence, to put in the place of pixels that are hidden."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from convscope import tensors
from convscope.errors import unknown
from convscope.network import Network

Baseline = Literal["mean", "image", "gray", "black", "blur", "noise"]

# For the description of an option; in the order above.
BASELINES = (
    "the mean of the training images, the mean of this image, mid-gray, black, a blurred copy of"
    " the image, or random noise"
)


def baseline_images(net: Network, inputs: Tensor, baseline: str, seed: int = 0) -> Tensor:
    """The baseline of each of the network's inputs (N, 3, H, W), in their shape.

    Noise is the same for all of them, and drawn from `seed`.

    Raises:
        ConvscopeError: an unknown baseline.
    """
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
        generator = torch.Generator().manual_seed(seed)
        noise = torch.rand(inputs.shape[1:], generator=generator, dtype=inputs.dtype)
        return noise.to(inputs.device).expand_as(inputs)
    raise unknown("baseline", baseline, get_args(Baseline))
