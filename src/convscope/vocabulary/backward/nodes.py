"""What autograd recorded of activations: which rectify, which do not, and which are none.

Calls that `find` and `by_values` know are met while the network runs. This finds what they do not
know: calls made inside C++, activations written as several operations, custom autograd functions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum, auto
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node

from convscope.network import activation_calls
from convscope.vocabulary.backward.ways_back import WaysBack, kind


class Role(Enum):
    """What a node is to a rule."""

    OTHER = auto()  # no activation: a convolution, a sum, a change of shape
    KEPT = auto()  # an activation that the rule leaves as it is
    RECTIFIER = auto()
    CUSTOM = auto()  # a custom autograd function: the gradient that it passes tells what it is
    UNKNOWN = auto()  # an operation that is not listed here: it may be a mask


RECTIFIERS = frozenset({"Relu", "Threshold", "Hardtanh", "LeakyRelu", "RreluWithNoise"})


# Activations with another slope than 0 and 1, and the operations that people write such with.
KEPT = frozenset(
    {"Silu", "Gelu", "Elu", "Celu", "Mish", "Softplus", "Hardswish", "Hardsigmoid", "Sigmoid"}
    | {"Tanh", "LogSigmoid", "Softshrink", "Hardshrink", "PreluKernel", "Prelu", "Glu"}
    | {"Erf", "Exp", "Abs", "Sin", "Cos", "Atan"}
    | {"Maximum", "Minimum", "Fmax", "Fmin", "MaskedScatter"}
    | {"DifferentiableGraph"}  # of TorchScript
)


# The factor of a product, as autograd saves it, by the slot of the other one.
_FACTORS = {
    ("Mul", 0): "other", ("Mul", 1): "self", ("Div", 0): "other",
    ("Addcmul", 1): "tensor2", ("Addcmul", 2): "tensor1",
}  # fmt: skip


# What gates are made of: they scale, and are no activations on the main way.
_GATES = frozenset({"Sigmoid", "Hardsigmoid", "Tanh"})


_NAMES = {one.lower(): one for one in activation_calls.NAMES} | {
    "mul": "a mask", "div": "a mask", "indexput": "a mask", "clamp": "clamp(max=0)",
    "clampmax": "clamp(max=0)", "sqrt": "a square root", "differentiablegraph": "TorchScript",
}  # fmt: skip


_ARITHMETIC = frozenset(
    {"Add", "Addcmul", "Sub", "Rsub", "Mul", "Div", "Neg", "Pow", "ToCopy", "Clone"}
)


_SHAPING = frozenset(
    {"View", "UnsafeView", "ReshapeAlias", "Permute", "Transpose", "T", "Slice", "Select", "Index"}
    | {"IndexSelect", "Flip", "Roll", "Cat", "Stack", "Expand", "Squeeze", "Unsqueeze", "Repeat"}
    | {"ConstantPadNd", "ReflectionPad2D", "ReplicationPad2D", "Split", "SplitWithSizes", "Unbind"}
    | {"UpsampleBilinear2D", "UpsampleBicubic2D", "UpsampleNearest2D", "UpsampleBilinear2DAa"}
    | {"UpsampleBicubic2DAa", "GridSampler2D", "Alias", "AsStrided", "CopySlices", "Unfold"}
    | {"PixelShuffle", "PixelUnshuffle", "Im2Col", "Col2Im", "ChannelShuffle", "SqueezeHelper"}
)


# What has passed nothing else is still a photograph.
OF_PIXELS = _ARITHMETIC | _SHAPING | {
    "Abs", "Clamp", "ClampMax", "ClampMin", "Fmax", "Fmin", "Hardtanh", "MaskedFill", "Maximum",
    "Mean", "Minimum", "Relu", "Sum", "Threshold", "Where",
}  # fmt: skip


_NO_ACTIVATIONS = _ARITHMETIC | _SHAPING | {
    "Addbmm", "Addmm", "Addmv", "Amax", "Amin", "AvgPool2D", "Baddbmm", "Bmm", "Clamp", "ClampMax",
    "ClampMin", "Convolution", "ConvolutionOverrideable", "CudnnBatchNorm", "CudnnConvolution",
    "Cumsum", "Dot", "IndexPut", "Linear", "LinalgVectorNorm", "Log", "LogSoftmax", "Logsumexp",
    "MaskedFill", "Max", "MaxPool2DWithIndices", "MaxPool3DWithIndices", "Mean", "Min",
    "MkldnnConvolution", "Mm", "Mv", "NativeBatchNorm", "NativeDropout", "NativeGroupNorm",
    "NativeLayerNorm", "Norm", "Prod", "Rsqrt", "Softmax", "Sqrt", "Std", "Sum", "Topk", "Var",
    "VarMean", "Where", "AdaptiveAvgPool2D", "AdaptiveMaxPool2D", "BatchNorm", "LinalgMatrixNorm",
}  # fmt: skip


def roles(ways: WaysBack) -> list[Role]:
    """The role of each node; what acts on the pixels themselves is no activation."""
    kinds = ways.kinds
    pixels = ways.only_pixels(OF_PIXELS)
    found = [Role.OTHER if i in pixels else _role(ways, i, kinds[i]) for i in range(len(kinds))]
    for i, one in enumerate(kinds):
        if one == "Mul" and len(ways.receivers[i]) == 2:
            own, gates = _gates(ways, i, kinds)
            found[i] = Role.KEPT if own else found[i]
            for gate in gates:
                found[gate] = Role.OTHER
    return found


def name(ways: WaysBack, i: int) -> str:
    """What a message calls an activation that is kept."""
    found = ways.kinds[i]
    if found == "Mul" and len(ways.receivers[i]) > 1:
        return "a product with a gate of its own"
    return _NAMES.get(found.removesuffix("Kernel").lower(), found)


def _role(ways: WaysBack, i: int, found: str) -> Role:
    node, slots = ways.nodes[i], [slot for slot, _ in ways.receivers[i]]
    if isinstance(node, BackwardCFunction):
        return Role.CUSTOM
    if found in RECTIFIERS:
        return Role.RECTIFIER
    if found in ("Clamp", "ClampMin", "ClampMax"):
        return _bounds(node)
    kept = (
        found in KEPT
        or (found == "Where" and len(slots) > 1)
        or (len(slots) == 1 and _masks(node, _FACTORS.get((found, slots[0]), "")))
        or (found == "IndexPut" and _puts_by_mask(node))
        or (found in ("Max", "Amax", "Prod") and _follows(node, ("Stack", "Cat")))
        or (found == "Sqrt" and _follows(node, ("Mul", "Pow")))  # |x|
    )
    if kept:
        return Role.KEPT
    return Role.OTHER if found in _NO_ACTIVATIONS or len(slots) > 1 else Role.UNKNOWN


def _bounds(node: Any) -> Role:
    """A clamp at zero or on both sides rectifies; others guard divisions and logarithms."""
    low, high = getattr(node, "_saved_min", None), getattr(node, "_saved_max", None)
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return Role.KEPT
    if low is None:
        return Role.KEPT if high == 0 else Role.OTHER
    return Role.RECTIFIER if low == 0 or high is not None else Role.OTHER


def _masks(node: Any, saved: str) -> bool:
    """Whether a product is one with a tensor of the same shape that holds two values only."""
    factor = getattr(node, f"_saved_{saved}", None)
    if not isinstance(factor, Tensor) or list(factor.shape) != list(node._input_metadata[0].shape):
        return False
    if factor.numel() < 2:
        return False
    low, high = factor.aminmax()
    return bool(low < high and ((factor == low) | (factor == high)).all())


def _puts_by_mask(node: Any) -> bool:
    return any(index is not None and index.dtype == torch.bool for index in node._saved_indices)


def _follows(node: Node, kinds: Sequence[str]) -> bool:
    before = node.next_functions[0][0]
    return before is not None and kind(before) in kinds


def _gates(ways: WaysBack, i: int, kinds: Sequence[str]) -> tuple[bool, list[int]]:
    """What scales the other factor of a product, which is no activation by itself.

    Returns:
        Whether the gate is a function of the very tensor that it multiplies, as in x * sigmoid(x):
        the product is an activation then. And the nodes of the gates.
    """
    chains = [_chain(ways, j, kinds) for _, j in ways.receivers[i]]
    for one, other in (chains, chains[::-1]):
        gates = [j for j in one if j >= 0 and kinds[j] in KEPT and j not in other]
        if gates and not set(one).isdisjoint(other):
            return True, gates[:1]
    ends = [_chain(ways, j, kinds, _ARITHMETIC | _SHAPING)[-1] for _, j in ways.receivers[i]]
    return False, [j for j in ends if j >= 0 and kinds[j] in _GATES]


def _chain(
    ways: WaysBack, j: int, kinds: Sequence[str], through: Collection[str] = _ARITHMETIC | KEPT
) -> list[int]:
    """Node j and what lies before it, as far as operations `through` on one tensor lead there."""
    chain = [j]
    while len(chain) < 8 and j >= 0 and kinds[j] in through:
        if len(ways.receivers[j]) != 1:
            break
        j = ways.receivers[j][0][1]
        chain.append(j)
    return chain
