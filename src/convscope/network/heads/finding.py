"""The tensors in what a module returns, and which of them holds the scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor

from convscope.network.nested import children

# Names under which libraries return the scores: transformers' and torchvision's.
_SCORES = ("logits", "out")


def tensors_in(output: Any, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of numbers in an output, each under its name; "" is a tensor that is alone.

    A list, a tuple or a dictionary of one item counts as that item.
    """
    if isinstance(output, Tensor):
        output = output.dequantize() if output.is_quantized else output
        return {prefix: output} if output.is_floating_point() else {}
    named = isinstance(output, tuple) and hasattr(output, "_asdict")
    inside = output._asdict() if named else children(output)
    items = [(str(name), item) for name, item in (inside or {}).items()]
    if len(items) == 1:
        return tensors_in(items[0][1], prefix)
    found: dict[str, Tensor] = {}
    for name, item in items:
        found |= tensors_in(item, f"{prefix}.{name}" if prefix else name)
    return found


def is_list_of_results(output: Any, count: int) -> bool:
    """Whether an output is a list with several tensors for each image, as detectors give."""
    if not isinstance(output, list | tuple) or len(output) != count:
        return False
    inside = [tensors_in(one) for one in output]
    return all(len(one) > 1 and (count > 1 or "boxes" in one) for one in inside)


def per_image(tensors: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """The tensors that have a row for each of `count` images; of a lone image, also scalars."""
    rows = {name: one if one.dim() or count > 1 else one[None] for name, one in tensors.items()}
    return {name: one for name, one in rows.items() if one.dim() and len(one) == count}


def main_head(
    tensors: Mapping[str, Tensor], labels: Sequence[str] | None, ended: Collection[str] = ()
) -> str | None:
    """The name of the tensor that holds the scores; None if there are several candidates.

    It is a lone tensor, one that is called `logits` or `out`, the only one (N, classes), or the
    only one with as many classes as there are labels, or that comes from a softmax or a sigmoid
    (`ended`).
    """
    if len(tensors) == 1:
        return next(iter(tensors))
    for name in _SCORES:
        if name in tensors:
            return name
    rows = [name for name, one in tensors.items() if one.dim() == 2]
    if labels is not None and len(rows) > 1:
        rows = [name for name in rows if tensors[name].shape[1] == len(labels)]
    if len(rows) > 1:
        rows = [name for name in rows if name in ended]
    return rows[0] if len(rows) == 1 else None
