"""Writing a recipe as text, so that a saved picture can carry it."""

from __future__ import annotations

import ast
import numbers
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from convscope.ascent import Recipe
from convscope.files import images
from convscope.runs.recipe_reading import (
    FILES,
    IMAGE,
    PACKAGES,
    PREPROCESS,
    UNWRITABLE,
    Preprocess,
    preprocessed,
)
from convscope.types import Target
from convscope.vocabulary import starts
from convscope.vocabulary.objectives import Objective, weighted
from convscope.vocabulary.words import name_of, package_of


def write(
    recipe: Recipe, *, image: Tensor | None = None, preprocess: Preprocess | None = None
) -> dict[str, Any]:
    """A recipe as texts, from which `compose` makes an equal recipe.

    A tensor is written as `image` or `net.preprocess(image)` where it equals that, as a path where
    `open_image` opened it, and as a list of numbers where it is a vector. Where a text cannot hold
    a value, the text says so, and `compose` refuses it.

    Args:
        recipe: the recipe.
        image: the photograph that is called `image` in the texts.
        preprocess: the function that is called `net.preprocess` in the texts.

    Returns:
        From the name of a part to its text. "files" has the SHA-256 of every file that is named,
        "packages" the package of every word that a package adds.
    """
    writer = _Writer(image, preprocess)
    texts = {f.name: writer.part(getattr(recipe, f.name)) for f in fields(recipe)}
    texts |= {FILES: writer.files or None, PACKAGES: writer.packages or None}
    return {name: text for name, text in texts.items() if text is not None}


def needs_image(texts: Mapping[str, Any]) -> bool:
    """Whether texts from `write` contain the name `image`."""
    parts = [
        text for part in texts.values() for text in (part if isinstance(part, list) else [part])
    ]
    trees = [ast.parse(text, mode="eval") for text in parts if isinstance(text, str)]
    return any(isinstance(n, ast.Name) and n.id == IMAGE for tree in trees for n in ast.walk(tree))


@dataclass
class _Writer:
    """Writes the parts of a recipe; notes the files that they name and the packages they need."""

    image: Tensor | None
    preprocess: Preprocess | None
    files: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)

    def part(self, value: object) -> object:
        """A text; a number and the name of a rule as they are."""
        if isinstance(value, tuple):
            return [self.part(one) for one in value]
        if value is None or isinstance(value, str | int):
            return value
        return ast.unparse(ast.fix_missing_locations(self.node(value)))

    def node(self, value: object) -> ast.expr:
        """An expression for a value."""
        match value:
            case None | str() | bool():
                return ast.Constant(value)
            case numbers.Integral():
                return ast.Constant(int(value))
            case numbers.Real():
                return ast.Constant(float(value))
            case tuple():
                return ast.Tuple([self.node(one) for one in value], ast.Load())
            case Target(layer="", channel=channel):
                return ast.Constant("" if channel is None else channel)
            case Target():
                return ast.Constant(value.spec)
            case Tensor():
                return self.tensor(value)
            case weighted(terms=terms) if not any(isinstance(one, weighted) for _, one in terms):
                return self.sum(terms)
        return self.word(value)

    def word(self, value: object) -> ast.expr:
        name = name_of(type(value))
        if name is None:
            return _call(UNWRITABLE, ast.Constant(f"a word of its own, {type(value).__name__}"))
        package = package_of(name)
        if package is not None:
            self.packages[name] = package
        if isinstance(value, starts.maco) and value.spectrum and os.path.isfile(value.spectrum):
            self.files[value.spectrum] = images.digest(value.spectrum)
        call = _call(name)
        for f in fields(value):  # type: ignore[arg-type]
            call.keywords.append(ast.keyword(f.name, self.node(getattr(value, f.name))))
        return call

    def sum(self, terms: tuple[tuple[float, Objective], ...]) -> ast.expr:
        """A weighted sum as a person writes it: a - 0.5 * b."""
        total: ast.expr | None = None
        for weight, objective in terms:
            minus = total is not None and weight < 0
            node, factor = self.node(objective), -weight if minus else weight
            if factor != 1 or len(terms) == 1:
                node = ast.BinOp(self.node(factor), ast.Mult(), node)
            if total is not None:
                node = ast.BinOp(total, ast.Sub() if minus else ast.Add(), node)
            total = node
        assert total is not None
        return total

    def tensor(self, value: Tensor) -> ast.expr:
        if self.image is not None and _same(value, self.image):
            return ast.Name(IMAGE)
        if self._input is not None and _same(value, self._input):
            return _call(PREPROCESS, ast.Name(IMAGE))
        if value in preprocessed:
            return _call(PREPROCESS, self.tensor(preprocessed[value]))
        source = images.source(value)
        if source is not None:
            self.files[source["path"]] = source["sha256"]
            return ast.Constant(source["path"])
        if value.dim() == 1:
            return ast.List([self.node(one) for one in value.tolist()], ast.Load())
        shape = " x ".join(map(str, value.shape))
        return _call(UNWRITABLE, ast.Constant(f"a tensor of {shape}"))

    @cached_property
    def _input(self) -> Tensor | None:
        """The photograph as the network gets it."""
        if self.image is None or self.preprocess is None:
            return None
        return self.preprocess(self.image)


def _call(name: str, *positional: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name), list(positional), [])


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.to(other), other)
