"""The layers of a network, as rows of a table: `Layer` values made from a trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
from torch import nn

from convscope.network.heads.outputs import Output
from convscope.network.traces.layouts import Layout
from convscope.network.traces.ordering import arranged, problem
from convscope.network.traces.tracing import Call, Trace
from convscope.types import Layer


@dataclass(frozen=True)
class Table:
    """The layers of a network, by name.

    A module that is called several times on the image has the name of its last call if each call
    depends on the one before; NAME#2 is its second call. Where two calls work side by side, on two
    views of the image for instance, only NAME#1 and NAME#2 are layers.

    Attributes:
        listed: a layer for every module that ran.
        named: these, and each single call of modules that are called several times.
        calls: the call of each of them.
        ambiguous: the names of the calls of modules that have no layer of their own.
    """

    listed: Mapping[str, Layer]
    named: Mapping[str, Layer]
    calls: Mapping[str, Call]
    ambiguous: Mapping[str, list[str]]


def describe(module: nn.Module, trace: Trace) -> Table:
    """The layers of a module, in the order in which their calls ended."""
    calls, extra, ambiguous = dict[str, Call](), dict[str, Call](), dict[str, list[str]]()
    for name, found in trace.depending().items():
        each = {f"{name}#{call.number}": call for call in found} if len(found) > 1 else {}
        chain = all(b.follows(a) for a, b in pairwise(found))
        if name and (chain or found[0].layout is None):
            calls[name] = found[-1]
            extra |= each
        elif name:
            calls |= each
            ambiguous[name] = list(each)
    order = {id(call): i for i, call in enumerate(trace.calls)}
    calls = dict(sorted(calls.items(), key=lambda pair: order[id(pair[1])]))
    extra = {name: call for name, call in extra.items() if name not in calls}
    listed = {name: _layer(name, module, call, trace) for name, call in calls.items()}
    others = {name: _layer(name, module, call, trace) for name, call in extra.items()}
    return Table(listed, {**listed, **others}, {**extra, **calls}, ambiguous)


def _layer(name: str, module: nn.Module, call: Call, trace: Trace) -> Layer:
    own = module.get_submodule(call.name)
    shape = channel_shape(call)
    placed = call.layout is not None and shape is not None and len(shape) > 2
    fields = call.layout.fields() if call.layout and placed else None
    return Layer(
        name=name,
        type=call.type,
        shape=call.shape[1:],
        num_parameters=sum(p.numel() for p in own.parameters()),
        rows=fields[0] if fields else None,
        columns=fields[1] if fields else None,
        activation=None if call.activation is None else trace.activations[call.activation],
        leaf={name for name, _ in own.named_children()} <= {"parametrizations"},
        channel_shape=shape,
    )


def channel_shape(call: Call) -> tuple[int, ...] | None:
    """The shape of one image's values, channels first; None where their order is not known."""
    if not call.name and len(call.shape) == 2:
        return call.shape[1:]  # class scores need no layout
    return None if call.layout is None else _arranged_shape(call.shape, call.layout)


@lru_cache(maxsize=4096)  # many layers of a network lie alike
def _arranged_shape(shape: tuple[int, ...], layout: Layout) -> tuple[int, ...] | None:
    if problem(layout):
        return None
    return tuple(arranged(torch.empty(shape, device="meta"), layout).shape[1:])


def without_scores(layers: Sequence[Layer], output: Output | None) -> Sequence[Layer]:
    """The layers without those that hold class scores at each place, before these are averaged.

    Such a network ends in a convolution with a channel for each class, and has no dense layer.
    Maps and boxes keep their places, and so their scores.

    Args:
        layers: all layers of a network, in order.
        output: the network's main output.
    """
    weighted = [n for n, one in enumerate(layers) if one.leaf and one.num_parameters]
    if output is None or output.is_map or output.boxes or not output.num_classes or not weighted:
        return layers
    last, below = layers[weighted[-1]], layers[: weighted[-1]]
    scores = last.maps and last.channels == output.num_classes
    return below if scores and any(one.maps for one in below) else layers


def stages(layers: Iterable[Layer], by_name: Mapping[str, Layer]) -> tuple[Layer, ...]:
    """The last of the layers at each resolution, from the largest feature maps to the smallest.

    A layer does not end a stage if it is inside a block that goes on to a smaller map.
    """
    last: dict[tuple[int, int], Layer] = {}
    for layer in layers:
        if not layer.maps or min(layer.maps[1:]) < 2:
            continue
        blocks = [by_name[name] for name in ancestors(layer.name) if name in by_name]
        sizes = {block.maps and block.maps[1:] for block in blocks if block.type != "Sequential"}
        if sizes <= {layer.maps[1:]}:
            last.pop(layer.maps[1:], None)
            last[layer.maps[1:]] = layer
    return tuple(last.values())


def ancestors(name: str) -> list[str]:
    """The names of the modules that contain a module, innermost first."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]
