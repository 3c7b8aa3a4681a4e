"""All words of a recipe by name: those of convscope and those that installed packages add.

A package adds a word by an entry point in the group `convscope.vocabulary`, from the name to the
class. The class is imported when somebody uses the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from importlib.metadata import EntryPoint
from typing import cast

from convscope.errors import ConvscopeError, unknown
from convscope.plugins import load_plugin, package, plugin_error, plugins
from convscope.vocabulary import objectives, optimizers, priors, rules, starts
from convscope.vocabulary.objectives import Objective
from convscope.vocabulary.optimizers import Optimizer
from convscope.vocabulary.priors import Prior
from convscope.vocabulary.rules import Rule
from convscope.vocabulary.starts import Start
from convscope.vocabulary.word import Word, arguments

# By the module that holds convscope's own words of the kind.
KINDS: Mapping[str, type[Word]] = {
    "starts": Start,
    "objectives": Objective,
    "rules": Rule,
    "priors": Prior,
    "optimizers": Optimizer,
}


def _own() -> dict[str, type[Word]]:
    modules = (starts, objectives, rules, priors, optimizers)
    return {
        name: word
        for module, kind in zip(modules, KINDS.values(), strict=True)
        for name, word in vars(module).items()
        if isinstance(word, type) and issubclass(word, kind) and word is not kind
        if not name.startswith("_")
    }


class _Words(Mapping[str, type[Word]]):
    """The words by name. An entry point is imported when its word is looked up."""

    def __init__(self) -> None:
        self.own = _own()

    def __getitem__(self, name: str) -> type[Word]:
        return self.own[name] if name in self.own else _load(self.added()[name])

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.added()

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from self.added()

    def __len__(self) -> int:
        return len(self.own) + len(self.added())

    def added(self) -> Mapping[str, EntryPoint]:
        return plugins("vocabulary", self.own)


WORDS = _Words()


def name_of(word: type) -> str | None:
    """The name under which texts know a class; None if it is not a word of the vocabulary."""
    for name, own in WORDS.own.items():
        if own is word:
            return name
    for name, point in WORDS.added().items():
        # Only what the class's own package adds, so that no other package is imported.
        if point.module.split(".")[0] == word.__module__.split(".")[0] and WORDS[name] is word:
            return name
    return None


def package_of(name: str) -> str | None:
    """The installed package that adds a word; None for convscope's own words."""
    point = WORDS.added().get(name)
    return None if point is None else package(point)


def as_rule(rule: str | Rule) -> Rule:
    """A rule from its name; a rule stays as it is.

    Raises:
        ConvscopeError: there is no rule of that name, or it needs arguments.
    """
    if isinstance(rule, Rule):
        return rule
    word = WORDS.get(rule)
    if word is None or not issubclass(word, Rule):
        own = [name for name, one in WORDS.own.items() if issubclass(one, Rule)]
        raise unknown("rule", rule, own)
    if needs_arguments(word):
        raise ConvscopeError(f"the rule {rule!r} needs arguments: write {python_call_of(rule)}")
    return word()


def needs_arguments(word: type[Word]) -> bool:
    return any(field.is_required() for field in arguments(word).values())


def call_of(name: str) -> str:
    """How a text calls a word: "adam()"."""
    return f"{name}({'...' if needs_arguments(WORDS[name]) else ''})"


def python_call_of(name: str) -> str:
    """How Python calls a word: "optimizers.adam()"."""
    module = next(module for module, kind in KINDS.items() if issubclass(WORDS[name], kind))
    return f"{module}.{call_of(name)}" if name in WORDS.own else call_of(name)


def _load(point: EntryPoint) -> type[Word]:
    loaded = load_plugin(point)
    is_word = isinstance(loaded, type) and issubclass(loaded, tuple(KINDS.values()))
    if not (is_word and is_dataclass(loaded)):
        raise plugin_error(
            point,
            "is not a word: it should be a frozen dataclass that inherits from Start, Objective,"
            " Rule, Prior or Optimizer",
        )
    return cast("type[Word]", loaded)
