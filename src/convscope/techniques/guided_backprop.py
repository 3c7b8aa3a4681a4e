"""Gradients under the two classic backward rules, shown in color: guided and deconv."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, NotRequired

from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.attribution import (
    BatchSize,
    Noise,
    Question,
    Samples,
    ask,
    changed_note,
    gradient_panels,
    smoothed_gradient,
    summarize,
)
from convscope.errors import ConvscopeError
from convscope.network import (
    Network,
    as_tiles,
    default_layers,
    receptive_field_crop,
    strongest_units,
)
from convscope.runs import Seed, TargetNames, Targets, technique
from convscope.types import Ascent, Grid, Picture, Target

CHANNELS = 9  # of a whole layer


class RuleSummary(TypedDict):
    """The target, with its score or, for a whole layer, with the channels that are shown.

    `changed` is there where the rule changed a part of the activations only. It is their fraction;
    each activation counts by the gradient that passes it.
    """

    target: str
    score: NotRequired[float]
    largest_gradient: NotRequired[float]
    channels: NotRequired[list[int]]
    changed: NotRequired[float]


@technique(
    title="Guided backpropagation",
    paper="Springenberg, Dosovitskiy, Brox and Riedmiller 2015",
    url="https://arxiv.org/abs/1412.6806",
    chapter="What units respond to",
    attribution=True,
)
def guided_backprop(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    samples: Samples = 1,
    noise: Noise = 0.08,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
) -> Iterator[Ascent[RuleSummary]]:
    """What in the image activates the target, in fine detail, using only positive gradients.

    On the way back, every ReLU passes a gradient only where it is positive and the unit was active.
    The result is shown around gray, in the colors that would raise the score. With `samples`
    above 1 it is averaged over noisy copies of the image, which makes it smoother. For a whole
    layer, nine channels are shown beside the patches of the image that activate them most.
    """
    yield from _rule_frames(ask(net, image, target), "guided", samples, noise, seed, batch_size)


@technique(
    title="Deconvnet",
    paper="Zeiler and Fergus 2014",
    url="https://arxiv.org/abs/1311.2901",
    chapter="What units respond to",
    attribution=True,
)
def deconvnet(
    net: Network,
    image: Tensor,
    *,
    target: Annotated[
        Targets | None,
        Field(
            description="what to explain: a layer (blocks.4: its nine strongest channels), a"
            " channel (blocks.4:12), a neuron (blocks.4:12@7,7) or a class (tabby, 281); an early"
            " layer if not given"
        ),
    ] = None,
    samples: Samples = 1,
    noise: Noise = 0.08,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
) -> Iterator[Ascent[RuleSummary]]:
    """What in the image activates a unit, shown by running the network backward.

    On the way back, every ReLU acts on the gradient itself: positive values pass, whether or not
    the unit was active. The image only contributes the positions of the strongest units and of the
    maxima in max pooling. A network that reduces its maps by strides has no such maxima: its early
    layers show what their units respond to, its deep layers a checkerboard.
    """
    if target is None:
        target = default_layers.before_activation(default_layers.early(net))
    yield from _rule_frames(ask(net, image, target), "deconv", samples, noise, seed, batch_size)


def _rule_frames(
    question: Question, rule: str, samples: int, noise: float, seed: int, batch_size: int
) -> Iterator[Ascent]:
    """The gradient under a rule, and how it is shown."""
    target = question.targets[0]
    if target is not None and not target.is_class and target.channel is None:
        channels = _strongest_channels(question, target)
        for frame in smoothed_gradient(channels, rule, samples, noise, seed, batch_size):
            yield _layer_frame(question, target, channels, frame, rule)
        return
    if samples > 1:
        question = question.resolved()
    for frame in smoothed_gradient(question, rule, samples, noise, seed, batch_size):
        names = question.names(frame.activations)
        captions = [
            f"{rule} gradient of {name}{changed_note(frame.changed, i)}"
            for i, name in enumerate(names)
        ]
        numbers = {"largest_gradient": frame.gradient.abs().flatten(1).amax(1)}
        if frame.changed is not None:
            numbers["changed"] = frame.changed
        yield replace(
            frame,
            panels=gradient_panels(question, frame.gradient, captions),
            summary=summarize(names, frame, **numbers),
        )


def _strongest_channels(question: Question, target: Target) -> Question:
    """The question about the channels of a layer that are most active, each at its maximum."""
    net, inputs = question.net, question.inputs
    if len(inputs) != 1:
        raise ConvscopeError("a whole layer needs a single image; name one of its channels")
    values = net.by_channel(target.layer, net.read(inputs, {target.layer})[target.layer])
    if values.dim() != 4:
        raise ConvscopeError(f"{target.layer} has no maps; name one of its channels")
    return question.about(strongest_units(net, target.layer, values[0], CHANNELS))


def _layer_frame(
    question: Question, target: Target, channels: Question, frame: Ascent, rule: str
) -> Ascent:
    """For each channel, the part of the image that its unit sees, and the gradient there."""
    image, net = question.inputs, question.net
    changed = None if frame.changed is None else frame.changed.mean(0, keepdim=True)
    note = changed_note(changed, 0)
    units = [unit for unit in channels.targets if unit is not None]
    tiles: list[Tensor] = []
    for unit, values in zip(units, frame.gradient, strict=True):
        tiles.append(receptive_field_crop(net, unit, image[0], 0.5))
        tiles.append(tensors.around_gray(receptive_field_crop(net, unit, values, 0.0)))
    grid = Grid(
        as_tiles(tiles),
        f"{target.layer}: patches of the photograph, and their {rule} gradient{note}",
        captions=tuple(caption for unit in units for caption in _captions(unit)),
        low=0.0,
        high=1.0,
        together=2,
    )
    return replace(
        frame,
        panels=(Picture(image[0], "what the network saw"), grid),
        image=image,
        summary={
            "target": target.layer,
            "channels": [unit.channel for unit in units],
            **({} if changed is None else {"changed": float(changed)}),
        },
    )


def _captions(unit: Target) -> tuple[str, str]:
    assert unit.position is not None
    return f"channel {unit.channel}", f"at {unit.position[0]},{unit.position[1]}"
