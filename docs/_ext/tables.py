"""What the pages say of the package, written from the package: docs/generated/*.md.

Also the signatures of techniques, without the types, which their arguments' descriptions tell.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import families
from scraper import rank
from sphinx.application import Sphinx

from convscope.ascent import Recipe
from convscope.cli import main
from convscope.cli.app import COMMANDS
from convscope.cli.words import MEANINGS, Entry, chosen
from convscope.runs import catalog, registry
from convscope.runs.registry import Technique
from convscope.runs.signatures import limits
from convscope.vocabulary.word import Word, arguments


def write(app: Sphinx) -> None:
    """Write every file that a page includes."""
    folder = Path(app.srcdir) / "generated"
    folder.mkdir(exist_ok=True)
    pages = {"techniques": techniques_table(), "commands": commands_help()}
    pages |= {kind: vocabulary_list(kind) for kind in MEANINGS}
    pages["families"] = families.table(Path(app.srcdir) / "families.csv")
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")


def names() -> list[str]:
    """All techniques of convscope itself, in the order of the lecture."""
    return sorted(catalog.own(), key=rank)


# ---------------------------------------------------------------------------- tables


def techniques_table() -> str:
    found = [registry.get(name) for name in names()]
    rows = [
        f"| [{one.title}](/gallery/plot_{one.name}.rst) | `{one.name}` | {one.summary} |"
        f" [{one.paper}]({one.url}) |"
        for one in found
    ]
    rows += [
        f"| {one.title} | `{one.name}` of another package | {one.summary} |"
        f" [{one.paper}]({one.url}) |"
        for one in registry.techniques()
        if one.name not in names()
    ]
    head = ["| technique | name | what it shows | paper |", "|---|---|---|---|"]
    pages = "\n".join(f"/gallery/plot_{one.name}" for one in found)
    return "\n".join(head + rows) + f"\n\n```{{toctree}}\n:hidden:\n\n{pages}\n```"


def vocabulary_list(kind: str) -> str:
    """Each word of a kind: how it is written, with its defaults, what it means, its arguments."""
    return "\n\n".join(_described(one) for one in chosen(kind))


def _described(one: Entry) -> str:
    paragraphs = [one.summary, *one.description.split("\n\n")]
    rows = [f"- `{a.name}`: {a.description} ({'; '.join(a.limits)})" for a in one.arguments]
    parts = [*filter(None, map(_escaped, paragraphs)), *(["\n".join(rows)] if rows else [])]
    lines = "\n\n".join(parts).split("\n")
    return "\n".join(
        [f"`{one.call}`", f": {lines[0]}", *(f"  {line}".rstrip() for line in lines[1:])]
    )


def _escaped(text: str) -> str:
    """Text whose stars and bars outside of code mean themselves."""
    return "`".join(
        part if i % 2 else re.sub(r"[*|]", r"\\\g<0>", part)
        for i, part in enumerate(text.split("`"))
    )


def _signature(word: Callable[..., Any]) -> str:
    parameters = inspect.signature(word).parameters.values()
    return "(" + ", ".join(_parameter(p) for p in parameters) + ")"


def _parameter(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return parameter.name
    return f"{parameter.name}={parameter.default!r}"


# ---------------------------------------------------------------------- command line


def commands_help() -> str:
    """The help of every command, as it is printed."""
    parts = [_help()]
    parts += [_section(command.__name__) for command in COMMANDS]
    parts += [_section(registry.get(name).command) for name in names()]
    return "\n\n".join(parts)


def _section(command: str) -> str:
    return f"## `convscope {command}`\n\n{_help(command)}"


def _help(*words: str) -> str:
    out = io.StringIO()
    plain = {"COLUMNS": "88", "NO_COLOR": "1", "TERM": "dumb"}
    with (
        mock.patch.dict(os.environ, plain),
        contextlib.redirect_stdout(out),
        contextlib.suppress(SystemExit),
    ):
        main.main([*words, "--help"])
    text = "\n".join(line.rstrip() for line in out.getvalue().splitlines())
    return f"```text\n{text.strip()}\n```"


# --------------------------------------------------------------------------- autodoc


def _of(name: str) -> Technique | None:
    short = name.removeprefix("convscope.")
    return registry.get(short) if short in catalog.own() else None


def sign(
    _app: Sphinx,
    _what: str,
    name: str,
    documented: Any,
    _options: Any,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """The signature of a technique or a word, without what its annotations say."""
    technique = _of(name)
    if signature and isinstance(documented, type) and issubclass(documented, Word | Recipe):
        return _signature(documented), returns
    if technique is None and signature and "FieldInfo" in signature:
        return _signature(documented), returns
    if technique is None:
        # Sphinx cannot parse how a dataclass shows a field that is made anew each time.
        return signature and signature.replace("<factory>", "{}"), returns
    words = [*technique.inputs("net", "image"), "*"]
    for word, field in technique.model.model_fields.items():
        words.append(word if field.is_required() else f"{word}={field.default!r}")
    return f"({', '.join(words)})", "Run"


def escape(
    _app: Sphinx, what: str, _name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    """Docstrings are text with code in backticks; outside of it, stars and bars mean themselves."""
    for i, line in enumerate(lines):
        parts = line.split("`")
        parts[::2] = [re.sub(r"[*|]", r"\\\g<0>", part) for part in parts[::2]]
        lines[i] = "`".join(parts)
    if what == "property":
        # Napoleon takes what stands before a colon in the first line for the type, so that line
        # is an empty comment.
        lines[:0] = ["..", ""]


def describe(
    _app: Sphinx, _what: str, name: str, documented: Any, _options: Any, lines: list[str]
) -> None:
    """A link to a technique's page; the arguments of a word, with their bounds."""
    technique = _of(name)
    if isinstance(documented, type) and issubclass(documented, Word) and is_dataclass(documented):
        lines += [""]
        for argument, field in arguments(documented).items():
            lines.append(f":param {argument}: {field.description} ({'; '.join(limits(field))})")
    if technique is None:
        return
    lines += ["", f"Page: :doc:`{technique.title} </gallery/plot_{technique.name}>`.", ""]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", write)
    app.connect("autodoc-process-signature", sign)
    app.connect("autodoc-process-docstring", escape, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", describe)
    return {"parallel_read_safe": True}
