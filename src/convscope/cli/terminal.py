"""What commands print: results on stdout, messages and progress on stderr."""

from __future__ import annotations

import json

from rich.console import Console

INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it

errors = Console(stderr=True, highlight=False)


def tell(message: str) -> None:
    """Print a message on stderr, in one line."""
    errors.print(" ".join(message.splitlines()), markup=False, soft_wrap=True)


def fail(message: str) -> int:
    """Print an error on stderr. Returns the exit code."""
    tell(f"convscope: {message}")
    return 2


def print_json(value: object) -> None:
    """Print a value on stdout as indented JSON."""
    print(json.dumps(value, indent=2))
