"""TODO."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
)
from torch import Tensor

from convscope.errors import ConvscopeError, unknown
from convscope.network import Network

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


def check_image(name: str, net: Network, image: Tensor | None, *, batch: bool = True) -> None:
    """Fail where there is no image, one that is not RGB in [0, 1], or more than one without `batch`."""
    if image is None:
        raise ConvscopeError(f"{name} needs an image: {name}(net, open_image('photo.jpg'))")
    pixels = net.as_input(image)
    if not pixels.numel():
        raise ConvscopeError(f"an image of shape {tuple(image.shape)} holds no pixel")
    if not batch and len(image) != 1:
        raise ConvscopeError(f"{name} takes one image at a time, not {len(image)}")
    low, high = (float(v) for v in pixels.detach().aminmax())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also false for NaN
        raise ConvscopeError(
            f"images hold RGB in [0, 1], not {low:.3g} to {high:.3g}; divide bytes by 255, and do"
            " not normalize: the network does"
        )


def short(value: object) -> str:
    """A value in a few letters, for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:80]}..."
