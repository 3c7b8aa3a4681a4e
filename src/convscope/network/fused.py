"""Reading layers by torch's fused convolutions, which take less time where no gradient is needed.

At each call of a convolution, torch puts its weights in the order that the processor works in, its
activation goes through all values once more, and Python runs the module around it. Here a pass is
recorded as a list of torch's operations. In these, the weights are in order from the start, and
convolutions apply their activations to each value that they write. So little is left that does not
grow with the images that few of them at a time, whose values fit into the cache, are the fastest.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from convscope.network.alone import Values
from convscope.network.parts import Program
from convscope.network.reading import Reader

_ATEN = torch.ops.aten

Activation = tuple[str, list[float]]  # as the fused operator names it, with its numbers


def is_there() -> bool:
    """Whether this torch has such convolutions for this processor."""
    there = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    return there and torch.backends.mkldnn.is_available()


class Fused(Program):
    """Some layers of a network, read by fused convolutions.

    Raises:
        ValueError: no activation directly follows a convolution, or the module relies on the order
            of values in memory, which fused convolutions choose.
    """

    def __init__(self, reader: Reader, x: Tensor, wanted: Values) -> None:
        super().__init__(x, wanted)
        if reader.prepared.memory_format is not torch.channels_last:
            raise ValueError("the module relies on the order of values in memory")
        self._pass = _recorded(reader, self.filled(x)[: self.rows], self.names)
        if not _fuse(self._pass):
            raise ValueError("no activation directly follows a convolution")

    def fill(self, x: Tensor, values: list[Tensor]) -> None:
        for value, found in zip(values, self._pass(x), strict=True):
            value.copy_(found)


def _recorded(reader: Reader, x: Tensor, names: list[str]) -> GraphModule:
    """A pass as a list of torch's operations, which takes `x` and gives the values of the names."""
    with _Recorder(x) as recorder:
        values = reader.traced(x, names)
    recorder.graph.output(recorder.node([values[name] for name in names]))
    return GraphModule(recorder.constants, recorder.graph)


class _Recorder(TorchDispatchMode):
    """Records the operations that follow from a tensor; all other tensors are constants."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.graph, self.constants = Graph(), nn.Module()
        self._nodes: Any = WeakTensorKeyDictionary()
        self._numbers = count()
        self._nodes[x] = self._shaped(self.graph.placeholder("x"), x)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        call = self.graph.call_function(func, self.node(args), self.node(kwargs))
        output = func(*args, **kwargs)
        if isinstance(output, Tensor):
            self._nodes[output] = self._shaped(call, output)
        elif isinstance(output, tuple | list):
            for number, one in enumerate(output):
                part = self.graph.call_function(operator.getitem, (call, number))
                self._nodes[one] = self._shaped(part, one)
        return output

    def node(self, value: Any) -> Any:
        """Arguments, with a node of the graph in place of each tensor."""
        return tree_map(lambda one: self._node(one) if isinstance(one, Tensor) else one, value)

    def _node(self, value: Tensor) -> Node:
        if value not in self._nodes:
            name = f"constant{next(self._numbers)}"
            setattr(self.constants, name, value)
            self._nodes[value] = self.graph.get_attr(name)
        node: Node = self._nodes[value]
        return node

    def _shaped(self, node: Node, value: Tensor) -> Node:
        node.meta["shape"] = value.shape
        return node


def _fuse(recorded: GraphModule) -> int:
    """Fuse the convolutions of a recorded pass; how many of them apply an activation."""
    calls = [node for node in recorded.graph.nodes if node.target is _ATEN.convolution.default]
    applying = 0
    for number, node in enumerate(calls):
        weight = _weight(recorded, node)
        if weight is not None:
            applying += _fuse_one(recorded, node, weight, f"ordered{number}")
    recorded.graph.eliminate_dead_code()
    recorded.recompile()
    return applying


def _weight(recorded: GraphModule, node: Node) -> nn.Parameter | None:
    """The weights of a convolution of maps, if they are the same at each call."""
    _, weight, _, stride, _, _, transposed, *_ = node.args
    assert isinstance(weight, Node)
    assert isinstance(stride, list)
    if transposed or len(stride) != 2 or weight.op != "get_attr":
        return None
    found = getattr(recorded, str(weight.target))
    return found if isinstance(found, nn.Parameter) and found.dtype == torch.float32 else None


def _fuse_one(recorded: GraphModule, node: Node, weight: nn.Parameter, name: str) -> bool:
    """Fuse a convolution, and the activation that alone reads its values; whether there is one."""
    image, _, bias, stride, padding, dilation, _, _, groups = node.args
    assert isinstance(image, Node)
    size = list(image.meta["shape"])
    order = torch.ops.mkldnn._reorder_convolution_weight
    recorded.register_buffer(name, order(weight, padding, stride, dilation, groups, size))
    last, activation = node, _activation(node)
    if activation is not None:
        (last,) = node.users
    kind, numbers = activation or ("none", [])
    graph = recorded.graph
    with graph.inserting_before(node):
        arguments = (image, graph.get_attr(name), bias, padding, stride, dilation, groups)
        run = torch.ops.mkldnn._convolution_pointwise.default
        fused = graph.call_function(run, (*arguments, kind, numbers, ""))
    fused.meta.update(node.meta)
    last.replace_all_uses_with(fused)
    for one in dict.fromkeys((last, node)):
        graph.erase_node(one)
    return activation is not None


_NAMES = {"relu": "relu", "silu": "swish", "hardswish": "hardswish"}
_USUAL = {"hardtanh": [-1.0, 1.0], "leaky_relu": [0.01]}


def _activation(node: Node) -> Activation | None:
    """The activation that alone reads the values of a convolution, in place or not."""
    if len(node.users) != 1:
        return None
    (user,) = node.users
    if not isinstance(user.target, torch._ops.OpOverload) or user.args[:1] != (node,):
        return None
    name, numbers = user.target.overloadpacket.__name__.rstrip("_"), list(user.args[1:])
    if user.kwargs or not all(one is None or isinstance(one, int | float) for one in numbers):
        return None
    if name in _NAMES:
        return _NAMES[name], []
    if name in _USUAL:
        given = [float(one) for one in numbers if isinstance(one, int | float)]
        return name, given + _USUAL[name][len(given) :]
    return _clamp(*numbers) if name in ("clamp", "clamp_min") else None


def _clamp(low: object = None, high: object = None) -> Activation | None:
    """A clamp as an activation: on both sides, or at zero."""
    if isinstance(low, int | float) and isinstance(high, int | float):
        return "hardtanh", [float(low), float(high)]
    return ("relu", []) if low == 0 and high is None else None
