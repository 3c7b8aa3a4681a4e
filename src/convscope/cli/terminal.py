"""What commands print: results on stdout, messages and progress on stderr.

Names of files, layers and labels may hold letters that control a terminal; here they are written
out.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.segment import Segment

from convscope.errors import in_one_line, visible

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType
    from rich.text import Text


class SafeConsole(Console):
    """A console that controls the terminal by its own styles only."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text, kept="\n\t"), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(visible(segment.text, kept="\n"), segment.style)


errors = SafeConsole(stderr=True, highlight=False, emoji=False)

# Other programs get lines of this width.
results = SafeConsole(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 160)


def make_safe(stream: TextIO) -> None:
    """Let a stream write out what its encoding has no letter for."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def show(result: object) -> None:
    """Print a result on stdout, in a line of its own."""
    print(visible(str(result)))


def tell(message: str) -> None:
    """Print a message on stderr, in one line."""
    errors.print(in_one_line(message), markup=False, soft_wrap=True)


def fail(message: str) -> int:
    """Print an error on stderr. Returns the exit code."""
    tell(f"convscope: {message}")
    return 2


def print_json(value: object, indent: int | None = 2) -> None:
    """Print a value on stdout as JSON, whose letters are all ASCII."""
    print(json.dumps(value, indent=indent).replace("\x7f", "\\u007f"), flush=True)
