"""What a page says about the network that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from convscope.network import Network

FIRST = 5  # labels that are written out

TIMES = "\N{MULTIPLICATION SIGN}"

DIGITS = 16  # of a SHA-256


def about(net: Network) -> list[tuple[str, str]]:
    """Names and values: the network, its classes, its weights and its settings."""
    rows = [
        (
            "network",
            f"{net.name}, {net.num_parameters:,} parameters, {len(net.layers)} layers",
        )
    ]
    if net.num_classes:
        rows.append(("classes", _classes(net)))
    rows += [("weights", _weights(net)), ("input", _input(net)), ("normalization", _numbers(net))]
    return rows + [("note", note) for note in net.notes]


def _classes(net: Network) -> str:
    count = f"{net.num_classes:,}"
    if not net.labels:
        return f"{count}, without names"
    more = ", ..." if len(net.labels) > FIRST else ""
    return f"{count}: {', '.join(net.labels[:FIRST])}{more}{_origin(net.source)}"


def _origin(source: Mapping[str, object] | None) -> str:
    """Where the labels are from; a note tells of those that a checkpoint holds."""
    if source is None:
        return " (names given in Python)"
    if source.get("labels"):
        return " (names that were given)"
    return "" if source["checkpoint"] else f" (names of {source['name']})"


def _weights(net: Network) -> str:
    source, own = net.source, f"SHA-256 of the network {net.digest[:DIGITS]}"
    if source is None:
        return f"a module from Python, {own}"
    checkpoint = source["checkpoint"]
    if isinstance(checkpoint, str):
        digest = str(source.get("checkpoint_sha256", ""))[:DIGITS]
        return f"checkpoint {Path(checkpoint).name} (SHA-256 {digest}), {own}"
    return f"{'trained' if source['pretrained'] else 'random'}, {own}"


def _input(net: Network) -> str:
    rows, columns = net.input_size
    kept = "" if net.crop == 1 else f", the middle {net.crop:.1%} of the photograph"
    return f"{rows} {TIMES} {columns} pixels{kept}, {net.interpolation}"


def _numbers(net: Network) -> str:
    return f"mean {_list(net.mean)}; standard deviation {_list(net.std)}"


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
