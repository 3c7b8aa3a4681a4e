"""All commands and techniques as one application."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Literal

from cyclopts import App, Group, Parameter

from convscope import __version__
from convscope.cli import commands
from convscope.cli.techniques import technique_command
from convscope.runs import catalog


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish", "powershell"],
        Parameter(help="the shell that reads the script"),
    ] = "bash",
    /,
) -> int:
    """Print a script with which a shell completes commands, options, choices and files.

    In bash, save it as ~/.local/share/bash-completion/completions/convscope; in zsh, as _convscope
    in a folder of $fpath; in fish, as ~/.config/fish/completions/convscope.fish. In bash, the names
    of networks after --model and of sample photographs are completed too.
    """
    from convscope.cli.completion import script

    print(script(make_app([], every=True), shell))
    return 0


COMMANDS = (*commands.COMMANDS, completion)


def make_app(words: list[str], *, every: bool = False) -> App:
    """All commands, by chapter.

    Args:
        words: what the user typed. Only the technique that it asks for is imported: help needs no
            torch.
        every: import all techniques, whose options completion needs.
    """
    general, *chapters = (
        Group(name, sort_key=i) for i, name in enumerate(("Commands", *catalog.CHAPTERS))
    )
    group_of = dict(zip(catalog.CHAPTERS, chapters, strict=True))
    app = App(
        name="convscope",
        help="See what a convolutional network has learned and why it decides as it does.",
        version=__version__,
        default_parameter=Parameter(negative="", show_default=_default_as_typed),
        result_action="return_value",
        help_format="plaintext",
        group_commands=general,
        suppress_keyboard_interrupt=False,
    )
    for command in COMMANDS:
        app.command(command, name=command.__name__, usage=_usage(command))
    for name, entry in catalog.techniques().items():
        group = group_of[entry.chapter]
        asked = words[:1] == [entry.command] or words[:2] == ["--help", entry.command]
        if every or asked:
            app.command(technique_command(name), name=entry.command, group=group)
        else:
            app.command(App(name=entry.command, help=entry.summary, group=group))
    return app


def _usage(command: Callable[..., int]) -> str | None:
    """The line that names arguments which may be left out; None for cyclopts' own line."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)
    positional = [p for p in inspect.signature(command).parameters.values() if p.kind in kinds]
    names = [_as_shown(p) for p in positional]
    if not any("[" in name for name in names):
        return None
    return f"Usage: convscope {command.__name__} [OPTIONS] {' '.join(names)}"


def _as_shown(parameter: inspect.Parameter) -> str:
    name = parameter.name.upper()
    if parameter.kind is parameter.VAR_POSITIONAL:
        return f"[{name}...]"
    return name if parameter.default is parameter.empty else f"[{name}]"


def _default_as_typed(default: object) -> str | None:
    """A default as it would be typed; None, and so not in the help, where it would be no word."""
    if default is None or default is False or default in ((), ""):
        return None
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
