"""The microscope: an index's layers, units, photographs and mistakes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query

from convscope.web.explorer import Explorer
from convscope.web.messages import Source
from convscope.web.microscope_models import (
    ClassUnits,
    ConfusedPair,
    Connections,
    Found,
    IndexDetail,
    LayerFacts,
    LayerUnits,
    Note,
    PhotographFacts,
    PhotographName,
    UnitFacts,
    UnitValue,
    WantedConnections,
    WantedImages,
)
from convscope.web.models import ImageInfo
from convscope.web.routes.common import TheExplorer, TheIndex

router = APIRouter(prefix="/indexes/{index}", tags=["microscope"])

Layer = Annotated[
    str, Path(min_length=1, max_length=300, description="A layer, by its name in the index.")
]
MOST = 2**31 - 1
Channel = Annotated[int, Path(ge=0, le=MOST, description="The number of a channel, from 0.")]
Row = Annotated[int, Path(ge=0, le=MOST, description="The number of a photograph, from 0.")]


@router.get("", operation_id="getIndex")
async def detail(explorer: TheExplorer, index: TheIndex) -> IndexDetail:
    """An index: its layers, and the network that made it."""
    found: IndexDetail = await explorer.questions.ask("index_detail", index=index)
    await explorer.notice(found)
    return found


@router.get("/layers/{layer}", operation_id="getLayer")
async def layer(explorer: TheExplorer, index: TheIndex, layer: Layer) -> LayerFacts:
    """What the channels of a layer do."""
    found: LayerFacts = await explorer.questions.ask("layer_facts", index=index, layer=layer)
    return found


async def _make(explorer: Explorer, what: str, index: str, layer: str, wanted: Any) -> None:
    """Make something of units that there are, in the process that has time for it."""
    asked = {"index": index, "layer": layer}
    await explorer.questions.ask("check_channels", channels=wanted.channels, **asked)
    await explorer.drawing.ask(what, wanted=wanted, **asked)


@router.post("/layers/{layer}/images", operation_id="makeImages")
async def make_images(
    explorer: TheExplorer, index: TheIndex, layer: Layer, wanted: WantedImages
) -> WantedImages:
    """Make images of units, and keep them in the index. Takes seconds."""
    await _make(explorer, "make_images", index, layer, wanted)
    return wanted


@router.post("/layers/{layer}/connections", operation_id="makeConnections")
async def make_connections(
    explorer: TheExplorer, index: TheIndex, layer: Layer, wanted: WantedConnections
) -> WantedConnections:
    """Find what feeds units and what they feed, and keep it in the index. Takes seconds."""
    await _make(explorer, "make_connections", index, layer, wanted)
    return wanted


@router.get("/units/{layer}/{channel}", operation_id="getUnit")
async def unit(explorer: TheExplorer, index: TheIndex, layer: Layer, channel: Channel) -> UnitFacts:
    """All that is known of a unit."""
    asked = {"index": index, "layer": layer, "channel": channel}
    found: UnitFacts = await explorer.questions.ask("unit_facts", **asked)
    return found


@router.get("/units/{layer}/{channel}/connections", operation_id="getConnections")
async def connections(
    explorer: TheExplorer, index: TheIndex, layer: Layer, channel: Channel
) -> Connections:
    """What feeds a unit, and what it feeds. Takes some seconds the first time."""
    asked = {"index": index, "layer": layer, "channel": channel}
    found: Connections = await explorer.questions.ask("connections", **asked)
    return found


@router.get("/units/{layer}/{channel}/alike", operation_id="listAlike")
async def alike(
    explorer: TheExplorer, index: TheIndex, layer: Layer, channel: Channel
) -> list[UnitValue]:
    """Units whose images look like that of a unit, of those that have one."""
    asked = {"index": index, "layer": layer, "channel": channel}
    found: list[UnitValue] = await explorer.questions.ask("alike", **asked)
    return found


@router.post("/units/{layer}/{channel}/note", operation_id="writeNote")
async def write_note(
    explorer: TheExplorer, index: TheIndex, layer: Layer, channel: Channel, note: Note
) -> Note:
    """Keep what the user writes about a unit in the index."""
    asked = {"index": index, "layer": layer, "channel": channel, "text": note.text}
    await explorer.questions.ask("write_note", **asked)
    return note


@router.get("/classes/{number}", operation_id="getClassUnits")
async def class_units(
    explorer: TheExplorer,
    index: TheIndex,
    number: Annotated[int, Path(ge=0, le=MOST, description="The number of a class, from 0.")],
) -> ClassUnits:
    """The units of the embedding, the one that pushes a class up most first."""
    asked = {"index": index, "number": number}
    found: ClassUnits = await explorer.questions.ask("class_units", **asked)
    return found


@router.get("/found", operation_id="findUnits")
async def found_units(
    explorer: TheExplorer,
    index: TheIndex,
    image: Annotated[
        str | None, Query(pattern=r"^[0-9a-f]{16}$", description="The id of an image.")
    ] = None,
    row: Annotated[int | None, Query(ge=0, le=MOST, description="A photograph's row.")] = None,
    by: Annotated[Found, Query(description="What they answer, or how they look.")] = "answer",
) -> list[LayerUnits]:
    """The units that a photograph finds, layer by layer."""
    asked = {"index": index, "by": by, **shown(explorer, image, row)}
    found: list[LayerUnits] = await explorer.questions.ask("found_units", **asked)
    return found


def shown(explorer: Explorer, image: str | None, row: int | None) -> dict[str, Source | int | None]:
    """Which photograph is asked about: one of the session's, or one of the index."""
    if (image is None) == (row is None):
        raise HTTPException(422, "give either the id of an image or the row of a photograph")
    found = None if image is None else explorer.images.get(image)
    if image is not None and found is None:
        raise HTTPException(404, "there is no image of that id")
    return {"image": found.source if found else None, "row": row}


@router.get("/photographs", operation_id="listPhotographs")
async def photographs(
    explorer: TheExplorer,
    index: TheIndex,
    search: Annotated[str, Query(max_length=200, description="A part of name or label.")] = "",
    limit: Annotated[int, Query(ge=1, le=500, description="The most to list.")] = 100,
) -> list[PhotographName]:
    """Photographs whose name, label or prediction has a text in it."""
    asked = {"index": index, "search": search, "limit": limit}
    found: list[PhotographName] = await explorer.questions.ask("photographs", **asked)
    return found


@router.get("/photographs/{row}", operation_id="getPhotograph")
async def photograph(explorer: TheExplorer, index: TheIndex, row: Row) -> PhotographFacts:
    """All that is known of a photograph."""
    found: PhotographFacts = await explorer.questions.ask("photograph_facts", index=index, row=row)
    return found


@router.post("/photographs/{row}/open", operation_id="openPhotograph")
async def open_photograph(explorer: TheExplorer, index: TheIndex, row: Row) -> ImageInfo:
    """Make a photograph one of the session's images, so that techniques can run on it."""
    found: Any = await explorer.questions.ask("photograph_file", index=index, row=row)
    with found.open("rb") as content:
        return await explorer.images.upload(found.name, content)


@router.get("/confusions", operation_id="listConfusions")
async def confusions(explorer: TheExplorer, index: TheIndex) -> list[ConfusedPair]:
    """Classes that were taken for others, the most frequent pair first."""
    found: list[ConfusedPair] = await explorer.questions.ask("confusions", index=index)
    return found
