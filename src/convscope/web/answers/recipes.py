"""Recipes of the composer, as parts and as texts."""

from __future__ import annotations

import inspect

from convscope.errors import ConvscopeError
from convscope.vocabulary.objectives import weighted
from convscope.vocabulary.word import model
from convscope.vocabulary.words import KINDS, WORDS, package_of
from convscope.web import recipes as composed
from convscope.web.examples import examples
from convscope.web.models import RecipeExample, RecipeParts, RecipeTexts, Vocabulary, Word
from convscope.web.requests import Place
from convscope.web.schemas import form


def write_recipe(_place: Place, parts: RecipeParts) -> RecipeTexts:
    """A recipe as texts, and as the file that Python and the command line run."""
    return composed.written(parts)


def read_recipe(_place: Place, toml: str) -> RecipeParts:
    """The parts of a recipe file, which names no other files."""
    return composed.read(toml)


def recipes(place: Place, network: str | None = None) -> list[RecipeExample]:
    """Recipes that are papers, with layers of a network; the first one if none is named."""
    return examples(place.networks.get(network))


def vocabulary(_place: Place) -> Vocabulary:
    """All words of recipes, with a form for each."""
    found: dict[str, list[Word]] = {part: [] for part in KINDS}
    for name in WORDS:
        try:
            word = WORDS[name]
        except ConvscopeError:  # of a package that cannot be imported
            continue
        part = next(part for part, kind in KINDS.items() if issubclass(word, kind))
        if word is not weighted:  # the composer has terms
            found[part].append(_described(name, word))
    return Vocabulary(**found)


def _described(name: str, word: type) -> Word:
    return Word(
        name=name,
        summary=" ".join((inspect.getdoc(word) or "").partition("\n\n")[0].split()),
        arguments=form(model(word)),
        package=package_of(name),
    )
