"""Recipes of the composer: its parts become texts, the texts a recipe, and a recipe parts."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

import torch
from torch import Tensor

from convscope.ascent import Recipe
from convscope.errors import ConvscopeError, short
from convscope.runs import PREPROCESS, compose, preprocessed, write
from convscope.types import Target
from convscope.vocabulary.objectives import weighted
from convscope.vocabulary.rules import plain
from convscope.vocabulary.word import Word, arguments
from convscope.vocabulary.words import WORDS, as_rule, name_of
from convscope.web.models import Call, RecipeParts, RecipeTexts, Term

LARGEST = 2**20  # letters of a recipe

IMAGE = "image"

AS_INPUT = f"{PREPROCESS}({IMAGE})"


def texts_of(parts: RecipeParts) -> dict[str, Any]:
    """A recipe as texts, complete with all arguments.

    Raises:
        ConvscopeError: a word is unknown, an argument is wrong, or a text names a file.
    """
    recipe, image = _composed(_as_written(parts))
    return write(recipe, image=image, preprocess=_as_input)


def written(parts: RecipeParts) -> RecipeTexts:
    """A recipe as texts, and as the file that Python and the command line run.

    Raises:
        ConvscopeError: as `texts_of`.
    """
    texts = texts_of(parts)
    lines = [f"{name} = {_toml(value)}\n" for name, value in texts.items() if value != {}]
    return RecipeTexts(texts=texts, toml="".join(lines))


def read(toml: str) -> RecipeParts:
    """The parts of a recipe file.

    Raises:
        ConvscopeError: the text is no TOML, or as `texts_of`.
    """
    if len(toml) > LARGEST:
        raise ConvscopeError("the recipe is larger than a megabyte")
    try:
        texts = tomllib.loads(toml)
    except (ValueError, RecursionError) as error:
        raise ConvscopeError(f"the recipe cannot be read: {error}") from error
    return parts_from(texts)


def parts_from(texts: Mapping[str, Any]) -> RecipeParts:
    """The parts of a recipe from its texts.

    Raises:
        ConvscopeError: as `texts_of`.
    """
    return parts_of(*_composed(texts))


def _composed(texts: Mapping[str, Any]) -> tuple[Recipe, Tensor]:
    """The recipe, and what stands for its photograph."""
    image = torch.full((1, 3, 1, 1), 0.5)
    return compose(texts, image=image, preprocess=_as_input, closed=True), image


def _as_input(image: Tensor) -> Tensor:
    """What stands for `net.preprocess`: its result is another image."""
    return image / 2


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list) and len(value) > 1:
        return "[\n" + "".join(f"    {_toml(one)},\n" for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


# ------------------------------------------------------------------ from parts to texts


def _as_written(parts: RecipeParts) -> dict[str, Any]:
    """The texts that the parts say, which nobody has checked."""
    terms = [_text(_times(term)) for term in parts.objective]
    found: dict[str, Any] = {
        "start": _text(_node(parts.start)),
        "objective": " + ".join(terms),
        "priors": [_text(_node(prior)) for prior in parts.priors],
        "optimizer": _text(_node(parts.optimizer)),
        "steps": parts.steps,
        "tile": parts.tile,
        "rule": None if parts.rule is None else _text(_node(parts.rule)),
    }
    return {name: value for name, value in found.items() if value is not None}


def _text(node: ast.expr) -> str:
    return ast.unparse(ast.fix_missing_locations(node))


def _times(term: Term) -> ast.expr:
    call = _node(term.call)
    return call if term.weight == 1 else ast.BinOp(ast.Constant(term.weight), ast.Mult(), call)


def _node(call: Call) -> ast.expr:
    """A call as an expression. What is wrong with it is for `compose` to say."""
    word = WORDS.get(call.word)
    known = {} if word is None else arguments(word)
    keywords = []
    for name, value in call.arguments.items():
        hint = known[name].annotation if name in known else None
        photo = Tensor in (hint, *get_args(hint)) and value in (IMAGE, AS_INPUT)
        node = ast.parse(value, mode="eval").body if photo else _value(value)
        keywords.append(ast.keyword(name, node))
    return ast.Call(ast.Name(call.word), [], keywords)


def _value(value: object) -> ast.expr:
    match value:
        case dict():
            return _node(Call.model_validate(value))
        case list():
            return ast.List([*map(_value, value)], ast.Load())
    return ast.Constant(value)  # type: ignore[arg-type]


# ------------------------------------------------------------------ from a recipe to parts


def parts_of(recipe: Recipe, image: Tensor) -> RecipeParts:
    """The parts of a recipe.

    Args:
        recipe: the recipe.
        image: its photograph.

    Raises:
        ConvscopeError: it holds what the composer cannot show.
    """
    if recipe.optimizer is None:
        raise ConvscopeError("the recipe has no optimizer; the composer needs one, as adam()")
    rule = as_rule(recipe.rule)
    terms = recipe.objective.terms if isinstance(recipe.objective, weighted) else None
    return RecipeParts(
        start=_call(recipe.start, image),
        objective=[
            Term(weight=weight, call=_call(one, image))
            for weight, one in terms or ((1.0, recipe.objective),)
        ],
        rule=None if rule == plain() else _call(rule, image),
        priors=[_call(prior, image) for prior in recipe.priors],
        optimizer=_call(recipe.optimizer, image),
        steps=recipe.steps,
        tile=recipe.tile,
    )


def _call(word: Word, image: Tensor) -> Call:
    name = name_of(type(word))
    if name is None:
        raise ConvscopeError(f"{short(word)} is no word of the vocabulary")
    values = {f.name: getattr(word, f.name) for f in fields(word)}  # type: ignore[arg-type]
    return Call(word=name, arguments={key: _argument(v, image) for key, v in values.items()})


def _argument(value: object, image: Tensor) -> object:
    """A value as JSON."""
    match value:
        case Word():
            return _call(value, image).model_dump()
        case tuple():
            return [_argument(one, image) for one in value]
        case Target():
            return value.spec
        case Tensor():
            return _photo(value, image)
    return value


def _photo(value: Tensor, image: Tensor) -> object:
    if value is image:
        return IMAGE
    if preprocessed.get(value) is image:
        return AS_INPUT
    return value.tolist()
