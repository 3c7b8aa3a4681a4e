"""What to type to make a run's result again, in Python and on the command line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import DEFAULT, Network
from convscope.reports import calls
from convscope.runs import ASCEND, loading_name, needs_image, registry
from convscope.web import recipes
from convscope.web.messages import Source
from convscope.web.models import CallTexts, RunRequest
from convscope.web.requests import Files, Place, file_of, network_for, options


def call_texts(place: Place, request: RunRequest, files: Files) -> CallTexts:
    """The calls of a request, to be typed in the folder that the explorer was started in.

    A file elsewhere has its name, without its folder.

    Raises:
        ConvscopeError: the request cannot be run.
    """
    names = {image: _name(source) for image, source in files.items()}
    photo = None if request.image is None else str(file_of(request.image, names))
    if request.technique == ASCEND:
        return _own_recipe(place, request, photo)
    technique = registry.get(request.technique)
    net = network_for(technique, request, place)
    typed = {name: Path(_typed(path)) for name, path in place.indexes.items()}
    named = replace(place, indexes=typed)
    given = {
        name: _as_text(value) for name, value in options(technique, request, named, names).items()
    }
    photo = photo if technique.takes_image else None
    call = calls.python(
        technique,
        given,
        net=None if net is None else "net",
        image=None if photo is None else "image",
        check=request.check,
    )
    source = None if net is None else _source(net)
    command = calls.command(technique, given, photo, source, check=request.check)
    told = all(map(_can_be_told, given.values()))
    return CallTexts(python=_program(net, photo, call), command=command if told else None)


@dataclass(frozen=True)
class _Other:
    """Another network. Python loads it; the command line has its name, where that says all."""

    net: Network

    def __repr__(self) -> str:
        return f"cs.load({_loading(_source(self.net))})"

    def __str__(self) -> str:
        return loading_name(self.net) or ""


def _as_text(value: object) -> object:
    """The value of an option as it is typed."""
    if isinstance(value, list):
        return tuple(map(_as_text, value))
    return _Other(value) if isinstance(value, Network) else value


def _can_be_told(value: object) -> bool:
    """Whether the command line can take a value: not a network that has more than a name."""
    parts = value if isinstance(value, tuple) else (value,)
    return all(str(one) for one in parts if isinstance(one, _Other))


def _name(source: Source) -> str:
    """A file as a user would type it."""
    text = str(source)
    return text if text.startswith(images.SAMPLE_PREFIX) else _typed(Path(text))


def _typed(path: Path) -> str:
    here, path = Path.cwd().resolve(), path.resolve()
    return str(path.relative_to(here)) if path.is_relative_to(here) else path.name


def _own_recipe(place: Place, request: RunRequest, photo: str | None) -> CallTexts:
    if request.recipe is None:
        raise ConvscopeError("ascend needs a recipe")
    net, texts = place.networks.get(request.network), recipes.texts_of(request.recipe)
    used = photo if needs_image(texts) else None
    seed = request.options.get("seed", 0)
    arguments = ["net", "recipe", *(["image"] if used else []), *([f"seed={seed}"] if seed else [])]
    call = f'cs.ascend({", ".join(arguments)}).save("ascend.png")'
    lines = [f"    {name!r}: {value!r},\n" for name, value in texts.items()]
    recipe = "".join(["recipe = {\n", *lines, "}\n"])
    words = ["convscope", ASCEND, "recipe.toml", *([used] if used else [])]
    words += ["--seed", str(seed)] if seed else []
    words += [*calls.network_words(_source(net), DEFAULT), "-o", "ascend.png"]
    return CallTexts(python=_program(net, used, recipe + call), command=shlex.join(words))


def _source(net: Network) -> dict[str, Any]:
    """How a network was loaded, with its files as a user would type them."""
    source = net.source or {"name": net.name, "pretrained": True, "checkpoint": None}
    return {key: _as_typed(value) for key, value in source.items()}


def _as_typed(value: object) -> object:
    path = isinstance(value, str) and Path(value).is_absolute()
    return _typed(Path(str(value))) if path else value


def _program(net: Network | None, photo: str | None, call: str) -> str:
    """A whole program that ends in a call."""
    lines = ["import convscope as cs\n"]
    if net is not None:
        lines.append(f"net = cs.load({_loading(_source(net))})")
    if photo is not None:
        lines.append(f"image = cs.open_image({photo!r})")
    return "\n".join([*lines, call]) + "\n"


def _loading(source: Mapping[str, Any]) -> str:
    """The arguments of `load`, without those that are usual."""
    given = {
        word: value
        for word, value in source.items()
        if word not in ("name", "checkpoint_sha256", "labels") and value is not None
        if (word, value) != ("pretrained", True)
    }
    if given.get("checkpoint"):
        given.pop("pretrained", None)
    words = [f"{word}={value!r}" for word, value in given.items()]
    name = [] if source["name"] == DEFAULT else [repr(source["name"])]
    return ", ".join([*name, *words])
