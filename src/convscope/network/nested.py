"""What modules return: a tensor, or tensors in dicts, tuples, dataclasses and other objects."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def children(value: object) -> dict[Any, object] | None:
    """The values inside a value, each by its key, index or attribute; None if nothing is inside."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    # Objects that do not say when they are equal, such as torch's distributions.
    if type(value).__eq__ is object.__eq__ and not callable(value):
        return dict(vars(value)) if hasattr(value, "__dict__") else None
    return None


def difference(output: object, reference: object) -> float:
    """The largest difference of two outputs, as a fraction of the reference's largest value.

    It is infinite where the outputs cannot be compared.
    """
    if isinstance(output, Tensor) and isinstance(reference, Tensor):
        return _tensor_difference(output, reference)
    ours, theirs = children(output), children(reference)
    if ours is not None and theirs is not None:
        if type(output) is not type(reference) or ours.keys() != theirs.keys():
            return math.inf
        return max((difference(ours[key], theirs[key]) for key in ours), default=0.0)
    try:
        return 0.0 if bool(output == reference) else math.inf
    except (TypeError, ValueError, RuntimeError):  # arrays give an answer for each value
        return math.inf


def _tensor_difference(output: Tensor, reference: Tensor) -> float:
    if output.shape != reference.shape:
        return math.inf
    if not reference.numel():
        return 0.0
    if output.is_quantized or reference.is_quantized:
        output, reference = output.dequantize(), reference.dequantize()
    if not output.is_floating_point() and not output.is_complex():
        return 0.0 if torch.equal(output, reference) else math.inf
    if not output.isfinite().all():
        return math.inf
    largest = reference.abs().max().clamp_min(1e-30)
    return float((output - reference).abs().max() / largest)


def in_full(value: Tensor) -> Tensor:
    """A tensor of numbers in at least float32: not in half precision, not quantized."""
    if value.is_quantized:
        return value.dequantize()
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value


def joined(outputs: Sequence[Any]) -> Any:
    """One output for a batch, from the outputs of its images, each of which ran alone.

    Tensors are put one after another along their first dimension; scalars become (N,).
    """
    first = outputs[0]
    if isinstance(first, Tensor):
        return torch.cat([output if output.dim() else output[None] for output in outputs])
    inside = children(first)
    if not inside:
        return first
    rows: list[Any] = [children(output) for output in outputs]
    return _like(first, {key: joined([row[key] for row in rows]) for key in inside})


def mixing(together: object, first: object, second: object) -> float:
    """How far the output of two images together is from their outputs alone.

    It is a fraction of the largest value, and infinite where the output of the two is no output of
    one after that of the other. What is the same for every image does not count.
    """
    if isinstance(together, Tensor) and isinstance(first, Tensor) and isinstance(second, Tensor):
        return _tensor_mixing(together, first, second)
    inside = [children(value) for value in (together, first, second)]
    if not all(inside):
        return 0.0
    both, one, other = (dict(value or {}) for value in inside)
    if len(both) == len(one) + len(other) and isinstance(together, list):  # a list of images
        return difference(list(both.values()), [*one.values(), *other.values()])
    if not both.keys() == one.keys() == other.keys():
        return math.inf
    return max(mixing(both[key], one[key], other[key]) for key in both)


def _tensor_mixing(together: Tensor, first: Tensor, second: Tensor) -> float:
    if (
        together.shape == first.shape
        and torch.equal(together, first)
        and torch.equal(first, second)
    ):
        return 0.0
    if first.shape == second.shape == together.shape[1:]:  # `squeeze` drops a batch of one
        return difference(together, torch.stack([first, second]))
    if not first.dim() or not second.dim():
        return math.inf
    return difference(together, torch.cat([first, second]))


def _like(container: Any, inside: Mapping[Any, Any]) -> Any:
    """A container of the same kind with other values inside."""
    if isinstance(container, tuple) and hasattr(container, "_fields"):
        return type(container)(*inside.values())
    if isinstance(container, list | tuple):
        return type(container)(inside.values())
    made = copy.copy(container)
    for key, value in inside.items():
        if isinstance(container, Mapping):
            made[key] = value
        else:
            object.__setattr__(made, key, value)  # a dataclass may be frozen
    return made
