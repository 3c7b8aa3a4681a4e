"""The layers of a network, as rows of a table: `Layer` values made from a trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import nn

from convscope.network.tracing import Call, Trace
from convscope.types import Layer


def describe(module: nn.Module, trace: Trace) -> dict[str, Layer]:
    """A `Layer` for every module with a name that ran, in the order in which they ended."""
    return {
        name: _layer(module.get_submodule(name), call, trace.activations)
        for name, call in trace.last().items()
        if name
    }


def _layer(module: nn.Module, call: Call, activations: list[str]) -> Layer:
    field = call.field if call.field and call.field.of_maps else None
    return Layer(
        name=call.name,
        type=call.type,
        shape=call.shape[1:],
        num_parameters=sum(p.numel() for p in module.parameters()),
        rows=field.rows if field else None,
        columns=field.columns if field else None,
        activation=None if call.activation is None else activations[call.activation],
        leaf=not any(True for _ in module.children()),
    )


def stages(layers: Iterable[Layer], by_name: Mapping[str, Layer]) -> tuple[Layer, ...]:
    """The last of the layers at each resolution, from the largest feature maps to the smallest.

    A layer does not end a stage if it is inside a block that goes on to a smaller map.
    """
    last: dict[tuple[int, ...], Layer] = {}
    for layer in layers:
        if not layer.spatial or min(layer.shape[1:]) < 2:
            continue
        blocks = [by_name[name] for name in ancestors(layer.name) if name in by_name]
        if all(b.shape[1:] == layer.shape[1:] for b in blocks if b.type != "Sequential"):
            last.pop(layer.shape[1:], None)
            last[layer.shape[1:]] = layer
    return tuple(last.values())


def ancestors(name: str) -> list[str]:
    """The names of the modules that contain a module, innermost first."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]
