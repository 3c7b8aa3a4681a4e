"""Images of units: what excites a unit most, found by optimization at quick settings.

The channels of a layer are drawn in batches, always the same ones together and in one thread. So an
image does not depend on which others there are already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from PIL import Image
from torch import Tensor

from convscope.ascent import Goal, Recipe, climb_goals
from convscope.collection import by_place
from convscope.files import webp
from convscope.network import PRE, Network
from convscope.system import in_threads, usual_torch
from convscope.types import Array, Target
from convscope.vocabulary import objectives
from convscope.vocabulary.objectives import Objective, activation, energy, tv
from convscope.vocabulary.optimizers import adam
from convscope.vocabulary.priors import random_affine
from convscope.vocabulary.starts import fourier

SIDE, STEPS = 96, 48  # pixels a side, and steps of a climb

RATE, SMOOTH = 0.06, 100.0  # of the optimizer, and the weight of the total variation

POSITIVE = 0.1  # weight of the mean square of positive values, beside the mean of all

TOGETHER = 16  # channels of a layer in a batch

UNLIKE, DIVERSITY = 3, 4.0  # further images of a unit, and the weight of their differences

QUALITY = 85  # of WebP

SETTINGS = (SIDE, STEPS, RATE, SMOOTH, POSITIVE, TOGETHER, UNLIKE, DIVERSITY, QUALITY)

_Recipe = Callable[[Objective, Sequence[Goal]], Recipe]


@dataclass(frozen=True)
class Drawing:
    """An image of a unit.

    Args:
        file: the image, as a WebP file.
        peak: the unit's highest value over its map for the image.
        embedding: (D,) float16, the image's embedding.
    """

    file: bytes
    peak: float
    embedding: Array


def batch_of(channel: int, channels: int) -> range:
    """The channels that are drawn together with one of a layer that has so many."""
    begin = channel // TOGETHER * TOGETHER
    return range(begin, min(begin + TOGETHER, channels))


def draw(net: Network, layer: str, channels: Sequence[int], embedding: str) -> list[Drawing]:
    """The first image of each channel of a batch.

    Args:
        net: the network.
        layer: the layer of the channels.
        channels: all channels of a batch.
        embedding: the layer whose values are the embedding.
    """
    goals = [_goal(net, layer, channel) for channel in channels]
    images = _climb(net, goals, partial(_recipe, net, layer), channels[0])
    return _drawings(net, layer, channels, images, embedding)


def draw_unlike(net: Network, layer: str, channel: int, embedding: str) -> list[Drawing]:
    """Further images of one channel, which show different things that excite it."""
    goals = [_goal(net, layer, channel)] * UNLIKE

    def recipe(objective: Objective, goals: Sequence[Goal]) -> Recipe:
        apart = DIVERSITY * objectives.diversity(goals[0].target.layer)
        return _recipe(net, layer, objective + apart, goals)

    images = _climb(net, goals, recipe, channel + 1)
    return _drawings(net, layer, [channel] * UNLIKE, images, embedding)


def _climb(net: Network, goals: Sequence[Goal], recipe: _Recipe, seed: int) -> Tensor:
    """The images of goals that are climbed together, (N, C, H, W)."""
    with in_threads(1), usual_torch(gradients=True):
        *_, last = climb_goals(net, goals, recipe, batch_size=len(goals), seed=seed)
    return last.image


def _goal(net: Network, layer: str, channel: int) -> Goal:
    """A unit, before the activation of its layer, where a silent one has a gradient, too."""
    ends = not layer.endswith(PRE) and net.layer(layer).activation
    unit = Target(layer + PRE if ends else layer, channel)
    # The mean alone says nothing of a linear filter: only the image's border changes it.
    return Goal(unit, activation(unit) + POSITIVE * energy(unit, leak=0.0))


def _recipe(net: Network, layer: str, objective: Objective, goals: Sequence[Goal]) -> Recipe:
    side: int | None = min(SIDE, max(16, min(net.input_size) // 2))
    if side is not None and not net.sizes.takes((side, side), {layer}):
        side = None
    return Recipe(
        start=fourier(count=len(goals), size=side),
        objective=objective - SMOOTH * tv(),
        rule="redirected",
        priors=(random_affine(rotate=8, scale=(0.9, 1.2), shift=8),),
        optimizer=adam(RATE),
        steps=STEPS,
    )


def _drawings(
    net: Network, layer: str, channels: Sequence[int], images: Tensor, embedding: str
) -> list[Drawing]:
    """Images with what the network makes of them."""
    with torch.no_grad(), in_threads(1), usual_torch():
        values = by_place(net.by_channel(layer, net.activations(images, [layer])[layer])).amax(1)
        # The embedding is that of a photograph of the image: some networks take one size only.
        embeddings = embedded(net, net.preprocess(images), embedding)
    peaks = [float(own[channel]) for own, channel in zip(values, channels, strict=True)]
    return [Drawing(*each) for each in zip(map(_file, images), peaks, embeddings, strict=True)]


def embedded(net: Network, inputs: Tensor, layer: str) -> Array:
    """The embeddings of inputs of the network, as an index has those of photographs: (N, D)."""
    read = net.activations(inputs, [layer])[layer]
    found: Array = by_place(net.by_channel(layer, read)).float().mean(1).half().cpu().numpy()
    return found


def _file(image: Tensor) -> bytes:
    pixels = (image.clamp(0, 1).expand(3, -1, -1).permute(1, 2, 0) * 255).round().byte()
    return webp(Image.fromarray(pixels.cpu().numpy()), QUALITY)
