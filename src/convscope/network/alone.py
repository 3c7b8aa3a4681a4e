"""Reading images one at a time, where they would change each other's output in a batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from convscope.network.nested import joined

Values = dict[str, Tensor]

# `Reader._read`: it goes on from the values that it is given instead of its own.
ReadOne = Callable[[Tensor, Collection[str], bool, Mapping[str, Tensor]], Values]


def read_alone(read: ReadOne, x: Tensor, names: Collection[str], leaves: bool) -> Values:
    """The values of a batch, from each of its images alone.

    Gradients flow from later values to earlier ones, as they would in one pass: the network is run
    up to each value in turn, and goes on from the rows of the batch's own tensor.

    Args:
        read: reads one image.
        x: (N, C, H, W).
        names: what to read.
        leaves: whether gradients begin at the first value.
    """
    images = x.split(1)
    if not torch.is_grad_enabled():
        return _joined([read(image, names, False, {}) for image in images])
    with torch.no_grad():
        first = read(images[0], names, False, {})
    values: Values = {}
    for name in first:
        rows = [
            read(image, [*values, name], False, _rows(values, number, len(images), first))
            for number, image in enumerate(images)
        ]
        values[name] = joined([row[name] for row in rows])
        if leaves and isinstance(values[name], Tensor) and not values[name].requires_grad:
            values[name].requires_grad_()
    return values


def _joined(images: list[Values]) -> Values:
    return {name: joined([values[name] for values in images]) for name in images[0]}


def _rows(batch: Values, number: int, total: int, alone: Values) -> Values:
    """What one image has of the values of a batch, in the shape that it has alone."""
    found = {}
    for name, value in batch.items():
        size = len(value) // total
        found[name] = value[number * size : (number + 1) * size].reshape(alone[name].shape)
    return found
