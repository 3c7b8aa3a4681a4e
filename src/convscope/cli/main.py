"""`convscope`: finds the command, and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError

from convscope import __version__
from convscope.cli.commands import COMMANDS
from convscope.cli.techniques import technique_command
from convscope.cli.terminal import INTERRUPTED, fail, tell
from convscope.errors import ConvscopeError
from convscope.plugins import PluginWarning
from convscope.runs import catalog


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. An error becomes one line on stderr and a non-zero exit code.

    Args:
        arguments: words after `convscope`; by default those that the process was started with.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    with _plugin_warnings_as_messages():
        sys.exit(_run(words) if debug else _guarded(words))


def _run(words: list[str]) -> int:
    code = _app(words)(words, exit_on_error=False, print_error=False) or 0
    sys.stdout.flush()
    return int(code)


def _guarded(words: list[str]) -> int:
    try:
        return _run(words)
    except ConvscopeError as error:
        return fail(str(error))
    except CycloptsError as error:
        return fail(_usage(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # As in `convscope models | head`. Python would complain when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return fail(f"{type(error).__name__}: {str(error)[:300]} (--debug shows the traceback)")


def _usage(error: CycloptsError) -> str:
    if isinstance(error, UnusedCliTokensError):
        command = " ".join(error.command_chain or ())
        tokens = " ".join(map(repr, error.unused_tokens or ()))
        return f"{command}: unexpected {tokens}"
    return " ".join(str(error).split())


@contextmanager
def _plugin_warnings_as_messages() -> Iterator[None]:
    """A plug-in that is left out is told in one line, without the place in convscope's source."""
    show = warnings.showwarning

    def tell_or_show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, PluginWarning):
            tell(f"convscope: {message}")
        else:
            show(message, category, filename, lineno, file, line)

    warnings.showwarning = tell_or_show
    try:
        yield
    finally:
        warnings.showwarning = show


def _app(words: list[str]) -> App:
    """All commands. Only the technique that is asked for is imported: help needs no torch."""
    app = App(
        name="convscope",
        help="See what a convolutional network has learned and why it decides as it does.",
        version=__version__,
        default_parameter=Parameter(negative="", show_default=_default_as_typed),
        result_action="return_value",
        help_format="plaintext",
    )
    for command in COMMANDS:
        app.command(command, group="Commands")
    for name, entry in catalog.techniques().items():
        if words[:1] == [entry.command] or words[:2] == ["--help", entry.command]:
            app.command(technique_command(name), name=entry.command, group="Techniques")
        else:
            app.command(App(name=entry.command, help=entry.summary, group="Techniques"))
    return app


def _default_as_typed(default: object) -> str | None:
    """A default as it would be typed; None, and so not in the help, where it would be no word."""
    if default is None or default is False or default in ((), ""):
        return None
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
