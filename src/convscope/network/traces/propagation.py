"""How torch's primitive operations pass on what is known of a tensor: its layout.

`propagate` gives the layout of an operation's output, from those of its inputs. Behind an operation
without a rule nothing is known, and the layout remembers its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from convscope.network.traces.layouts import Layout
from convscope.network.traces.operations import Operation, Rule
from convscope.network.traces.rules_of_mixing import MIXING
from convscope.network.traces.rules_of_views import VIEWS, meeting
from convscope.network.traces.rules_of_windows import WINDOWS

_RULES: dict[str, Rule] = {**VIEWS, **WINDOWS, **MIXING}
# Their results have the shape or the type of a tensor, and do not depend on its values.
FRESH = frozenset(
    f"{kind}_like" for kind in ("zeros", "ones", "empty", "full", "rand", "randn", "randint")
) | frozenset(f"new_{kind}" for kind in ("zeros", "ones", "empty", "full", "empty_strided"))
# They are not tagged as pointwise.
_POINTWISE = {"native_dropout", "copy_", "_prelu_kernel", "where", "masked_fill", "hardswish"} | {
    "masked_fill_", "masked_scatter", "masked_scatter_", "threshold_", "rrelu_with_noise",
    "rrelu_with_noise_",
}  # fmt: skip


def propagate(
    func: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    inputs: Sequence[tuple[Tensor, Layout | None]],
    output: Tensor,
    number: int = 0,
) -> Layout:
    """The layout of a result of a primitive operation.

    Args:
        func, args, kwargs: the operation, as a `TorchDispatchMode` meets it.
        inputs: the tensors among its arguments, with their layouts; None for those that do not
            depend on the image. One of them at least does.
        output: one of its results.
        number: which of the results it is.
    """
    name = func.overloadpacket.__name__.rstrip("_")  # in place or not
    op = Operation(name, args, kwargs, inputs, output, number)
    if torch.Tag.pointwise in func.tags or name in _POINTWISE or _puts_by_mask(name, args):
        found: Layout | None = meeting(op)
    else:
        rule = _RULES.get(name)
        found = rule(op) if rule else None
    if found is None or found.shape != tuple(output.shape):
        return op.lost()
    return found


def _puts_by_mask(name: str, args: Sequence[Any]) -> bool:
    """Whether numbers are put where a mask of the tensor's shape is true: `x[x < 0] = 0`."""
    if not name.startswith("index_put") or len(args) < 3 or args[2].numel() != 1:
        return False
    masks = [index for index in args[1] if index is not None]
    return len(masks) == 1 and masks[0].dtype == torch.bool and masks[0].shape == args[0].shape
