"""`convscope`: finds the command, and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from cyclopts import (
    CycloptsError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from convscope.cli.app import make_app
from convscope.cli.stopping import INTERRUPTED, exit_code, interrupt, stopped_by
from convscope.cli.terminal import errors, fail, make_safe, tell
from convscope.errors import ConvscopeError, unknown
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
    # Read when torch is imported. Threads that spin for long while they wait take the processors
    # from all that runs beside them; those that sleep at once lose much time in waking up.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    make_safe(sys.stdout)
    make_safe(sys.stderr)
    with _plugin_warnings_as_messages(), stopped_by(interrupt):
        code = _run(words) if debug else _guarded(words)
    sys.exit(exit_code(code))


def _run(words: list[str]) -> int:
    code = make_app(words)(words, exit_on_error=False, print_error=False) or 0
    sys.stdout.flush()
    return int(code)


def _guarded(words: list[str]) -> int:
    try:
        return _run(words)
    except ConvscopeError as error:
        return fail(str(error))
    except UnknownCommandError as error:
        return _list_commands(error)
    except CycloptsError as error:
        return fail(_usage(error, words))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # As in `convscope models | head`. Python would complain when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return fail(f"{type(error).__name__}: {str(error)[:300]} (--debug shows the traceback)")


def _list_commands(error: UnknownCommandError) -> int:
    """All commands on stderr and, at the end, where it is seen, what is wrong."""
    app, (word, *_) = error.app, error.unused_tokens or [""]
    assert app is not None
    app.help_print([], console=errors)
    known = {entry.name: entry.command for entry in catalog.techniques().values()}
    if word in known:
        return fail(f"the command of {word} is {known[word]!r}")
    return fail(str(unknown("command", word, [*catalog.COMMANDS, *known.values()])))


def _usage(error: CycloptsError, words: list[str]) -> str:
    """A wrong command line in one line."""
    command = " ".join(error.command_chain or ())
    if isinstance(error, UnusedCliTokensError):
        tokens = " ".join(map(repr, error.unused_tokens or ()))
        return f"{command}: unexpected {tokens}{_after_dashes(words)}"
    if isinstance(error, UnknownOptionError):
        token = error.token.keyword or error.token.value
        if "--" in words:
            return f"{command}: unexpected {token!r}{_after_dashes(words)}"
        known = [name for one in error.argument_collection for name in one.names]
        hint = f"if it is a file, write ./{token}" if os.path.exists(token) else ""
        return str(unknown(f"option of {command}", token, known, hint))
    return " ".join(str(error).split())


def _after_dashes(words: list[str]) -> str:
    hint = "; after -- every word is the name of a file, so write options before it"
    return hint if "--" in words else ""


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
