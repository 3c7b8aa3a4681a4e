"""Recipes as text: every word is written as in Python, and read without running any.

start = "fourier(decay=1.0)"
objective = "logit('volcano') - 600 * tv()"
rule = "redirected"
priors = ["random_affine(rotate=12, scale=(0.8, 1.4), shift=14)"]
optimizer = "adam(0.05)"
steps = 256
"""

from __future__ import annotations

import ast
import json
import operator
import os
import tomllib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from pydantic import BaseModel, ConfigDict, create_model
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from convscope.ascent import Recipe
from convscope.errors import ConvscopeError, unknown
from convscope.files import images
from convscope.network import Network
from convscope.runs.options import short, validated
from convscope.vocabulary import objectives, optimizers, priors, rules, starts
from convscope.vocabulary.objectives import Objective

Preprocess = Callable[[Tensor], Tensor]

_ROOMS = {
    starts: starts.Start,
    objectives: Objective,
    rules: rules.Rule,
    priors: priors.Prior,
    optimizers: optimizers.Optimizer,
}


WORDS: Mapping[str, type] = {
    name: word
    for room, kind in _ROOMS.items()
    for name, word in vars(room).items()
    if isinstance(word, type) and issubclass(word, kind) and word is not kind and name[0] != "_"
}


IMAGE, PREPROCESS, NOT_KEPT = "image", "net.preprocess", "not_kept"


FILES = "files"  # of a recipe as text: the SHA-256 of the files that it names


_SIGNS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}

# What `net.preprocess` made these images from, so that they can be written again.
preprocessed: WeakIdKeyDictionary = WeakIdKeyDictionary()


def open_recipe(
    path: str | os.PathLike[str], *, net: Network | None = None, image: Tensor | None = None
) -> Recipe:
    """A recipe from a file of TOML or JSON.

    Args:
        path: the file; the photographs and spectra that it names lie relative to it.
        net: the network, for a recipe with `net.preprocess` in it.
        image: the photograph (N, 3, H, W), for a recipe with `image` in it.

    Raises:
        ConvscopeError: no such file, a broken one, an unknown word or a wrong argument.
    """
    return _opened(Path(path), image, None if net is None else net.preprocess)


def check_recipe(path: str | os.PathLike[str], *, photo: bool) -> None:
    """Fail now rather than with the network loaded, if a recipe with or without a photograph must.

    Raises:
        ConvscopeError: as `open_recipe`.
    """
    _opened(Path(path), torch.full((1, 3, 1, 1), 0.5) if photo else None, torch.Tensor.detach)


def _opened(file: Path, image: Tensor | None, preprocess: Preprocess | None) -> Recipe:
    texts = _read(file)
    try:
        return compose(texts, image=image, preprocess=preprocess, folder=file.parent.absolute())
    except ConvscopeError as error:
        raise ConvscopeError(f"{file.name}: {error}") from error


