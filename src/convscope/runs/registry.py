"""`@technique` makes the Python call, the command and the documentation from one signature.

    @technique(title="Saliency map", paper="Simonyan et al. 2014", url="https://...")
    def saliency(net: Network, image: Tensor, *, target: TargetName = None) -> Iterator[Frame]:
        \"\"\"Which pixels, changed a little, change the score most.\"\"\"

The first parameter is the network `net`, the second the `image`; a technique leaves out what it
does not take, and callers may leave out an `image: Tensor | None = None`. All others are
keyword-only options. The annotation of an option has its type, bounds and description, and its
default stands in the signature. The type of the frames says what a result has:
`Iterator[HeatmapFrame]` makes `result.heatmap` an array that is always there, and
`Iterator[Frame[S]]` makes `S`, a TypedDict, the type of `result.summary`.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, Protocol, TypeAlias, cast, get_args, overload

from pydantic import BaseModel, ConfigDict, create_model
from torch import Tensor
from typing_extensions import TypeVar

from convscope.errors import ConvscopeError, unknown
from convscope.network import DEFAULT, Network
from convscope.plugins import PluginWarning, load_plugin, plugin_error
from convscope.runs import catalog, signatures
from convscope.runs.films import VideoRun
from convscope.runs.options import check_image, check_network, validated
from convscope.runs.result import (
    AscentResult,
    GradientHeatmapResult,
    HeatmapResult,
    ImageResult,
    Result,
)
from convscope.runs.run import Run
from convscope.types import Ascent, Frame, GradientHeatmapFrame, HeatmapFrame, ImageFrame

P = ParamSpec("P")
OnVideo: TypeAlias = Callable[[Path, Path, Mapping[str, Any]], VideoRun]
S = TypeVar("S")


@dataclass(frozen=True)
class Technique:
    """A registered technique.

    Attributes:
        name: the name of its function.
        title: its name in the documentation.
        summary: the first line of its docstring, one sentence.
        description: the rest of its docstring.
        paper: the authors and the year.
        url: the address of the paper.
        function: the generator of frames.
        takes_image: whether its second argument is a photograph.
        needs_image: whether it cannot do without one.
        attribution: whether it says how much each pixel has to do with a target.
        batch: whether it takes several images at a time.
        command: its name on the command line.
        chapter: the chapter under which the command line lists it.
        network_use: whether it needs the network ("needed"), makes use of it where there is one
            ("useful"), finds all in an index ("unused"), or takes no network at all ("none").
        network: the name of the network that its command loads if none is named.
        climbs: whether it may optimize an image, so that a stopped run can be continued.
        video: makes the run for a video, of its path, that of the new video and the options; None
            for a technique that takes no videos.
        model: its options, as a pydantic model.
    """

    name: str
    title: str
    summary: str
    description: str
    paper: str
    url: str
    function: Callable[..., Iterator[Frame]]
    takes_image: bool
    needs_image: bool
    attribution: bool
    batch: bool
    command: str
    chapter: str
    network_use: Literal["needed", "useful", "unused", "none"]
    network: str
    climbs: bool
    video: OnVideo | None
    model: type[BaseModel]

    @property
    def takes_network(self) -> bool:
        """Whether its first argument is a network."""
        return self.network_use != "none"

    def validate(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options, converted, and complete with their defaults.

        Raises:
            ConvscopeError: an unknown option (the nearest is named) or a value out of bounds.
        """
        return validated(self.name, self.model, options)

    def run(self, net: Network | None = None, image: Tensor | None = None, **options: Any) -> Run:
        """The run of this technique with these arguments; nothing is computed yet.

        Raises:
            ConvscopeError: an argument that is wrong for this technique or this network.
        """
        if net is not None and not self.takes_network:
            raise ConvscopeError(f"{self.name} takes no network; leave it out")
        if net is not None or self.network_use == "needed":
            check_network(self.name, net)
        if image is not None and not self.takes_image:
            raise ConvscopeError(f"{self.name} takes no image")
        if image is not None or self.needs_image:
            check_image(self.name, net, image, batch=self.batch)
        options = self.validate(options)
        target = options.get("target")
        for name in target if isinstance(target, tuple) else (target,):
            if name is not None and net is not None:
                net.target(name)
        inputs = self.inputs(net, image).values()
        return Run(self.name, lambda: self.function(*inputs, **options), net, image, options)

    def inputs(self, net: Any, image: Any) -> dict[str, Any]:
        """Of a network and an image, what it takes, by the name of the parameter."""
        taken = {"net": net} if self.takes_network else {}
        return taken | ({"image": image} if self.takes_image else {})

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the options."""
        return self.model.model_json_schema()


class _Register(Protocol):
    """From a generator of frames to a function that gives a `Run` of the matching results."""

    @overload
    def __call__(
        self, function: Callable[P, Iterator[GradientHeatmapFrame[S]]]
    ) -> Callable[P, Run[GradientHeatmapResult[S]]]: ...
    @overload
    def __call__(
        self, function: Callable[P, Iterator[HeatmapFrame[S]]]
    ) -> Callable[P, Run[HeatmapResult[S]]]: ...
    @overload
    def __call__(
        self, function: Callable[P, Iterator[Ascent[S]]]
    ) -> Callable[P, Run[AscentResult[S]]]: ...
    @overload
    def __call__(
        self, function: Callable[P, Iterator[ImageFrame[S]]]
    ) -> Callable[P, Run[ImageResult[S]]]: ...
    @overload
    def __call__(
        self, function: Callable[P, Iterator[Frame[S]]]
    ) -> Callable[P, Run[Result[S]]]: ...


_registered: dict[str, Technique] = {}


def technique(
    *,
    title: str,
    paper: str,
    url: str,
    attribution: bool = False,
    batch: bool = True,
    command: str | None = None,
    chapter: str = catalog.PLUG_INS,
    network: str = DEFAULT,
    climbs: bool = False,
    video: OnVideo | None = None,
) -> _Register:
    """Register a generator of frames as a technique under its own name.

    The decorated function returns a `Run`. Its docstring begins with one sentence, which the
    command line and the documentation show.

    Args:
        title: the technique's name in the documentation.
        paper: the authors and the year.
        url: the address of the paper.
        attribution: whether the technique says how much each pixel has to do with a `target`, by a
            heatmap or else by a gradient. `check` then judges its results, and `compare` shows them
            beside others.
        batch: whether the technique takes several images at a time.
        command: its name on the command line; the function's name if not given.
        chapter: the chapter under which the command line lists it, one of
            `convscope.runs.catalog.CHAPTERS`; that of plug-ins if not given.
        network: the name of the network that the command loads if none is named.
        climbs: whether the technique optimizes an image by `climb`, so that a stopped run can be
            continued; those of a plug-in may without saying so.
        video: makes the run for a video, of its path, that of the new video and the options.
    """
    if chapter not in catalog.CHAPTERS:
        raise unknown("chapter", chapter, catalog.CHAPTERS)

    def register(function: Callable[..., Iterator[Frame]]) -> Callable[..., Run]:
        entry = _read(
            function,
            title,
            paper,
            url,
            attribution,
            batch,
            command,
            chapter,
            network,
            climbs,
            video,
        )
        module = function.__module__
        catalog.add(catalog.Entry(entry.name, entry.command, module, entry.summary, chapter))
        _registered[entry.name] = entry
        return _call(entry)

    return cast(_Register, register)


def _read(
    function: Callable[..., Iterator[Frame]],
    title: str,
    paper: str,
    url: str,
    attribution: bool,
    batch: bool,
    command: str | None,
    chapter: str,
    network: str,
    climbs: bool,
    video: OnVideo | None,
) -> Technique:
    """What a function's name, docstring and signature say of the technique."""
    parameters = inspect.signature(function, eval_str=True).parameters
    fields: dict[str, Any] = {
        p.name: (p.annotation, ... if p.default is p.empty else p.default)
        for p in parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }
    name = function.__name__
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    text = inspect.getdoc(function) or ""
    return Technique(
        name=name,
        title=title,
        summary=text.partition("\n")[0],
        description=text.partition("\n\n")[2],
        paper=paper,
        url=url,
        function=function,
        takes_image="image" in parameters,
        needs_image="image" in parameters and not _may_be_none(parameters["image"]),
        attribution=attribution,
        batch=batch,
        command=command or name,
        chapter=chapter,
        network_use=_use_of_network(parameters.get("net")),
        network=network,
        climbs=climbs or chapter in (catalog.CLIMBS, catalog.PLUG_INS),
        video=video,
        model=create_model(name, __config__=config, **fields),
    )


