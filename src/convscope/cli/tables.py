"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from convscope.cli.doctor import Check
from convscope.cli.terminal import results
from convscope.collection import Channels, Index
from convscope.network import HEAD, Network, cells
from convscope.types import Layer

NUMBERS = ("output", "stride", "receptive field", "parameters")  # columns of a table of layers


def layer_rows(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Layers as plain values, for JSON."""
    return [
        asdict(layer) | {"stride": layer.stride, "receptive_field": layer.receptive_field}
        for layer in layers
    ]


def print_layers(net: Network, layers: Sequence[Layer]) -> None:
    """A row for each layer, and what the columns mean."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in HEAD:
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    for layer in layers:
        table.add_row(*map(escape, cells(layer)))
    results.print(table)
    size = "x".join(map(str, net.input_size))
    results.print(
        f"\n{net.name}: {len(net.layers)} layers, input of {size} pixels. Strides and receptive"
        " fields are in pixels of the input. NAME.pre is the layer before its activation."
    )


def index_values(index: Index) -> dict[str, Any]:
    """What is in an index as plain values, for JSON."""
    return {
        "index": str(index.path),
        "folder": str(index.folder),
        "network": index.identity["network"]["name"],
        "images": len(index),
        "labels": len(set(index.images["label"].to_pylist()) - {None}),
        "copies": len(index) - len(index.images["sha256"].unique()),
        "bytes": sum(file.stat().st_size for file in index.path.rglob("*") if file.is_file()),
        "peaks": index.has_peaks,
        "layers": {name: _channel_values(one) for name, one in index.channels.items()},
        "unreadable": {one.path: one.reason for one in index.unreadable},
    }


def _channel_values(channels: Channels) -> dict[str, Any]:
    return {
        "channels": len(channels.total),
        "positions": channels.places,
        "constant": int(channels.constant.sum()),
        "dead": int(channels.silent.sum()),
        "fraction_above_zero": float(1 - channels.sparsity.mean()),
        "low": float(channels.low.min()),
        "high": float(channels.high.max()),
    }


def print_index(index: Index) -> None:
    """What is in an index, a row for each layer, and the files that were left out."""
    values = index_values(index)
    results.print(
        f"{escape(values['index'])}: {values['images']:,} images in {escape(values['folder'])}"
        f" by {escape(values['network'])}, {values['bytes'] / 1e6:,.0f} MB"
    )
    if values["labels"]:
        results.print(f"{values['labels']:,} labels, from the names of the folders")
    if values["copies"]:
        results.print(f"{values['copies']:,} images are copies of others")
    if index.missing:
        results.print(escape(index.missing))
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("layer", no_wrap=True)
    for name in ("channels", "positions", "lowest", "highest", "above zero", "dead", "constant"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in values["layers"].items():
        table.add_row(
            escape(name),
            f"{one['channels']:,}",
            f"{one['positions']:,}",
            f"{one['low']:.2f}",
            f"{one['high']:.2f}",
            f"{one['fraction_above_zero']:.1%}",
            str(one["dead"] or ""),
            str(one["constant"] or ""),
        )
    results.print(table)
    results.print(
        "'above zero' is the fraction of all values, 'dead' counts channels that are never above"
        " zero, 'constant' channels that always have the same value."
    )
    for path, reason in values["unreadable"].items():
        results.print(f"left out: {escape(path)}: {escape(reason)}")


def print_checks(checks: Sequence[Check]) -> None:
    """A row for each check, with the command that fixes it."""
    marks = {"ok": "[green]ok[/]", "optional": "[yellow]--[/]", "broken": "[red]no[/]"}
    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        fix = f"\n[bold]{escape(check.fix)}[/]" if check.fix else ""
        table.add_row(marks[check.state], escape(check.name), escape(check.found) + fix)
    results.print(table)
