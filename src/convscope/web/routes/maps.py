"""The map of a collection: places and facts."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from convscope.web.map_models import LayoutMethod, MapInfo, MapNeighbors
from convscope.web.routes.common import (
    TheExplorer,
    TheIndex,
    Version,
    kept_file,
    picture_response,
)

router = APIRouter(prefix="/indexes/{index}/map", tags=["maps"])

FILE = picture_response("application/octet-stream")

MOST = 10**9


@router.get("", operation_id="getMap")
async def map_of(explorer: TheExplorer, index: TheIndex) -> MapInfo:
    """What there is to see of a collection: columns, and ways to lay it out."""
    found: MapInfo = await explorer.questions.ask("map_of", index=index)
    return found


@router.get(
    "/columns/{name}",
    operation_id="getMapColumn",
    response_class=Response,
    responses=FILE,
)
async def column(
    explorer: TheExplorer,
    request: Request,
    index: TheIndex,
    name: Annotated[str, Path(pattern=r"^[a-z]{1,20}$", description="The name of a column.")],
    version: Version,
) -> Response:
    """A fact of each photograph: float32; or uint32, then the words that they number."""
    return await kept_file(explorer, request, "map_column", index, version, name=name)


@router.get(
    "/layouts/{method}",
    operation_id="getMapLayout",
    response_class=Response,
    responses=FILE,
)
async def layout(
    explorer: TheExplorer,
    request: Request,
    index: TheIndex,
    method: LayoutMethod,
    version: Version,
) -> Response:
    """Where each photograph lies: pairs of float32."""
    return await kept_file(explorer, request, "map_layout", index, version, method=method)


@router.get("/neighbors/{row}", operation_id="getMapNeighbors")
async def neighbors(
    explorer: TheExplorer,
    index: TheIndex,
    row: Annotated[int, Path(ge=0, le=MOST, description="The number of a photograph.")],
    space: Annotated[
        Literal["features", "pixels"], Query(description="What is compared.")
    ] = "features",
    count: Annotated[int, Query(ge=1, le=1000, description="The most to find.")] = 24,
) -> MapNeighbors:
    """The photographs nearest to one, by the network's embedding or by the pixels."""
    asked = {"index": index, "row": row, "space": space, "count": count}
    found: MapNeighbors = await explorer.questions.ask("map_neighbors", **asked)
    return found
