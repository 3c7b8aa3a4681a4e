"""Steps to the nearest boundary between classes, as if the network were linear: DeepFool."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from convscope.attacks.aims import Aim
from convscope.attacks.attempts import Attempt, Best
from convscope.vocabulary.norms import NORMS, Norm

NO_BETTER = 0.98  # fraction of the smallest change; a new one that is larger ends the search

LESS = 4.0  # what the overshoot is divided by after a step that led across

# Usual settings, see `cross_boundary`.
CLASSES, STEPS, OVERSHOOT = 5, 50, 0.1


def cross_boundary(
    aim: Aim, norm: Norm, classes: int, steps: int, overshoot: float
) -> Iterator[Attempt]:
    """Step onto the boundary of a linear network, and a bit further, until the image is across.

    From then on, the nearest point of the boundary is looked for from the input itself (Croce and
    Hein 2020), until that makes the change no smaller. An image then leaves the batch.

    Args:
        aim: what to reach.
        norm: how the change is measured.
        classes: how many of the strongest other classes are compared in the first step.
        steps: gradients for each image at most, and those of the other classes in the first step.
        overshoot: how far to go beyond the boundary, as a fraction of the way to it; less after a
            step that led across.
    """
    best = Best(aim, norm)
    open_ = torch.arange(len(aim), device=aim.inputs.device)
    images, beyond = aim.inputs, aim.inputs.new_full((len(aim), 1, 1, 1), overshoot)
    for step in range(steps):
        smallest = 1 / best.ranks[open_].clamp_min(0)
        if step or aim.targets is not None:
            margins, gradient = aim[open_].climb(images)
        else:
            margins, gradient = _nearest(aim, norm, classes)
            best.gradients += min(classes, aim.net.output.shape[0] - 1) - 1
        fooled = best.record(open_, images, margins)
        found = norm.size(images - aim.inputs[open_]).flatten()
        kept = ~fooled | (found < NO_BETTER * smallest)
        open_, images, gradient = open_[kept], images[kept], gradient[kept]
        margins, across = margins[kept], fooled[kept].view(-1, 1, 1, 1)
        beyond = torch.where(across, beyond[kept] / LESS, overshoot)
        yield best.attempt(steps)
        if not len(open_):
            return
        inputs = aim.inputs[open_]
        change = _step(inputs, images, margins, gradient, norm)
        images = (torch.where(across, inputs, images) + (1 + beyond) * change).clamp(0, 1)


def nearest_boundary(aim: Aim) -> Attempt:
    """What DeepFool finds for L2 with its usual settings, as a start for other attacks."""
    *_, found = cross_boundary(aim, NORMS["l2"], CLASSES, STEPS, OVERSHOOT)
    return found


def _nearest(aim: Aim, norm: Norm, classes: int) -> tuple[Tensor, Tensor]:
    """How far the class with the nearest boundary is ahead of the label, and its gradient."""
    leads, gradients = aim.rivals(classes)
    slopes = norm.slope(gradients.flatten(0, 1)).view(leads.shape).clamp_min(1e-12)
    nearest = (-leads / slopes).argmin(1)
    which = torch.arange(len(leads), device=leads.device)
    # The margin is that of the strongest class, which an image that is across has.
    crossed = leads[:, 0] > 0
    return torch.where(crossed, leads[:, 0], leads[which, nearest]), gradients[which, nearest]


def _step(inputs: Tensor, images: Tensor, margins: Tensor, gradient: Tensor, norm: Norm) -> Tensor:
    """The least change of the image that reaches the boundary of a linear network; of an image that
    is across, the least change of its input."""
    margin = margins.view(-1, 1, 1, 1)
    change = images - inputs
    at_input = margin - (gradient * change).sum((1, 2, 3), keepdim=True)
    distance = -torch.where(margin > 0, at_input, margin) / norm.slope(gradient).clamp_min(1e-12)
    # Where the network is far from linear, the input is not approached all at once.
    least = torch.where(margin > 0, norm.size(change) / 2, 0)
    return torch.maximum(distance, least) * norm.normalize(gradient)
