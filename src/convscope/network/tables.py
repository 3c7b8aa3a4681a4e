"""A network and its layers as tables, on a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from convscope.network.heads.outputs import Output
from convscope.notebook import table
from convscope.types import Layer

HEAD = ("layer", "type", "output", "stride", "receptive field", "parameters", "activation")


def cells(layer: Layer) -> tuple[str, ...]:
    """What a table says of a layer, in the order of `HEAD`."""
    return (
        layer.name,
        layer.type,
        "x".join(map(str, layer.shape)),
        _sizes(layer.stride),
        _sizes(layer.receptive_field) or "whole input",
        f"{layer.num_parameters:,}" if layer.num_parameters else "",
        layer.activation or "",
    )


class Layers(tuple[Layer, ...]):
    """Layers, which are shown as a table: in HTML, or their names, types and shapes as text."""

    def __repr__(self) -> str:
        rows = [cells(layer)[:3] for layer in self]
        first, second = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
        return "\n".join(f"{name:{first}}  {kind:{second}}  {out}" for name, kind, out in rows)

    def _repr_html_(self) -> str:
        return table(map(cells, self), HEAD)


def listed(layers: Iterable[Layer]) -> Layers:
    """The layers worth a row, without identities, dropout, and what computes weights."""
    return Layers(
        layer
        for layer in layers
        if layer.type not in ("Identity", "Dropout")
        # A weight norm, say, is no layer of the image.
        and "parametrizations" not in layer.name.split(".")
    )


def facts(outputs: Mapping[str, Output], notes: Iterable[str], **values: object) -> str:
    """What there is to know of a network, as an HTML table."""
    described = [(f"output {name}".strip(), one.description) for name, one in outputs.items()]
    return table([*values.items(), *described, *(("note", note) for note in notes)])


def _sizes(pair: tuple[float, float] | None) -> str:
    if pair is None:
        return ""
    rows, columns = (f"{value:g}" for value in pair)
    return rows if rows == columns else f"{rows}x{columns}"
