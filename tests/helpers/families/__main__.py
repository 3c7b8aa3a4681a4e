"""Try the networks that a file of results does not hold yet: make families.

A row holds a family, its network, the size of its input, and a verdict for each column.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import torch

from tests.helpers.families.networks import FAMILIES
from tests.helpers.families.trying import COLUMNS, TooSlow, subject_of, try_network, within


def main(path: Path) -> None:
    """Write a row for each family, in the order of the list."""
    torch.set_num_threads(1)
    if not path.exists():
        _append(path, ["family", "network", "input", *COLUMNS])
    with path.open(encoding="utf-8", newline="") as file:
        done = {row["family"] for row in csv.DictReader(file)}
    for family in FAMILIES:
        if family not in done:
            row = _row(family)
            print(*row, flush=True)
            _append(path, row)


def _row(family: str) -> list[str]:
    subject = subject_of(family)
    found: dict[str, str] = {}
    try:
        with within(seconds=600):
            for name, verdict in try_network(subject):
                found[name] = verdict.state if verdict.state == "pass" else ": ".join(verdict)
    except TooSlow as error:
        found.setdefault("load", str(error))
    size = "x".join(map(str, subject.size))
    return [family, str(FAMILIES[family]), size, *(found.get(name, "") for name in COLUMNS)]


def _append(path: Path, row: list[str]) -> None:
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(row)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
