"""The table of networks that were tried, from the results of `make families`."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

Row = dict[str, str]

# What is compared with plain PyTorch, and the techniques that must run.
NUMBERS = ("load", "predict", "read", "layouts", "fields", "saliency", "gradcam", "occlusion")
TECHNIQUES = (
    "smoothgrad",
    "class_image",
    "neuron_image",
    "deepdream",
    "invert",
    "activations",
    "filters",
    "intermediate",
    "index",
)


def table(path: Path) -> str:
    """A row for each network, and below it what networks are refused, with the words."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    head = [
        "| family | network | input | numbers | guided | techniques |",
        "|---|---|---|---|---|---|",
    ]
    lines = [
        f"| {row['family']} | `{row['network']}` | {row['input']} | {_passed(row, NUMBERS)} |"
        f" {_verdict(row['guided'])} | {_passed(row, TECHNIQUES)} |"
        for row in rows
    ]
    return "\n".join([*head, *lines, "", "What is refused, in these words:", "", *_refusals(rows)])


def _verdict(words: str) -> str:
    return {"pass": "yes", "": "not tried"}.get(words, words.partition(":")[0])


def _passed(row: Row, columns: tuple[str, ...]) -> str:
    """How many of the columns pass, and the names of the others."""
    others = [f"{name} {_verdict(row[name])}" for name in columns if row[name] != "pass"]
    passed = f"{len(columns) - len(others)} of {len(columns)}"
    return "; ".join([passed, *others]) if others else f"all {len(columns)}"


def _refusals(rows: list[Row]) -> list[str]:
    """Each line that is not a pass, with the families that it is about."""
    about: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for name in ("guided", *NUMBERS, *TECHNIQUES):
            if row[name] not in ("pass", ""):
                words = row[name].partition(": ")[2].replace(row["family"], "NETWORK")
                about[f"`{name}`: {words}"].append(row["family"])
    return [f"- {line} ({', '.join(families)})" for line, families in about.items()]
