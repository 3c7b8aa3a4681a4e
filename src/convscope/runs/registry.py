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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec

from pydantic import (
    BaseModel,
    ConfigDict,
    create_model,
)
from torch import Tensor

from convscope.errors import ConvscopeError, unknown
from convscope.network import Network
from convscope.runs import catalog
from convscope.runs.options import check_image, check_network, validated
from convscope.runs.run import Run
from convscope.types import Frame

P = ParamSpec("P")


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
    batch: bool
    command: str
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
            check_image(self.name, net, image, batch=self.batch)
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
    *,
    title: str,
    paper: str,
    url: str,
    attribution: bool = False,
    batch: bool = True,
    command: str | None = None,
) -> Callable[[Callable[P, Iterator[Frame]]], Callable[P, Run]]:
    """Register a generator of frames under its own name; calling it then gives a `Run`.

    An `attribution` says how much each pixel has to do with a `target`, by a heat map or else by a
    gradient: `check` then tells how far it can be trusted, and `compare` sets it beside others.

    A technique that takes one image at a time has `batch=False`. `command` is its name on the
    command line, where that is not the function's.
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
            batch=batch,
            command=command or name,
            model=create_model(name, __config__=config, **fields),
        )
        _registered[name] = entry
        catalog.add(catalog.Entry(name, entry.command, function.__module__, entry.summary))

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
        entry = catalog.techniques().get(name)
        if entry is None:
            raise unknown("technique", name, catalog.techniques())
        importlib.import_module(entry.module)
    return _registered[name]


def names() -> tuple[str, ...]:
    """All techniques, in alphabetical order."""
    return tuple(catalog.techniques())
