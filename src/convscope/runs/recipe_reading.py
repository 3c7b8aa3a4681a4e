"""Recipes as text: every word is written as in Python, and read without running any code.

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
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from convscope.ascent import Recipe
from convscope.errors import ConvscopeError, short, unknown
from convscope.files import images
from convscope.network import Network
from convscope.system import quiet
from convscope.types import LIKE
from convscope.vocabulary import starts
from convscope.vocabulary.objectives import Objective
from convscope.vocabulary.objectives.base import ARITHMETIC
from convscope.vocabulary.rules import Rule
from convscope.vocabulary.word import Word, arguments
from convscope.vocabulary.words import WORDS, call_of, package_of

Preprocess = Callable[[Tensor], Tensor]

# Names that a text may hold beside the words; `unwritable` stands for what a text cannot hold.
IMAGE, PREPROCESS, UNWRITABLE = "image", "net.preprocess", "unwritable"

# What texts may hold beside the parts of a recipe: the SHA-256 of the files that they name, and the
# packages that add some of their words.
FILES, PACKAGES = "files", "packages"

LARGEST = 2**20  # bytes of a file

_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}

# From a result of `net.preprocess` to its argument, so that the call can be written again.
preprocessed: WeakIdKeyDictionary = WeakIdKeyDictionary()


def open_recipe(
    path: str | os.PathLike[str], *, net: Network | None = None, image: Tensor | None = None
) -> Recipe:
    """A recipe from a file of TOML or JSON.

    Args:
        path: the file. The paths of photographs and spectra in it are relative to its folder.
        net: the network; a recipe with `net.preprocess` needs one.
        image: the photograph (N, 3, H, W) in [0, 1]; a recipe with `image` needs one.

    Raises:
        ConvscopeError: the file does not exist or cannot be read, a word is unknown, or an argument
            is wrong.
    """
    return _opened(Path(path), image, None if net is None else net.preprocess)


def check_recipe(path: str | os.PathLike[str], *, photo: bool) -> None:
    """Check a recipe without a network, so that a mistake shows before the network is loaded.

    Args:
        path: the file.
        photo: whether there will be a photograph.

    Raises:
        ConvscopeError: as `open_recipe`.
    """
    _opened(Path(path), torch.full((1, 3, 1, 1), 0.5) if photo else None, torch.Tensor.detach)


def _opened(file: Path, image: Tensor | None, preprocess: Preprocess | None) -> Recipe:
    texts = _parsed(file)
    try:
        return compose(texts, image=image, preprocess=preprocess, folder=file.parent.absolute())
    except ConvscopeError as error:
        raise ConvscopeError(f"{file.name}: {error}") from error


def _parsed(file: Path) -> dict[str, Any]:
    parse = {".toml": tomllib.loads, ".json": json.loads}.get(file.suffix.lower())
    if parse is None:
        raise ConvscopeError(f"{file.name} is not a recipe: its name should end in .toml or .json")
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ConvscopeError(f"{file.name} is too large for a recipe: more than a megabyte")
        texts = parse(content.decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise ConvscopeError(f"no recipe at {file}") from error
    except (OSError, ValueError, RecursionError) as error:  # ValueError: TOML, JSON and UTF-8
        reason = getattr(error, "strerror", None) or error
        raise ConvscopeError(f"{file.name} cannot be read: {reason}") from error
    if not isinstance(texts, dict):
        raise ConvscopeError(f"{file.name} should hold the parts of a recipe, not {short(texts)}")
    return texts


def compose(
    texts: Mapping[str, Any],
    *,
    image: Tensor | None = None,
    preprocess: Preprocess | None = None,
    folder: Path = Path(),
    closed: bool = False,
) -> Recipe:
    """The recipe that texts describe.

    Args:
        texts: from the name of a part ("start", "objective" and so on) to its text, or to a list of
            texts for "priors". Numbers may be numbers.
        image: the photograph that the name `image` means.
        preprocess: the function that the name `net.preprocess` means.
        folder: the paths of photographs and spectra are relative to it.
        closed: refuse texts that name files, which come from a stranger.

    Raises:
        ConvscopeError: a part or a word is unknown, or an argument is wrong. The message is one
            line that names it.
    """
    digests, packages = _mapping(texts, FILES), _mapping(texts, PACKAGES)
    reader = _Closed if closed else _Reader
    return _composed(texts, reader(image, preprocess, folder, digests, packages))


def foreign_parts(texts: Mapping[str, Any]) -> list[str]:
    """What a recipe names that does not come with convscope, in words. Nothing is opened.

    These are packages or else, where it names no package, paths.
    """
    words = re.findall(r"[^\W\d]\w*", " ".join(_strings(list(texts.values()))))
    packages = filter(None, map(package_of, dict.fromkeys(words)))
    if named := [f"the package {package}" for package in dict.fromkeys(packages)]:
        return named
    reader = _Listing()
    with suppress(ConvscopeError):  # whoever composes it comes as far as this, and then gets it
        _composed(texts, reader)
    return [f"the path {short(path)}" for path in reader.found]


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)


def _composed(texts: Mapping[str, Any], reader: _Reader) -> Recipe:
    parts = {name: text for name, text in texts.items() if name not in (FILES, PACKAGES)}
    known = arguments(Recipe)
    if "seed" in parts:
        raise ConvscopeError("a recipe has no seed; give the seed when you run the recipe")
    for name in parts:
        if name not in known:
            raise unknown("part of recipe", name, known)
    values: dict[str, Any] = {name: reader.part(name, text) for name, text in parts.items()}
    _refuse_missing("recipe", Recipe, values)
    return Recipe(**values)


def _mapping(texts: Mapping[str, Any], name: str) -> Mapping[str, str]:
    found = texts.get(name, {})
    if not isinstance(found, Mapping):
        raise ConvscopeError(f"{name}: should be a table from names to strings, not {short(found)}")
    return found


def _refuse_missing(name: str, word: type, values: Mapping[str, object]) -> None:
    for key, field in arguments(word).items():
        if field.is_required() and key not in values:
            raise ConvscopeError(f"{name}: {key} is missing")


# -------------------------------------------------------------------------- reading


@dataclass
class _Reader:
    """Reads the values of a recipe's parts."""

    image: Tensor | None
    preprocess: Preprocess | None
    folder: Path
    digests: Mapping[str, str]
    packages: Mapping[str, str]

    def part(self, name: str, text: object) -> object:
        """The value of a part; `Recipe` checks that it is of the right kind."""
        if isinstance(text, list | tuple):
            return tuple(self.part(name, one) for one in text)
        if not isinstance(text, str) or (name == "rule" and self.is_rule(text)):
            return text
        with _naming(name, text), quiet():  # about odd backslashes
            # In brackets, so that a text may have several lines.
            return self.value(ast.parse(f"({text}\n)", mode="eval").body)

    def is_rule(self, text: str) -> bool:
        return text in WORDS and issubclass(WORDS[text], Rule)

    def value(self, node: ast.expr) -> object:
        """The value of an expression."""
        match node:
            case ast.Constant(value=str() | int() | float() | None as value):
                return value
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return tuple(map(self.value, items))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.combined(node, operator.mul, -1, self.value(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                values = self.value(left), self.value(right)
                return self.combined(node, _OPERATORS[type(op)], *values)
            case ast.Name(id="image"):
                if self.image is None:
                    raise ConvscopeError("the recipe needs a photograph for `image`; give one")
                return self.image
            case ast.Name(id=name) if name in WORDS:
                raise ConvscopeError(f"{name} is only a name: write {call_of(name)}")
            case ast.Name() | ast.Attribute():
                raise self.unknown_word(ast.unparse(node), (*WORDS, IMAGE, PREPROCESS))
            case ast.Call():
                return self.called(node)
        raise self.refused(node)

    def refused(self, node: ast.AST) -> ConvscopeError:
        return ConvscopeError(
            f"{short(ast.unparse(node))} cannot stand in a recipe; a recipe holds words, numbers,"
            " strings, lists and `image`"
        )

    def unknown_word(self, name: str, known: tuple[str, ...]) -> ConvscopeError:
        if name in self.packages:
            return ConvscopeError(
                f"the word {name!r} comes from the package {self.packages[name]}, which is not"
                " installed; install it"
            )
        return unknown("word", name, known)

    def combined(self, node: ast.expr, sign: Callable[..., Any], *values: object) -> object:
        """The result of an operation on numbers and objectives."""
        try:
            if all(isinstance(v, Objective) or type(v) in (int, float) for v in values):
                return sign(*values)
        except (TypeError, ArithmeticError, ConvscopeError):
            pass
        raise ConvscopeError(f"cannot compute {short(ast.unparse(node))}: {ARITHMETIC}")

    def called(self, node: ast.Call) -> object:
        name = ast.unparse(node.func)
        positional = [self.value(value) for value in node.args]
        if name == PREPROCESS:
            return self.called_preprocess(positional)
        if name == UNWRITABLE:
            raise ConvscopeError(
                f"the recipe was composed in Python with {', '.join(map(str, positional))}, which a"
                " text cannot hold; run it again in Python"
            )
        if name not in WORDS:
            raise self.unknown_word(name, (*WORDS, PREPROCESS))
        return self.word(name, positional, node.keywords)

    def word(self, name: str, positional: list[object], keywords: list[ast.keyword]) -> Word:
        """A word from its arguments, whose types and bounds the word itself checks."""
        word = WORDS[name]
        names = list(arguments(word))
        if len(positional) > len(names):
            known = f"only {', '.join(names)}" if names else "no arguments"
            raise ConvscopeError(f"{name} takes {known}, not {len(positional)} values")
        values = dict(zip(names, positional, strict=False))
        for keyword in keywords:
            if keyword.arg is None:
                raise self.refused(keyword)
            if keyword.arg not in names:
                raise unknown(f"argument of {name}", keyword.arg, names)
            if keyword.arg in values:
                raise ConvscopeError(f"{name}: {keyword.arg} is given twice")
            values[keyword.arg] = self.value(keyword.value)
        _refuse_missing(name, word, values)
        for key, value in values.items():
            if Tensor in (hint := arguments(word)[key].annotation, *get_args(hint)):
                values[key] = self.tensor(value)
        if word is starts.maco and isinstance(path := values.get("spectrum"), str):
            values["spectrum"] = self.spectrum(path)
        return word(**values)

    def called_preprocess(self, positional: list[object]) -> Tensor:
        pixels = self.tensor(positional[0]) if len(positional) == 1 else None
        if not isinstance(pixels, Tensor):
            raise ConvscopeError(f"{PREPROCESS} takes `image` or the path of a photograph")
        if self.preprocess is None:
            raise ConvscopeError(f"{PREPROCESS} needs a network: open_recipe(path, net=net)")
        result = self.preprocess(pixels)
        if result is not pixels:
            preprocessed[result] = pixels
        return result

    def tensor(self, value: object) -> object:
        """A photograph from a path, a vector from numbers; any other value as it is."""
        if isinstance(value, str):
            return self.photograph(value)
        if isinstance(value, tuple) and value and all(type(v) in (int, float) for v in value):
            return torch.tensor(value, dtype=torch.float64)
        return value

    def photograph(self, path: str) -> Tensor:
        sample = path.startswith(images.SAMPLE_PREFIX)
        photo = images.open_image(path if sample else self.folder / path)
        found = images.source(photo)
        assert found is not None
        if self.digests.get(path, found["sha256"]) != found["sha256"]:
            raise ConvscopeError(f"{path} has changed: it is not this recipe's photograph")
        return photo

    def spectrum(self, path: str) -> str:
        file = path if self.folder == Path() else os.path.join(self.folder, path)
        known = self.digests.get(path)
        if known and os.path.isfile(file) and images.digest(file) != known:
            raise ConvscopeError(f"{path} has changed: it is not this recipe's spectrum")
        return file


class _Closed(_Reader):
    """Refuses every path, and opens none."""

    def value(self, node: ast.expr) -> object:
        value = super().value(node)
        if isinstance(value, str) and value.startswith(LIKE):
            raise _not_here(value)
        return value

    def photograph(self, path: str) -> Any:
        raise _not_here(path)

    spectrum = photograph


def _not_here(path: str) -> ConvscopeError:
    return ConvscopeError(f"{short(path)} is a file, and recipes here name none; write `image`")


class _Listing(_Reader):
    """Notes the paths that are named, and opens none of them."""

    def __init__(self) -> None:
        super().__init__(torch.full((1, 3, 1, 1), 0.5), torch.Tensor.detach, Path(), {}, {})
        self.found: list[str] = []

    def value(self, node: ast.expr) -> object:
        value = super().value(node)
        if isinstance(value, str) and value.startswith(LIKE):
            self._note(value.removeprefix(LIKE))
        return value

    def photograph(self, path: str) -> Tensor:
        self._note(path)
        return torch.full((1, 3, 1, 1), 0.5)

    def spectrum(self, path: str) -> str:
        self._note(path)
        return path

    def _note(self, path: str) -> None:
        if not path.startswith(images.SAMPLE_PREFIX):
            self.found.append(path)


@contextmanager
def _naming(part: str, text: str) -> Iterator[None]:
    """Let errors name the part that they are about."""
    try:
        yield
    except SyntaxError as error:
        raise ConvscopeError(f"{part}: {short(text)} cannot be read: {error.msg}") from error
    except (ValueError, OverflowError, MemoryError, RecursionError) as error:
        raise ConvscopeError(f"{part}: {short(text)} cannot be read") from error
    except ConvscopeError as error:
        raise ConvscopeError(f"{part}: {error}") from error
