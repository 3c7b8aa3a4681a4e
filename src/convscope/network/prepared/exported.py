"""Exported programs get their layers back, which `torch.export` replaced by a flat graph.

The graph still knows which module each operation came from. So the place where a module returned
gets a module of the same name that hands the value on. Activations become those that we know.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

_ATEN = torch.ops.aten
_FUNCTIONS: dict[Any, Any] = {
    _ATEN.relu.default: F.relu,
    _ATEN.relu_.default: torch.relu_,
    _ATEN.relu6.default: F.relu6,
    _ATEN.hardtanh.default: F.hardtanh,
    _ATEN.hardtanh_.default: F.hardtanh_,
    _ATEN.leaky_relu.default: F.leaky_relu,
    _ATEN.leaky_relu_.default: F.leaky_relu_,
    _ATEN.prelu.default: F.prelu,
    _ATEN.silu.default: F.silu,
    _ATEN.gelu.default: F.gelu,
    _ATEN.mish.default: F.mish,
    _ATEN.hardswish.default: F.hardswish,
    _ATEN.hardsigmoid.default: F.hardsigmoid,
    _ATEN.sigmoid.default: torch.sigmoid,
    _ATEN.tanh.default: torch.tanh,
    _ATEN.clamp.default: torch.clamp,
    _ATEN.clamp_min.default: torch.clamp_min,
    _ATEN.softmax.int: torch.softmax,
    _ATEN.linear.default: F.linear,
}


def restore_layers(module: nn.Module) -> None:
    """Give an exported program, and each one inside a module, its layers back."""
    for part in list(module.modules()):
        restored = any(isinstance(inside, _Layer) for inside in part.modules())
        if isinstance(part, fx.GraphModule) and _is_exported(part) and not restored:
            _restore(part)


def _is_exported(program: fx.GraphModule) -> bool:
    return any(isinstance(node.target, torch._ops.OpOverload) for node in program.graph.nodes)


def _stack(node: fx.Node) -> dict[str, tuple[str, str]]:
    """The modules that an operation came from, outermost first: the name and class of each."""
    stack = node.meta.get("nn_module_stack") if node.op == "call_function" else None
    named = {key: (name, str(kind)) for key, (name, kind) in (stack or {}).items()}
    return {key: value for key, value in named.items() if value[0]}


def _restore(program: fx.GraphModule) -> None:
    members: dict[str, list[fx.Node]] = {}  # the operations of each call of a module, outer first
    names: dict[str, tuple[str, str]] = {}
    for node in list(program.graph.nodes):
        for key, named in _stack(node).items():
            members.setdefault(key, []).append(node)
            names[key] = named
        node.target = _FUNCTIONS.get(node.target, node.target)
    for key in reversed(members):
        returned = _returned(members[key])
        if returned is None:
            continue
        layer = _hand_on(program, returned, set(members[key]), *names[key])
        for outer in members.values():  # to these, the layer is an operation of their own
            if returned in outer and outer is not members[key]:
                outer.append(layer)
    program.graph.lint()
    program.recompile()


def _returned(members: list[fx.Node]) -> fx.Node | None:
    """The operation whose value a module returned: the only one that is used outside of it."""
    inside = set(members)
    used = [node for node in members if any(user not in inside for user in node.users)]
    if len(used) != 1 or not isinstance(used[0].meta.get("val"), Tensor):
        return None
    return used[0]


def _hand_on(
    program: fx.GraphModule, node: fx.Node, inside: set[fx.Node], name: str, kind: str
) -> fx.Node:
    """Let a module of that name hand on a value to all that use it outside of the module."""
    made, known = _layer(kind.rpartition(".")[2]), dict(program.named_modules()).get(name)
    if known is None:
        program.add_submodule(name, made)
    elif not isinstance(known, _Layer):
        known.__class__ = type(made)
    with program.graph.inserting_after(node):
        layer = program.graph.call_module(name, (node,))
    layer.meta = {"val": node.meta["val"]}
    outside = [user for user in node.users if user is not layer and user not in inside]
    for user in outside:
        user.replace_input_with(node, layer)
    return layer


class _Layer(nn.Module):
    """Hands on what the layer returned; it has the layer's name, class and weights."""

    def forward(self, x: Tensor) -> Tensor:
        return x

    def __reduce__(self) -> tuple[Any, ...]:
        return _layer, (type(self).__name__,), self.__dict__


def _layer(kind: str) -> _Layer:
    """A layer whose class has the name `kind`."""
    made: type[_Layer] = type(kind, (_Layer,), {})
    return made()
