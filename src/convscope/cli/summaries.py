"""The tables in the summary of a result, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.bar import Bar
from rich.table import Table
from rich.text import Text

from convscope.cli import terminal
from convscope.errors import in_one_line

BAR = 20  # letters of the bar of a probability

FIRST = 50  # rows of each of several tables

Rows = Sequence[Mapping[str, Any]]


def print_summary(summary: Mapping[str, Any]) -> None:
    """Print every table of a summary: each list of rows in it, the first row at the top.

    Failure and notes, which say what is wrong with the network, go to stderr.
    """
    if summary.get("success") is False:
        terminal.tell("convscope: the attack failed; the picture shows its best attempt")
    for note in summary.get("notes", ()):
        terminal.tell(f"convscope: {note}")
    tables = list(_tables(summary))
    if len(tables) == 1:
        terminal.results.print(_table(tables[0][1], ""))
        return
    for name, rows in tables:
        terminal.results.print(_table(rows[:FIRST], name))
        if len(rows) > FIRST:
            terminal.results.print(f"... and {len(rows) - FIRST:,} more, which --json lists")


def _tables(summary: Mapping[str, Any]) -> Iterator[tuple[str, Rows]]:
    for name, value in summary.items():
        if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
            yield name, value


def _table(rows: Rows, title: str) -> Table:
    """A table with the rank of each row and, for a probability, a bar."""
    table = Table(box=None, header_style="bold", pad_edge=False, title=title, title_justify="left")
    table.add_column("rank", justify="right")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for name in columns:
        number = any(isinstance(row.get(name), int | float) for row in rows)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
        if name == "probability":
            table.add_column("", width=BAR)
    for rank, row in enumerate(rows, 1):
        cells: list[Any] = [str(rank)]
        for name in columns:
            cells.append(_written(name, row.get(name)))
            if name == "probability":
                cells.append(Bar(1, 0, row[name], width=BAR))
        table.add_row(*cells)
    return table


def _written(name: str, value: object) -> Text:
    if isinstance(value, float):
        return Text(f"{value:.1%}" if name == "probability" else f"{value:#.4g}")
    return Text("" if value is None else in_one_line(value))
