"""What commands print: results on stdout, messages and progress on stderr."""

from __future__ import annotations

import json
import sys

from rich.console import Console

INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it

errors = Console(stderr=True, highlight=False)

# Other programs get lines of this width.
results = Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def in_one_line(text: object) -> str:
    """A text in one line, without letters that would control the terminal."""
    line = " ".join(str(text).splitlines())
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line
    )


def tell(message: str) -> None:
    """Print a message on stderr, in one line."""
    errors.print(in_one_line(message), markup=False, soft_wrap=True)


def fail(message: str) -> int:
    """Print an error on stderr. Returns the exit code."""
    tell(f"convscope: {message}")
    return 2


def print_json(value: object) -> None:
    """Print a value on stdout as indented JSON."""
    print(json.dumps(value, indent=2))
