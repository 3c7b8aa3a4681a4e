"""`@technique`: one signature makes the Python call, the command line option, the web form and the
documentation.

    @technique(title="Saliency map", paper="Simonyan et al. 2014", url="https://...")
    def saliency(net: Network, image: Tensor, *, target: TargetName = None) -> Iterator[Frame]:
        \"\"\"Which pixels, changed a little, change the score most.\"\"\"

The first parameter is the network, the second the image if the technique takes one; all others are
keyword-only, declared once: type, bounds and description in the annotation, default in its place.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, ParamSpec

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from torch import Tensor

from convscope import _catalogue
from convscope.errors import ConvscopeError, unknown
from convscope.network import Network
from convscope.run import Run
from convscope.types import Frame

P = ParamSpec("P")

TargetName = Annotated[
    str | int | None,
    Field(
        description="what to explain: a class (tabby, 281), a layer (blocks.4), a channel"
        " (blocks.4:12) or a neuron (blocks.4:12@7,7); the top class if not given"
    ),
]
TargetNames = Annotated[
    str | int | tuple[str | int, ...] | None,
    Field(
        description="what to explain: a class (tabby, 281), a layer (blocks.4), a channel"
        " (blocks.4:12) or a neuron (blocks.4:12@7,7); the top class if not given"
    ),
]


def _absolute(path: object) -> object:
    return os.path.abspath(path) if isinstance(path, str | os.PathLike) else path


IndexPath = Annotated[
    str,
    BeforeValidator(_absolute),
    Field(description="of a collection of images, as `convscope index FOLDER -o INDEX` makes it"),
]
Seed = Annotated[int, Field(ge=0, lt=2**63, description="chooses the random numbers")]


@dataclass(frozen=True)
class Technique:
    """A technique as the faces see it."""

    name: str
    title: str
    summary: str
    description: str
    paper: str
    url: str
    function: Callable[..., Iterator[Frame]]
    takes_image: bool
    attribution: bool
    model: type[BaseModel]

    def validate(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters complete with their defaults.

        Raises:
            ConvscopeError: an unknown word (the nearest is named) or a value out of bounds.
        """
        return validated(self.name, self.model, parameters)

    def run(self, net: Network, image: Tensor | None = None, **parameters: Any) -> Run:
        """Ready to run; nothing is computed yet, but everything is checked that can be."""
        check_network(self.name, net)
        if self.takes_image:
            check_image(self.name, net, image)
        elif image is not None:
            raise ConvscopeError(f"{self.name} takes no image")
        parameters = self.validate(parameters)
        target = parameters.get("target")
        for word in target if isinstance(target, tuple) else (target,):
            if word is not None:
                net.target(word)
        first = (net, image) if self.takes_image else (net,)
        return Run(self.name, lambda: self.function(*first, **parameters), net, image, parameters)

    def schema(self) -> dict[str, Any]:
        """JSON schema of the parameters."""
        return self.model.model_json_schema()


_registered: dict[str, Technique] = {}


def technique(
    *, title: str, paper: str, url: str, attribution: bool = False
) -> Callable[[Callable[P, Iterator[Frame]]], Callable[P, Run]]:
    """Register a generator of frames under its own name; calling it then gives a `Run`.

    An `attribution` says how much each pixel has to do with a `target`, by a heat map or else by a
    gradient: `check` then tells how far it can be trusted, and `compare` sets it beside others.
    """

    def register(function: Callable[P, Iterator[Frame]]) -> Callable[P, Run]:
        signature = inspect.signature(function, eval_str=True)
        words = list(signature.parameters.values())
        options = [p for p in words if p.kind is p.KEYWORD_ONLY]
        config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
        fields: dict[str, Any] = {
            p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in options
        }
        name = function.__name__
        documentation = inspect.getdoc(function) or ""
        entry = Technique(
            name=name,
            title=title,
            summary=documentation.partition("\n")[0],
            description=documentation.partition("\n\n")[2],
            paper=paper,
            url=url,
            function=function,
            takes_image="image" in signature.parameters,
            attribution=attribution,
            model=create_model(name, __config__=config, **fields),
        )
        _registered[name] = entry
        _catalogue.add(_catalogue.Entry(name, function.__module__, entry.summary))

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Run:
            if len(args) > 2:
                raise ConvscopeError(
                    f"{name}: options go by keyword, as in {name}(net, image, k=v)"
                )
            return entry.run(*args, **kwargs)  # type: ignore[arg-type]

        return call

    return register


def get(name: str) -> Technique:
    """The technique of that name, imported now if it was not yet."""
    if name not in _registered:
        entry = _catalogue.techniques().get(name)
        if entry is None:
            raise unknown("technique", name, _catalogue.techniques())
        importlib.import_module(entry.module)
    return _registered[name]


def names() -> tuple[str, ...]:
    """All techniques, in alphabetical order."""
    return tuple(_catalogue.techniques())


def validated(
    name: str, model: type[BaseModel], values: Mapping[str, Any], kind: str = "option"
) -> dict[str, Any]:
    """Values complete with the defaults of a model.

    Raises:
        ConvscopeError: one that the model has not (the nearest is named), of another type or out of
            bounds.
    """
    for word in values:
        if word not in model.model_fields:
            raise unknown(f"{kind} of {name}", word, model.model_fields)
    try:
        return dict(model(**values))
    except ValidationError as error:
        first, *others = error.errors()
        where = str(first["loc"][0]) if first["loc"] else "parameters"
        got = "" if first["type"] == "missing" else f", not {short(first['input'])}"
        message = first["msg"][0].lower() + first["msg"][1:]
        for other in others:  # of a union, what else it might have been
            kinds = other["msg"].removeprefix("Input should be ")
            if other["loc"][:1] == first["loc"][:1] and kinds not in message:
                message += f" or {kinds}"
        raise ConvscopeError(f"{name}: {where}: {message}{got}") from error


def check_network(name: str, net: Network) -> None:
    """Fail where a technique gets anything else first."""
    if not isinstance(net, Network):
        raise ConvscopeError(
            f"{name} needs a Network first (load() or Network(module, ...)),"
            f" not {type(net).__name__}"
        )


def check_image(name: str, net: Network, image: Tensor | None) -> None:
    """Fail where there is no image, or one that is not RGB in [0, 1]."""
    if image is None:
        raise ConvscopeError(f"{name} needs an image: {name}(net, open_image('photo.jpg'))")
    pixels = net.as_input(image)
    if not pixels.numel():
        raise ConvscopeError(f"an image of shape {tuple(image.shape)} holds no pixel")
    low, high = (float(v) for v in pixels.detach().aminmax())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also false for NaN
        raise ConvscopeError(
            f"images hold RGB in [0, 1], not {low:.3g} to {high:.3g}; divide bytes by 255, and do"
            " not normalise: the network does"
        )


def short(value: object) -> str:
    """A value in a few letters, for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:80]}..."