def _read(file: Path) -> dict[str, Any]:
    parse = {".toml": tomllib.loads, ".json": json.loads}.get(file.suffix.lower())
    if parse is None:
        raise ConvscopeError(f"{file.name} is no recipe: its name ends in .toml or .json")
    try:
        texts = parse(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConvscopeError(f"no recipe at {file}") from error
    except (OSError, ValueError, RecursionError) as error:  # ValueError: TOML, JSON and UTF-8
        reason = getattr(error, "strerror", None) or error
        raise ConvscopeError(f"{file.name} cannot be read: {reason}") from error
    if not isinstance(texts, dict):
        raise ConvscopeError(f"{file.name} holds no recipe but {short(texts)}")
    return texts


def compose(
    texts: Mapping[str, Any],
    *,
    image: Tensor | None = None,
    preprocess: Preprocess | None = None,
    folder: Path = Path(),
) -> Recipe:
    """The recipe that texts mean, one for each of its parts; numbers may be numbers.

    Args:
        texts: from "start", "objective" and so on to the text.
        image: the photograph that `image` means.
        fit: what `net.preprocess` means.
        folder: what the paths of photographs and spectra are relative to.

    Raises:
        ConvscopeError: an unknown part or word, or a wrong argument; one line that names it.
    """
    parts = {name: text for name, text in texts.items() if name != FILES}
    if "seed" in parts:
        raise ConvscopeError("a seed is no part of a recipe; give it when you run the recipe")
    digests = texts.get(FILES, {})
    if not isinstance(digests, Mapping):
        raise ConvscopeError(f"{FILES}: from paths to their SHA-256, not {short(digests)}")
    reader = _Reader(image, preprocess, folder, digests)
    for name in parts.keys() - _model(Recipe).model_fields.keys():
        raise unknown("part of recipe", name, _model(Recipe).model_fields)
    values = {name: reader.part(name, text) for name, text in parts.items()}
    recipe = Recipe(**validated("recipe", _model(Recipe), values, "part"))
    if recipe.steps < 1:
        raise ConvscopeError(f"recipe: steps: a recipe has at least one, not {recipe.steps}")
    return recipe


# -------------------------------------------------------------------------- reading


@dataclass
class _Reader:
    image: Tensor | None
    preprocess: Preprocess | None
    folder: Path
    digests: Mapping[str, str]

    def part(self, name: str, text: object) -> object:
        """The value of a part, whose kind is still to be checked."""
        if isinstance(text, list | tuple):
            return tuple(self.part(name, one) for one in text)
        if not isinstance(text, str) or (name == "rule" and text in rules.RULES):
            return text
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd backslashes
                # In brackets, so that a text may have several lines.
                tree = ast.parse(f"({text}\n)", mode="eval")
            return self.value(tree.body)
        except SyntaxError as error:
            raise ConvscopeError(f"{name}: {short(text)} cannot be read: {error.msg}") from error
        except (ValueError, OverflowError, MemoryError, RecursionError) as error:
            raise ConvscopeError(f"{name}: {short(text)} cannot be read") from error
        except ConvscopeError as error:
            raise ConvscopeError(f"{name}: {error}") from error

    def value(self, node: ast.expr) -> object:
        match node:
            case ast.Constant(value=str() | int() | float() | None as value):
                return value
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return tuple(map(self.value, items))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.combined(node, operator.mul, -1, self.value(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS:
                return self.combined(node, _SIGNS[type(op)], self.value(left), self.value(right))
            case ast.Name(id="image"):
                if self.image is None:
                    raise ConvscopeError("the recipe needs a photograph, its `image`; give one")
                return self.image
            case ast.Name(id=name) if name in WORDS:
                raise ConvscopeError(f"{name} is a word: write {name}()")
            case ast.Name() | ast.Attribute():
                raise unknown("word", ast.unparse(node), (*WORDS, IMAGE, PREPROCESS))
            case ast.Call():
                return self.called(node)
        raise self.nothing(node)

    def nothing(self, node: ast.AST) -> ConvscopeError:
        return ConvscopeError(
            f"{short(ast.unparse(node))} is nothing that a recipe can hold; it holds words,"
            " numbers, texts, lists and `image`"
        )

    def combined(self, node: ast.expr, sign: Callable[..., Any], *values: object) -> object:
        try:
            if all(isinstance(v, Objective) or type(v) in (int, float) for v in values):
                return sign(*values)
        except (TypeError, ArithmeticError):
            pass
        raise ConvscopeError(
            f"{short(ast.unparse(node))} cannot be worked out: objectives go with + and - to"
            " objectives and with * to numbers"
        )

    def called(self, node: ast.Call) -> object:
        name = ast.unparse(node.func)
        positional = [self.value(value) for value in node.args]
        if name == PREPROCESS:
            return self.called_preprocess(positional)
        if name == NOT_KEPT:
            raise ConvscopeError(
                f"composed in Python with {', '.join(map(str, positional))}, which a text does not"
                " hold: it cannot be made again from here; run it in Python"
            )
        if name not in WORDS:
            raise unknown("word", name, (*WORDS, PREPROCESS))
        word = WORDS[name]
        names = list(_model(word).model_fields)
        if len(positional) > len(names):
            known = f"only {', '.join(names)}" if names else "nothing"
            raise ConvscopeError(f"{name} takes {known}, not {len(positional)} values")
        values = dict(zip(names, positional, strict=False))
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self.nothing(keyword)
            if keyword.arg in values:
                raise ConvscopeError(f"{name}: {keyword.arg} is given twice")
            values[keyword.arg] = self.value(keyword.value)
        for key in values.keys() & _tensors(word):
            values[key] = self.tensor(values[key])
        if word is starts.maco and isinstance(path := values.get("spectrum"), str):
            values["spectrum"] = self.spectrum(path)
        return word(**validated(name, _model(word), values, "argument"))

    def called_preprocess(self, arguments: list[object]) -> Tensor:
        pixels = self.tensor(arguments[0]) if len(arguments) == 1 else None
        if not isinstance(pixels, Tensor):
            raise ConvscopeError(f"{PREPROCESS} takes `image` or the path of a photograph")
        if self.preprocess is None:
            raise ConvscopeError(f"{PREPROCESS} needs a network: open_recipe(path, net=net)")
        seen = self.preprocess(pixels)
        if seen is not pixels:
            preprocessed[seen] = pixels
        return seen

    def tensor(self, value: object) -> object:
        """A photograph of a path, a vector of numbers; anything else is left to be refused."""
        if isinstance(value, str):
            return self.opened(value)
        if isinstance(value, tuple) and value and all(type(v) in (int, float) for v in value):
            return torch.tensor(value, dtype=torch.float64)
        return value

    def opened(self, path: str) -> Tensor:
        sample = path.startswith(images.SAMPLE_PREFIX)
        photo = images.open_image(path if sample else self.folder / path)
        found = images.source(photo)
        assert found is not None
        if self.digests.get(path, found["sha256"]) != found["sha256"]:
            raise ConvscopeError(f"{path} is not, or no longer, the photograph of this recipe")
        return photo

    def spectrum(self, path: str) -> str:
        file = path if self.folder == Path() else os.path.join(self.folder, path)
        known = self.digests.get(path)
        if known and os.path.isfile(file) and images.digest(file) != known:
            raise ConvscopeError(f"{path} is not, or no longer, the spectrum of this recipe")
        return file


@cache
def _model(word: type) -> type[BaseModel]:
    """The checks of a dataclass, from its annotations."""
    hints = get_type_hints(word, include_extras=True)
    entries: dict[str, Any] = {
        f.name: (hints[f.name], ... if f.default is MISSING else f.default) for f in fields(word)
    }
    config = ConfigDict(strict=True, arbitrary_types_allowed=True)
    return create_model(word.__name__, __config__=config, **entries)


@cache
def _tensors(word: type) -> frozenset[str]:
    """The fields of a word that hold tensors."""
    hints = get_type_hints(word)
    return frozenset(n for n, hint in hints.items() if Tensor in (hint, *get_args(hint)))
