"""The options that many techniques share, and how options, networks and images are checked."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, SupportsIndex

from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic.json_schema import SkipJsonSchema
from torch import Tensor

from convscope.errors import ConvscopeError, invalid, unknown
from convscope.files import images
from convscope.network import Network, check_shape, load
from convscope.types import LIKE, Target, TargetLike

_TARGET = (
    "what to explain: a class (tabby, 281), a layer (blocks.4), a channel (blocks.4:12), a neuron"
    " (blocks.4:12@7,7), a class at a place of a map (tabby@7,7) or in a region or box"
    " (tabby@2,3,5,6), a class of one of several outputs (color=red), or the similarity to another"
    " image (like:cat.jpg); the top class if not given"
)


# Formats of the JSON schemas of options that name files: a photograph, an index, any other.
FILES = ("image", "index", "path")


def _target(value: object) -> object:
    """A target as a name or a number, which a saved picture can carry."""
    if isinstance(value, Target):
        value = value.spec
    if isinstance(value, str) and value.startswith(LIKE):
        return _other_image(value)
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        return value.__index__()
    return value


def _other_image(target: str) -> str:
    """A target like:PATH with the absolute path of its file, and what the file holds."""
    path, _, digits = target.removeprefix(LIKE).partition("#")
    if path.startswith(images.SAMPLE_PREFIX) or digits or not os.path.isfile(path):
        return target
    return f"{LIKE}{os.path.abspath(path)}#{images.digest(path)[:16]}"


def _targets(value: object) -> object:
    if not isinstance(value, list | tuple):
        return _target(value)
    if not value:
        raise ValueError("an empty list names no target")
    return tuple(map(_target, value))


def _target_tuple(value: object) -> object:
    return _targets(_several(value))


def _several(value: Any) -> tuple[Any, ...]:
    """One value of an option, or several of them, as a tuple."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def absolute_path(path: object) -> object:
    """A file that an option names, wherever the process runs that replays a saved picture."""
    return os.path.abspath(path) if isinstance(path, str | os.PathLike) else path


# What a caller may write, for type checkers; and what the validators make of it, for a technique's
# body, the command line and a saved picture.
if TYPE_CHECKING:
    OneTarget = TargetLike
    TargetName = TargetLike | None
    Targets = TargetLike | Sequence[TargetLike]
    TargetList = Targets
    TargetNames = TargetName | Sequence[TargetLike]
    IndexPath = str | os.PathLike[str]
    Networks = str | Network | Sequence[str | Network]
else:
    _about = Field(description=_TARGET, json_schema_extra={"format": "target"})
    _named = Field(json_schema_extra={"format": "target"})
    OneTarget = Annotated[str | int, BeforeValidator(_target), _named]
    TargetName = Annotated[str | int | None, BeforeValidator(_target), _about]
    Targets = Annotated[str | int | tuple[str | int, ...], BeforeValidator(_targets), _named]
    TargetList = Annotated[tuple[str | int, ...], BeforeValidator(_target_tuple), _named]
    TargetNames = Annotated[
        str | int | tuple[str | int, ...] | None, BeforeValidator(_targets), _about
    ]
    IndexPath = Annotated[
        str,
        BeforeValidator(absolute_path),
        Field(
            description="folder of the index of a collection of images, as"
            " `convscope index FOLDER -o INDEX` makes it",
            json_schema_extra={"format": "index"},
        ),
    ]
    Networks = Annotated[
        tuple[str, ...] | SkipJsonSchema[tuple[str | Network, ...]],
        BeforeValidator(_several),
        Field(
            max_length=12,
            description="other networks, by names that --model takes",
            json_schema_extra={"format": "network"},
        ),
    ]


def opened_networks(net: Network, nets: Networks) -> dict[str, Network]:
    """A network and others by name, the first one first. Names are loaded on its device.

    Raises:
        ConvscopeError: one is unknown, or has other classes than the first.
    """
    found = {net.name: net}
    for one in _several(nets):
        if any(one is known or one == loading_name(known) for known in found.values()):
            continue
        other = load(one, device=net.device) if isinstance(one, str) else one
        _check_classes(net, other)
        number = 1 + sum(known.name == other.name for known in found.values())
        found[other.name if number == 1 else f"{other.name} {number}"] = other
    return found


def loading_name(net: Network) -> str | None:
    """The name that is all that `load` needs to make this network; None for any other."""
    source = {word: one for word, one in (net.source or {}).items() if one is not None}
    if source.keys() == {"name", "pretrained"} and source["pretrained"]:
        return str(source["name"])
    return None


def _check_classes(net: Network, other: Network) -> None:
    first, second = net.outputs.classes(), other.outputs.classes()
    if first.num_classes != second.num_classes:
        raise ConvscopeError(
            f"{other.name} has {second.num_classes} classes, and {net.name} has"
            f" {first.num_classes}; choose networks with the same classes"
        )
    # Synonyms happen: the labels of ImageNet differ a little from one package to another.
    same = sum(one == another for one, another in zip(net.labels, other.labels, strict=False))
    if net.labels and other.labels and same < len(net.labels) / 2:
        raise ConvscopeError(
            f"the classes of {other.name} have other names than those of {net.name}, or another"
            " order; choose networks with the same classes"
        )


