"""TODO."""

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
from convscope.runs.recipe_text import (
    FILES,
    IMAGE,
    NOT_KEPT,
    PREPROCESS,
    WORDS,
    Preprocess,
    preprocessed,
)
from convscope.types import Target
from convscope.vocabulary import starts
from convscope.vocabulary.objectives import Objective, weighted


def write(
    recipe: Recipe, *, image: Tensor | None = None, preprocess: Preprocess | None = None
) -> dict[str, Any]:
    """A recipe as texts of which `compose` makes an equal one.

    Tensors are written as `image` or `net.preprocess(image)` where they are that, as the path that
    `open_image` has them from, or as numbers if they are vectors. What cannot be written so is
    told in its place, and `compose` refuses it.
    """
    writer = _Writer(image, preprocess)
    texts = {f.name: writer.part(getattr(recipe, f.name)) for f in fields(recipe)}
    texts = {name: text for name, text in texts.items() if text is not None}
    return texts | ({FILES: writer.files} if writer.files else {})


def needs_image(texts: Mapping[str, Any]) -> bool:
    """Whether texts that `write` wrote name `image`."""
    parts = [
        text for part in texts.values() for text in (part if isinstance(part, list) else [part])
    ]
    trees = [ast.parse(text, mode="eval") for text in parts if isinstance(text, str)]
    return any(isinstance(n, ast.Name) and n.id == IMAGE for tree in trees for n in ast.walk(tree))


# -------------------------------------------------------------------------- writing


@dataclass
class _Writer:
    image: Tensor | None
    preprocess: Preprocess | None
    files: dict[str, str] = field(default_factory=dict)

    def part(self, value: object) -> object:
        """A text; numbers, and the name of a rule, as they are."""
        if isinstance(value, tuple):
            return [self.part(one) for one in value]
        if value is None or isinstance(value, str | int):
            return value
        return ast.unparse(ast.fix_missing_locations(self.node(value)))

    def node(self, value: object) -> ast.expr:
        match value:
            case None | str() | bool():
                return ast.Constant(value)
            case numbers.Integral():  # NumPy's too
                return ast.Constant(int(value))
            case numbers.Real():
                return ast.Constant(float(value))
            case tuple() | list():
                return ast.Tuple([self.node(one) for one in value], ast.Load())
            case Target(layer="", channel=channel):
                return ast.Constant("" if channel is None else channel)
            case Target():
                return ast.Constant(value.spec)
            case Tensor():
                return self.tensor(value)
            case weighted(terms=terms) if terms and not any(
                isinstance(one, weighted) for _, one in terms
            ):
                return self.sum(terms)
        if WORDS.get(type(value).__name__) is not type(value):
            return _call(NOT_KEPT, ast.Constant(f"a word of its own, {type(value).__name__}"))
        if isinstance(value, starts.maco) and value.spectrum and os.path.isfile(value.spectrum):
            self.files[value.spectrum] = images.digest(value.spectrum)
        call = _call(type(value).__name__)
        for f in fields(value):  # type: ignore[arg-type]
            call.keywords.append(ast.keyword(f.name, self.node(getattr(value, f.name))))
        return call

    def sum(self, terms: tuple[tuple[float, Objective], ...]) -> ast.expr:
        """As a person writes it: a - 0.5 * b."""
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
        if self._seen is not None and _same(value, self._seen):
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
        return _call(NOT_KEPT, ast.Constant(f"a tensor of {shape}"))

    @cached_property
    def _seen(self) -> Tensor | None:
        return (
            None if self.image is None or self.preprocess is None else self.preprocess(self.image)
        )


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name), list(arguments), [])


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.to(other), other)