def _use_of_network(
    net: inspect.Parameter | None,
) -> Literal["needed", "useful", "unused", "none"]:
    """From the parameter `net`: its annotation may be `Network | None`, and its default None."""
    if net is None:
        return "none"
    if net.default is None:
        return "unused"
    return "useful" if _may_be_none(net) else "needed"


def _may_be_none(parameter: inspect.Parameter) -> bool:
    return type(None) in get_args(parameter.annotation)


def _call(entry: Technique) -> Callable[..., Run]:
    """The function that users call, with a signature and a docstring for them."""

    inputs = tuple(entry.inputs("net", "image"))

    @wraps(entry.function)
    def call(*args: Any, **options: Any) -> Run:
        if len(args) > len(inputs):
            example = f"{entry.name}({', '.join([*inputs, 'name=value'])})"
            raise ConvscopeError(f"{entry.name} is called as in {example}; options go by keyword")
        return entry.run(**dict(zip(inputs, args, strict=False)), **options)

    signature = signatures.readable(entry.function)
    call.__signature__ = signature  # type: ignore[attr-defined]
    types = {name: p.annotation for name, p in signature.parameters.items()}
    call.__annotations__ = {**types, "return": signature.return_annotation}
    reference = f"{entry.paper}, {entry.url}"
    call.__doc__ = signatures.docstring(entry.function, entry.model, reference)
    return call


def get(name: str) -> Technique:
    """The technique of that name; its module is imported if it was not yet.

    Raises:
        ConvscopeError: there is none, or the package that adds it cannot be imported.
    """
    if name not in _registered:
        entry = catalog.techniques().get(name)
        if entry is None:
            raise unknown("technique", name, catalog.techniques())
        if entry.point is None:
            importlib.import_module(entry.module)
        else:
            load_plugin(entry.point)
            if name not in _registered:
                raise plugin_error(entry.point, f"registers no technique {name!r}")
    return _registered[name]


def techniques() -> tuple[Technique, ...]:
    """All techniques, in alphabetical order.

    Warns:
        PluginWarning: a technique of another package that cannot be imported is left out.
    """
    found = []
    for name in names():
        try:
            found.append(get(name))
        except ConvscopeError as error:
            warnings.warn(str(error), PluginWarning, stacklevel=2)
    return tuple(found)


def names() -> tuple[str, ...]:
    """The names of all techniques, in alphabetical order."""
    return tuple(catalog.techniques())
