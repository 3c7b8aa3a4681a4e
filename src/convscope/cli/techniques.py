"""A command made of a technique's signature."""

from __future__ import annotations

import builtins
import operator
import re
import types
import typing
from collections.abc import Callable
from functools import partial, reduce
from inspect import Parameter as Argument
from inspect import Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

from cyclopts import Parameter
from typing_extensions import is_typeddict

from convscope.cli.options import (
    FORMATS,
    SEVERAL,
    ImagePaths,
    Json,
    NetworkOptions,
    PathText,
    PictureOptions,
    Resume,
    VideoPaths,
    network_options,
    output_option,
)
from convscope.cli.saving import save_pictures
from convscope.cli.videos import is_video, save_video

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from convscope.runs import Technique

Check = Annotated[
    bool,
    Parameter(
        help="also test how far the heatmap can be trusted, and add the results to the picture"
    ),
]


def technique_command(name: str) -> Callable[..., int]:
    """A function with the options of a technique, and those that all techniques share."""
    from convscope.runs import registry

    technique = registry.get(name)

    def command(*image: str, **words: Any) -> int:
        options = {word: words.pop(word) for word in technique.model.model_fields if word in words}
        # What is not given is not passed on, so the default of the signature would be lost.
        network = words.pop("network", network_options(technique.network)())
        return _run(technique, network, options, *image, **words)

    fields = technique.model.model_fields.items()
    one = technique.takes_image  # a command takes one photograph at a time
    arguments = [_keyword(word, *_typed(word, field, one)) for word, field in fields]
    if technique.takes_image:
        path = VideoPaths if technique.video else ImagePaths
        arguments.insert(0, _photograph(path, technique.needs_image))
    if technique.attribution:
        arguments.append(_keyword("check", Check, False))
    arguments.append(_keyword("output", _output(technique), None))
    if technique.climbs:
        arguments.append(_keyword("resume", Resume, False))
    arguments.append(_keyword("json", Json, False))
    if technique.takes_network:
        kind = network_options(technique.network)
        arguments.append(_keyword("network", kind, kind()))
    command.__signature__ = Signature(arguments)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in arguments}
    paper = f"{technique.paper}: {technique.url}"
    command.__doc__ = f"{technique.summary}\n\n{_unwrapped(technique.description)}\n\n{paper}"
    return command


def _unwrapped(text: str) -> str:
    """Each paragraph in one line, which the terminal wraps at its own width."""
    return re.sub(r"(?<!\n)\n(?![\n -])", " ", text)


def _output(technique: Technique) -> Any:
    """The option `-o`: what this technique writes."""
    name, folder = f"{technique.command}.png", ""
    if technique.takes_image:
        name = f"{technique.command}-IMAGE.png"
        folder = "; a folder, if the input is a folder of photographs"
        if technique.video:
            folder += f"; for a video, by default {technique.command}-VIDEO.mp4: .mp4, .mov or .mkv"
    table = "; or in .csv for the table" if _has_table(technique) else ""
    help_ = f"picture to write, by default {name}: {FORMATS}{table}{folder}"
    return Annotated[Path | None, output_option(help_)]


def _has_table(technique: Technique) -> bool:
    """Whether the summary has a list of rows."""
    from convscope.runs import frame_and_summary

    _, summary = frame_and_summary(technique.function)
    kinds = get_type_hints(summary).values() if is_typeddict(summary) else ()
    return any(get_origin(kind) is list and is_typeddict(*get_args(kind)) for kind in kinds)


def _typed(name: str, field: FieldInfo, one_image: bool) -> tuple[Any, Any]:
    """The type that an option's words are converted to, with its help, and the option's default.

    What may be one or several is one for each image.
    """
    from convscope.runs import FILES, format_of

    kinds = get_args(field.annotation)
    typed = tuple(kind for kind in kinds if "SkipJsonSchema" not in str(kind))  # objects
    kind = _without_bounds(field.annotation if typed == kinds else reduce(operator.or_, typed))
    alone = () if get_origin(kind) is tuple else get_args(kind)
    text, texts = str in (kind, *alone), "..." in str(kind)
    several = texts and not (text and one_image)
    help_ = "; ".join([field.description or "", *([SEVERAL] if several else [])])
    if format_of(field) in FILES:
        path: Any = tuple[PathText, ...] if texts else PathText
        kind = path | None if type(None) in get_args(kind) else path
    parameter = Parameter(help=help_, metavar=name.upper() if text or texts else None)
    return Annotated[kind, parameter], Argument.empty if field.is_required() else field.default


def _without_bounds(kind: Any) -> Any:
    """A type without what the technique checks itself, in words of its own."""
    parts = tuple(map(_without_bounds, get_args(kind)))
    match get_origin(kind):
        case typing.Annotated:
            return parts[0]
        case builtins.tuple:
            several: Any = tuple
            return several[parts]
        case types.UnionType | typing.Union:
            return reduce(operator.or_, parts)
    return kind


def _photograph(kind: Any, needed: bool) -> Argument:
    if needed:
        return Argument("image", Argument.POSITIONAL_ONLY, annotation=kind)
    return Argument("image", Argument.POSITIONAL_ONLY, default=None, annotation=kind | None)


def _keyword(name: str, kind: Any, default: Any) -> Argument:
    return Argument(name, Argument.KEYWORD_ONLY, default=default, annotation=kind)


def _run(
    technique: Technique,
    network: NetworkOptions,
    options: dict[str, Any],
    image: str | None = None,
    *,
    check: bool = False,
    output: Path | None = None,
    resume: bool = False,
    json: bool = False,
) -> int:
    options = technique.validate(options)
    picture = PictureOptions(output, resume, json)
    if technique.video and image is not None and is_video(image):
        return save_video(technique, image, options, picture)
    begin = partial(technique.run, **options)
    load = partial(network.for_use, technique.network_use, options.get("index"))
    return save_pictures(technique.command, begin, load, image, picture, check=check)
