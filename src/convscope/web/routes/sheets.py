"""Pictures of an index: many in one sheet, for their addresses change with what they show."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from convscope.web.routes.common import (
    TheExplorer,
    TheIndex,
    Version,
    kept_file,
    picture_response,
)
from convscope.web.routes.microscope import MOST, Channel, Layer, Row, shown

router = APIRouter(prefix="/indexes/{index}", tags=["microscope"])

FILE = picture_response("image/jpeg", "image/png", "image/webp")

# Numbers with commas between them: a list in an address would be long.
Numbers = Annotated[
    str, Query(pattern=r"^\d{1,9}(,\d{1,9}){0,63}$", description="Numbers, as 1,2,3.")
]
View = Annotated[
    Literal["crop", "mask", "whole"], Query(description="What of the photographs is shown.")
]


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


@router.get(
    "/sheets/photographs",
    operation_id="getPhotographSheet",
    response_class=Response,
    responses=FILE,
)
async def photograph_sheet(
    explorer: TheExplorer,
    request: Request,
    index: TheIndex,
    version: Version,
    rows: Annotated[
        str,
        Query(
            pattern=r"^\d{1,9}(,\d{1,9})*$",
            max_length=10_240,
            description="The numbers of photographs, as 1,2,3.",
        ),
    ],
    size: Annotated[
        Literal["small", "large"], Query(description="Squares of 32 or of 128 pixels.")
    ] = "large",
) -> Response:
    """Thumbnails in one picture, row by row, as many across as the root of their number."""
    asked = {"rows": _numbers(rows), "size": size}
    return await kept_file(explorer, request, "photograph_sheet", index, version, **asked)


@router.get(
    "/sheets/patches/{layer}", operation_id="getPatchSheet", response_class=Response, responses=FILE
)
async def patch_sheet(
    explorer: TheExplorer,
    request: Request,
    index: TheIndex,
    layer: Layer,
    version: Version,
    channels: Numbers,
) -> Response:
    """The strongest patches of some channels, four in each square."""
    asked = {"layer": layer, "channels": _numbers(channels)}
    return await kept_file(explorer, request, "patch_sheet", index, version, **asked)


@router.get(
    "/sheets/images/{layer}", operation_id="getImageSheet", response_class=Response, responses=FILE
)
async def image_sheet(
    explorer: TheExplorer,
    request: Request,
    index: TheIndex,
    layer: Layer,
    version: Version,
    channels: Numbers,
) -> Response:
    """The images of some channels, which have been made."""
    asked = {"layer": layer, "channels": _numbers(channels)}
    return await kept_file(explorer, request, "image_sheet", index, version, **asked)


@router.get(
    "/sheets/filters/{layer}",
    operation_id="getFilterSheet",
    response_class=Response,
    responses=FILE,
)
async def filter_sheet(
    explorer: TheExplorer, request: Request, index: TheIndex, layer: Layer, version: Version
) -> Response:
    """The weights of all channels of a layer that sees the photograph itself."""
    return await kept_file(explorer, request, "filter_sheet", index, version, layer=layer)


@router.get(
    "/sheets/activations/{layer}",
    operation_id="getActivationSheet",
    response_class=Response,
    responses=FILE,
)
async def activation_sheet(
    explorer: TheExplorer,
    request: Request,
    index: TheIndex,
    layer: Layer,
    version: Version,
    image: Annotated[
        str | None, Query(pattern=r"^[0-9a-f]{16}$", description="The id of an image.")
    ] = None,
    row: Annotated[int | None, Query(ge=0, le=MOST, description="A photograph's row.")] = None,
) -> Response:
    """What all channels of a layer make of a photograph, on one scale."""
    asked = {"layer": layer, **shown(explorer, image, row)}
    return await kept_file(explorer, request, "activation_sheet", index, version, **asked)


@router.get(
    "/units/{layer}/{channel}/patches",
    operation_id="getPatches",
    response_class=Response,
    responses=FILE,
)
async def patches(
    explorer: TheExplorer,
    request: Request,
    index: TheIndex,
    layer: Layer,
    channel: Channel,
    version: Version,
    part: Annotated[Literal["top", "bottom", "across"], Query(description="Which patches.")],
    view: View = "crop",
) -> Response:
    """The patches of a unit, side by side."""
    asked = {"layer": layer, "channel": channel, "part": part, "view": view}
    return await kept_file(explorer, request, "unit_patches", index, version, **asked)


@router.get(
    "/units/{layer}/{channel}/images/{number}",
    operation_id="getUnitImage",
    response_class=Response,
    responses=FILE,
)
async def unit_image(
    explorer: TheExplorer,
    request: Request,
    index: TheIndex,
    layer: Layer,
    channel: Channel,
    number: Annotated[int, Path(ge=0, le=3, description="Which of its images, from 0.")],
    version: Version,
) -> Response:
    """An image of a unit, which has been made."""
    asked = {"layer": layer, "channel": channel, "number": number}
    return await kept_file(explorer, request, "unit_image", index, version, **asked)


@router.get(
    "/photographs/{row}/picture",
    operation_id="getPhotographPicture",
    response_class=Response,
    responses=FILE,
)
async def picture(
    explorer: TheExplorer, request: Request, index: TheIndex, row: Row, version: Version
) -> Response:
    """A photograph itself, or its thumbnail where the file is gone or has changed."""
    return await kept_file(explorer, request, "photograph_picture", index, version, row=row)


@router.get(
    "/photographs/{row}/maps/{target}",
    operation_id="getClassMap",
    response_class=Response,
    responses=FILE,
)
async def class_map(
    explorer: TheExplorer,
    request: Request,
    index: TheIndex,
    row: Row,
    target: Annotated[int, Path(ge=0, le=MOST, description="The number of a class.")],
    version: Version,
) -> Response:
    """What of a photograph speaks for a class, to lay over the part that the network sees."""
    asked = {"row": row, "target": target}
    return await kept_file(explorer, request, "class_map", index, version, **asked)
