"""The picture of an attack: the image, the change, and the attacked image."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convscope.attacks.adversarial import Adversarial
from convscope.network import Network
from convscope.types import Grid, Panel, Picture

TOP = 5  # predictions below an image


COLUMNS = 3


def fooling_panels(net: Network, found: Adversarial, top: int = TOP) -> tuple[Panel, ...]:
    """Each image with its top predictions, its change, amplified around gray, and the attacked
    image with its top predictions.

    Args:
        net: the network.
        found: what the attack made.
        top: how many predictions to name.
    """
    tiles, captions = [], []
    for at in range(len(found.inputs)):
        before, after = found.inputs[at], found.raw[at]
        shown, gain = amplified(after - before)
        tiles += [before, shown, after]
        captions += [
            f"before: {named(net, found.logits[at], top)}",
            f"the change times {gain:g} ({sizes(after - before)})",
            f"{verdict(found, at)}: {named(net, found.raw_logits[at], top)}",
        ]
    images = [tile.expand(3, -1, -1) for tile in tiles]
    if len(found.inputs) == 1:
        return tuple(map(Picture, images, captions))
    stacked = torch.stack(images)
    return (
        Grid(
            stacked, columns=COLUMNS, captions=tuple(captions), low=0.0, high=1.0, tile_inches=2.6
        ),
    )


def amplified(change: Tensor) -> tuple[Tensor, float]:
    """A change (C, H, W) around gray, and the gain that makes it visible: 1, 2 or 5 times a power
    of ten."""
    largest = float(change.abs().amax())
    if largest == 0:
        return torch.full_like(change, 0.5), 1.0
    # A few pixels change most, so those clip.
    usual = float(change.abs().flatten().kthvalue(max(1, int(0.99 * change.numel()))).values)
    most = max(1.0, 0.5 / (usual or largest))
    power = 10.0 ** math.floor(math.log10(most))
    gain = max(step * power for step in (1, 2, 5) if step * power <= most)
    return (0.5 + gain * change).clamp(0, 1), gain


def named(net: Network, logits: Tensor, top: int) -> str:
    """The top classes of one image with their probabilities."""
    found = net.name_classes(logits, top)
    return ", ".join(f"{one.label} {one.probability:.1%}" for one in found)


def sizes(change: Tensor) -> str:
    """The norms of a change of one image, in words."""
    l2, largest = float(change.norm()), 255 * float(change.abs().amax())
    rms = 255 * float(change.square().mean().sqrt())
    return f"L2 {l2:.3g}; largest {largest:.3g}/255; root mean square {rms:.3g}/255"


def verdict(found: Adversarial, at: int) -> str:
    """Whether image `at` fools the network, and whether the saved photograph still does."""
    if not found.success[at]:
        return "not fooled"
    return f"fooled, {'also' if found.saved_success[at] else 'but not'} when saved in 8 bits"
