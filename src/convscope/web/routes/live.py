"""The camera through a network, and styles."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException

from convscope.web.models import LiveFrame, LiveRequest, StyleInfo, StylizedFrame, StylizeRequest
from convscope.web.routes.common import TheExplorer

router = APIRouter(tags=["live"])


@router.post("/live", operation_id="lookLive")
async def live(explorer: TheExplorer, request: LiveRequest) -> LiveFrame:
    """What a network makes of one frame of the camera."""
    if request.network not in explorer.questions.networks:
        raise HTTPException(422, "there is no network of that id")
    found: Any = await explorer.questions.ask("live", request=request)
    return found  # type: ignore[no-any-return]


@router.get("/styles", operation_id="listStyles")
async def styles(explorer: TheExplorer) -> list[StyleInfo]:
    """The styles of the network that comes with convscope."""
    found: list[StyleInfo] = await explorer.questions.ask("styles")
    return found


@router.post("/stylize", operation_id="stylize")
async def stylize(explorer: TheExplorer, request: StylizeRequest) -> StylizedFrame:
    """A frame of the camera, or an image, in a blend of styles."""
    image = explorer.images.get(request.image) if request.image else None
    if request.image and image is None:
        raise HTTPException(422, "there is no image of that id")
    if (image is None) == (request.frame is None):
        raise HTTPException(422, "give either a frame or the id of an image")
    source = image.source if image else None
    found: StylizedFrame = await explorer.questions.ask("stylize", request=request, image=source)
    return found
