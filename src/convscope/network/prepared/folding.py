"""Folding: a convolution and the BatchNorm after it become one convolution."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

from convscope.network.prepared.copying import copied
from convscope.network.traces.tracing import Pair


def foldable(module: nn.Module, pair: Pair) -> bool:
    """Whether the types, the statistics and the hooks of a pair allow folding."""
    conv, norm = module.get_submodule(pair.conv), module.get_submodule(pair.norm)
    plain = type(norm) in (nn.BatchNorm2d, nn.SyncBatchNorm)
    with_activation = isinstance(norm, _BatchNorm) and hasattr(norm, "act")
    return (
        isinstance(conv, nn.Conv2d)
        and (plain or with_activation)
        and norm.running_mean is not None
        # The user's own hooks must see the values that they were made for.
        and not any(m._forward_hooks or m._forward_pre_hooks for m in (conv, norm))
    )


def fused(module: nn.Module, pair: Pair) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight and bias of one convolution that computes what the pair computes."""
    conv, norm = module.get_submodule(pair.conv), module.get_submodule(pair.norm)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, _BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        conv.weight.double(),
        None if conv.bias is None else conv.bias.double(),
        norm.running_mean.double(),
        norm.running_var.double(),
        norm.eps,
        None if norm.weight is None else norm.weight.double(),
        None if norm.bias is None else norm.bias.double(),
    )
    dtype = conv.weight.dtype
    return (
        nn.Parameter(weight.to(dtype), requires_grad=False),
        nn.Parameter(bias.to(dtype), requires_grad=False),
    )


def folded_copy(
    plain: nn.Module, pairs: Mapping[Pair, tuple[nn.Parameter, nn.Parameter]]
) -> nn.Module:
    """A copy with the pairs folded. It shares all other tensors with `plain`."""
    tensors = [*plain.parameters(), *plain.buffers()]
    module = copied(plain, {id(t): t for t in tensors}, [])
    for pair, (weight, bias) in pairs.items():
        conv = module.get_submodule(pair.conv)
        conv.weight, conv.bias = weight, bias
        parent, _, child = pair.norm.rpartition(".")
        norm = module.get_submodule(pair.norm)
        setattr(module.get_submodule(parent), child, _Folded(norm))
    return module


class _Folded(nn.Module):
    """What remains of a folded BatchNorm: the activation that some contain (timm's BatchNormAct2d).

    The activation keeps its name.
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.drop = getattr(norm, "drop", nn.Identity())
        self.act = getattr(norm, "act", nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.act(self.drop(x))
        return result
