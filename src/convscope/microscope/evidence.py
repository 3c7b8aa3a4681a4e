"""What in a patch excites its unit: the gradient of its value there, on several ways back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from convscope import tensors
from convscope.attribution import Question, gradient, over_colors
from convscope.microscope.facts import Patch
from convscope.network import Network, receptive_field_crop
from convscope.render import map_picture
from convscope.types import HeatMap, Target

RULES = {"deconvnet": "deconv", "guided": "guided", "saliency": "plain"}

CLIP = 0.995  # quantile of a saliency map that gets the last color

SMOOTHING = 0.018  # standard deviation of its blur, as a fraction of the longer side


def evidence(net: Network, patch: Patch, photo: Tensor, field: Tensor, show: str) -> Tensor:
    """What in a patch excites its unit: a picture (3, h, w) of what the unit sees.

    Args:
        net: the network.
        patch: the patch.
        photo: its photograph, (1, 3, H, W).
        field: the patch itself, as it is drawn, (3, h, w).
        show: "deconvnet" and "guided" show the gradient by these rules around gray, "saliency" how
            large the gradient of each pixel is, over the patch.

    Raises:
        ConvscopeError: the network has no gradients, or no activations that the rule changes.
    """
    neuron = Target(patch.layer, patch.channel, patch.position)
    question = Question(net, photo, net.preprocess(photo), (neuron,))
    found = gradient(question, RULES[show]).gradient[0]
    own = receptive_field_crop(net, neuron, found, 0.0).cpu()
    if show == "saliency":
        return _over(field, over_colors(own[None], "max"))
    _, height, width = field.shape
    return tensors.resize(tensors.around_gray(own)[None], (height, width))[0].clamp(0, 1)


def _over(field: Tensor, values: Tensor) -> Tensor:
    """A map (1, h, w) in colors over the patch that it explains."""
    (smooth,) = tensors.blur(values[None], SMOOTHING * max(values.shape))[0]
    drawn = map_picture(HeatMap(smooth, "", photo=field, clip=CLIP), max(field.shape))
    return torch.from_numpy(np.array(drawn)).permute(2, 0, 1) / 255