def image_name(image: object) -> object:
    """Another image that an option names: its full path, so that a saved picture can be replayed.

    A tensor that does not come from a file stays as it is.
    """
    if isinstance(image, Tensor):
        source = images.source(image)
        return image if source is None else source["path"]
    if isinstance(image, str | os.PathLike):
        name = os.fspath(image)
        return name if name.startswith(images.SAMPLE_PREFIX) else os.path.abspath(name)
    return image


def image_names(given: object) -> object:
    """One other image that an option names or several, each as `image_name`."""
    return tuple(map(image_name, _several(given)))


ImageSize = Annotated[
    int | None,
    Field(
        ge=16,
        le=4096,
        description="width and height of the image in pixels; if not given, those of the network's"
        " input",
    ),
]


def as_targets(target: Targets) -> Sequence[TargetLike]:
    """One target or several, as a sequence."""
    return (target,) if isinstance(target, TargetLike) else target


Seed = Annotated[int, Field(ge=0, lt=2**63, description="random seed")]


def name_and_weight(text: str) -> tuple[str, float]:
    """The two parts of `name*weight`; a `name` alone has the weight 1."""
    name, star, weight = (part.strip() for part in text.partition("*"))
    try:
        factor = float(weight) if star else 1.0
    except ValueError:
        factor = math.nan
    if factor == 0 or not math.isfinite(factor):
        raise ConvscopeError(
            f"{text!r}: the weight of a layer must be a number other than 0, as in {name}*0.5"
        )
    return name, factor


def validated(
    name: str, model: type[BaseModel], values: Mapping[str, Any], kind: str = "option"
) -> dict[str, Any]:
    """Values converted to the types of a model, and complete with its defaults.

    Args:
        name: what has these options, for messages.
        model: their types, bounds and defaults.
        values: the options that are given.
        kind: what a value is called in messages.

    Raises:
        ConvscopeError: a value that the model does not have (the nearest is named), of another type
            or out of bounds.
    """
    for given in values:
        if given not in model.model_fields:
            raise unknown(f"{kind} of {name}", given, model.model_fields)
    try:
        return dict(model(**values))
    except ValidationError as error:
        raise invalid(name, error) from error


def format_of(field: FieldInfo | None) -> str | None:
    """What the texts of an option mean: "target", "layer", "network", one of `FILES`, or None."""
    extra = None if field is None else field.json_schema_extra
    return str(extra["format"]) if isinstance(extra, dict) and "format" in extra else None


def named_files(model: type[BaseModel], values: Mapping[str, Any]) -> Iterator[str]:
    """The paths that options name, as a picture carries them; nothing is opened.

    Args:
        model: the types of the options.
        values: the options.
    """
    for kind, one in _texts(model, values):
        path = one.removeprefix(LIKE)
        if (kind in FILES or path != one) and not path.startswith(images.SAMPLE_PREFIX):
            yield path


def named_networks(model: type[BaseModel], values: Mapping[str, Any]) -> Iterator[str]:
    """The networks that options name, as a picture carries them; nothing is loaded.

    Args:
        model: the types of the options.
        values: the options.
    """
    for kind, one in _texts(model, values):
        if kind == "network":
            yield one


def _texts(model: type[BaseModel], values: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """All texts among options, each with the format of its option."""
    for name, value in values.items():
        kind = format_of(model.model_fields.get(name))
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                yield kind, one


def check_network(name: str, net: Network | None) -> None:
    """Raise an error if what a technique gets first is no network."""
    if not isinstance(net, Network):
        raise ConvscopeError(
            f"{name} needs a Network first (load() or Network(module, ...)),"
            f" not {type(net).__name__}"
        )


def check_image(
    name: str, net: Network | None, image: Tensor | None, *, batch: bool = True
) -> None:
    """Raise an error if there is no image, or one that is not RGB in [0, 1].

    Args:
        name: the technique, for messages.
        net: the network that takes the image, if there is one.
        image: (N, 3, H, W).
        batch: whether N may be above 1.
    """
    if image is None:
        first = "" if net is None else "net, "
        raise ConvscopeError(f"{name} needs an image: {name}({first}open_image('photo.jpg'))")
    pixels = _rgb(name, image) if net is None else net.as_input(image)
    if not pixels.numel():
        raise ConvscopeError(f"an image of shape {tuple(image.shape)} has no pixels")
    if not batch and len(image) != 1:
        raise ConvscopeError(f"{name} takes one image at a time, not {len(image)}")
    low, high = (float(v) for v in pixels.detach().aminmax())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also false for NaN
        raise ConvscopeError(
            f"the pixels of an image run from 0 to 1, not from {low:.3g} to {high:.3g}; divide"
            " bytes by 255, and do not normalize, because the network does"
        )


def _rgb(name: str, image: Tensor) -> Tensor:
    """The image itself, where no network says how many channels it takes."""
    check_shape(image)
    if image.shape[1] != 3:
        raise ConvscopeError(f"{name} takes 3 channels, not {image.shape[1]}")
    return image
