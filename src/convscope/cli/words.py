"""The words of recipes with their sentences and arguments: for the terminal, JSON and docs."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.table import Table
from rich.text import Text

from convscope.cli.terminal import results
from convscope.errors import ConvscopeError, in_one_line, unknown
from convscope.plugins import PluginWarning
from convscope.runs import limits
from convscope.vocabulary.norms import NORMS
from convscope.vocabulary.word import Word, arguments
from convscope.vocabulary.words import KINDS, WORDS, package_of, python_call_of

# What the words of a kind decide.
MEANINGS: Mapping[str, str] = {
    "starts": "where a climb begins",
    "objectives": "the score that is maximized",
    "rules": "what an activation does to the gradient on its way back to the image",
    "priors": "what is assumed about images; each acts at one place of a step",
    "optimizers": "how far each step goes",
    "norms": "how a change of an image is measured; a name, as in project_to_ball(norm='l2')",
}


@dataclass(frozen=True)
class Argument:
    """An argument of a word: what it means, and its bounds and default as texts."""

    name: str
    description: str
    limits: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A word as people read it.

    Attributes:
        name: its name.
        kind: what it is, one of `MEANINGS`.
        call: how it is written, with its defaults.
        python: how Python writes it.
        summary: the first paragraph of its docstring.
        description: the rest of it.
        arguments: in their order.
        package: the package that adds it; "" for convscope.
    """

    name: str
    kind: str
    call: str
    python: str
    summary: str
    description: str = ""
    arguments: tuple[Argument, ...] = ()
    package: str = ""


def entries() -> list[Entry]:
    """All words and norms, in the order of the kinds.

    Warns:
        PluginWarning: a word of another package that cannot be imported is left out.
    """
    found = []
    for name in WORDS:
        try:
            found.append(_entry(name, WORDS[name]))
        except ConvscopeError as error:
            warnings.warn(str(error), PluginWarning, stacklevel=2)
    found += [_norm(name, norm) for name, norm in NORMS.items()]
    return sorted(found, key=lambda one: list(MEANINGS).index(one.kind))


def chosen(name: str) -> list[Entry]:
    """The words of a kind, the word of a name, or all for "".

    Raises:
        ConvscopeError: there is neither.
    """
    every = entries()
    found = [one for one in every if name in ("", one.kind, one.name)]
    if not found:
        raise unknown(
            "word", name, [*MEANINGS, *(one.name for one in every)], "'convscope words' lists them"
        )
    return found


def as_values(found: Sequence[Entry]) -> dict[str, list[dict[str, object]]]:
    """Words by kind as plain values, for JSON."""
    kinds = dict.fromkeys(one.kind for one in found)
    return {kind: [asdict(one) for one in found if one.kind == kind] for kind in kinds}


def print_words(found: Sequence[Entry]) -> None:
    """A table for each kind: how a word is written, and what it means."""
    for kind in dict.fromkeys(one.kind for one in found):
        results.print(Text.assemble((kind, "bold"), f": {MEANINGS[kind]}"))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
        table.add_column(no_wrap=False, max_width=44, overflow="fold")
        table.add_column()
        for one in found:
            if one.kind == kind:
                table.add_row(Text(in_one_line(one.call)), Text(in_one_line(_with_package(one))))
        results.print(table)
        results.print()
    results.print("`convscope words NAME` shows one of them with its arguments.")


def print_word(one: Entry) -> None:
    """A word in full."""
    results.print(Text.assemble((one.call, "bold"), f"  {one.kind[:-1]}"))
    results.print(Text(f"\n{_with_package(one)}"))
    if one.description:
        results.print(Text(f"\n{one.description}"))
    if one.arguments:
        results.print()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
    for argument in one.arguments:
        bounds = "; ".join(argument.limits)
        table.add_row(Text(argument.name), Text(f"{argument.description} ({bounds})"))
    results.print(table)
    results.print(Text(f"\nIn Python: {one.python}"))


def _entry(name: str, word: type[Word]) -> Entry:
    package = package_of(name) or ""
    kind = next(kind for kind, base in KINDS.items() if issubclass(word, base))
    text = inspect.getdoc(word) or ""
    summary, _, description = text.partition("\n\n")
    call = f"{name}({', '.join(_parameters(word))})"
    python = f"cs.{python_call_of(name)}" if not package else python_call_of(name)
    return Entry(
        name=name,
        kind=kind,
        call=call,
        python=python,
        summary=" ".join(summary.split()),
        description=_unwrapped(description),
        arguments=tuple(
            Argument(argument, field.description or "", tuple(limits(field)))
            for argument, field in arguments(word).items()
        ),
        package=package,
    )


def _norm(name: str, norm: object) -> Entry:
    summary = " ".join((inspect.getdoc(norm) or "").split())
    return Entry(name, "norms", repr(name), repr(name), summary)


def _parameters(word: type) -> Iterator[str]:
    for one in inspect.signature(word).parameters.values():
        required = one.default is one.empty
        yield one.name if required else f"{one.name}={one.default!r}"


def _unwrapped(text: str) -> str:
    """Each paragraph in one line."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _with_package(one: Entry) -> str:
    return f"{one.summary} (of the package {one.package})" if one.package else one.summary
