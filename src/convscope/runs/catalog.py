"""Which techniques there are, read from their files without importing them (or torch)."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "techniques"


@dataclass(frozen=True)
class Entry:
    """A technique's name, its command, the module that holds it and its one sentence."""

    name: str
    command: str
    module: str
    summary: str


_added: dict[str, Entry] = {}


def add(entry: Entry) -> None:
    """Take in a technique that was registered at run time, from wherever it is."""
    _added[entry.name] = entry


def techniques() -> Mapping[str, Entry]:
    """All techniques by name: those in `techniques/`, and those registered elsewhere."""
    return dict(sorted({**_ours(), **_added}.items()))


@cache
def _ours() -> Mapping[str, Entry]:
    """Every function under `@technique` in `techniques/`."""
    found = {}
    for file in sorted(FOLDER.glob("[!_]*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef):
                continue
            for decorator in filter(_registers, node.decorator_list):
                summary = (ast.get_docstring(node) or "").partition("\n")[0]
                module = f"convscope.techniques.{file.stem}"
                command = _command(decorator) or node.name
                found[node.name] = Entry(node.name, command, module, summary)
    return found


def _registers(decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(function, ast.Name) and function.id == "technique"


def _command(decorator: ast.expr) -> str | None:
    """The keyword `command` of a decorator."""
    keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
    values = [one.value for one in keywords if one.arg == "command"]
    return next((str(v.value) for v in values if isinstance(v, ast.Constant)), None)
