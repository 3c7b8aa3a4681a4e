"""Tables for the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from convscope._doctor import Check
from convscope.network import Network
from convscope.types import Layer

console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def layer_rows(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Layers as plain values, for JSON."""
    return [
        asdict(layer) | {"stride": layer.stride, "receptive_field": layer.receptive_field}
        for layer in layers
    ]


def print_layers(net: Network, layers: Sequence[Layer]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("layer", "type"):
        table.add_column(name, no_wrap=True)
    for name in ("output", "stride", "sees", "parameters"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("ends in")
    for layer in layers:
        table.add_row(
            escape(layer.name),
            layer.type,
            "x".join(map(str, layer.shape)),
            _sizes(layer.stride),
            _sizes(layer.receptive_field) or "all",
            f"{layer.parameters:,}" if layer.parameters else "",
            layer.activation or "",
        )
    console.print(table)
    size = "x".join(map(str, net.input_size))
    console.print(
        f"\n{net.name}: {len(net.layers)} layers, images of {size} px."
        f" 'sees' is the receptive field in pixels; NAME.pre names what goes into an activation."
    )


def print_checks(checks: Sequence[Check]) -> None:
    marks = {"ok": "[green]ok[/]", "optional": "[yellow]--[/]", "broken": "[red]no[/]"}
    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        mend = f"\n[bold]{escape(check.mend)}[/]" if check.mend else ""
        table.add_row(marks[check.state], escape(check.name), escape(check.found) + mend)
    console.print(table)


def _sizes(pair: tuple[float, float] | None) -> str:
    if pair is None:
        return ""
    rows, columns = (f"{value:g}" for value in pair)
    return rows if rows == columns else f"{rows}x{columns}"
