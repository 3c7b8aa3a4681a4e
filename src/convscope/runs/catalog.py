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
    """A technique's name, the module that holds it and its one sentence."""

    name: str
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
            if isinstance(node, ast.FunctionDef) and any(map(_registers, node.decorator_list)):
                summary = (ast.get_docstring(node) or "").partition("\n")[0]
                module = f"convscope.techniques.{file.stem}"
                found[node.name] = Entry(node.name, module, summary)
    return found


def _registers(decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(function, ast.Name) and function.id == "technique"
