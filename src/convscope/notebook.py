"""What notebooks are shown: whether there is one, a place below a cell, tables."""

from __future__ import annotations

import html
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def in_notebook() -> bool:
    """Whether what is displayed is seen below the cell of a notebook."""
    if sys.modules.get("IPython") is None:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and "text/html" in shell.display_formatter.active_types


def show(value: object) -> None:
    """Show a value below the cell, as if it were the cell's last."""
    from IPython.display import display

    display(value)


def show_line(line: str) -> None:
    """Show a line of text below the cell."""
    Place().put({"text/html": html.escape(line), "text/plain": line})


def show_error() -> None:
    """Show the error that is being handled below the cell, as an error that ends a cell is shown.

    What `_ipython_display_` raises would be followed by other ways to display the same object.
    """
    from IPython import get_ipython

    get_ipython().showtraceback()


class Place:
    """A place below the cell of a notebook. What is put there replaces what was there."""

    def __init__(self) -> None:
        self._handle: Any = None

    def put(self, data: Mapping[str, str], metadata: Mapping[str, Any] | None = None) -> None:
        """Show content, given by its media types."""
        from IPython.display import DisplayHandle

        content: dict[str, Any] = {"raw": True, "metadata": dict(metadata or {})}
        if self._handle is None:
            # Known before anything is shown: the stop button may end `display` before it returns.
            self._handle = DisplayHandle()
            self._handle.display(dict(data), **content)
        else:
            self._handle.update(dict(data), **content)


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """Rows of values as an HTML table."""
    lines = [_row("th", head)] if head else []
    lines += [_row("td", row) for row in rows]
    return f"<table>{''.join(lines)}</table>"


def _row(tag: str, values: Sequence[object]) -> str:
    style = 'style="text-align: left"'
    cells = (f"<{tag} {style}>{html.escape(str(value))}</{tag}>" for value in values)
    return f"<tr>{''.join(cells)}</tr>"
