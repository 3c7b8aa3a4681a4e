"""Images: the list, uploads, pictures."""

from __future__ import annotations

import tempfile
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response

from convscope.web.models import ImageInfo
from convscope.web.routes.common import BYTES, ImageId, TheExplorer, picture_response

router = APIRouter(tags=["images"])

IN_MEMORY = 1_000_000  # bytes of an upload; a larger one is written to a temporary file


@router.get("/images", operation_id="listImages")
async def images(explorer: TheExplorer) -> list[ImageInfo]:
    """All images: those of the command line, uploads, samples."""
    return await explorer.images.infos()


UPLOAD = {"requestBody": {"required": True, "content": {"image/*": {"schema": BYTES}}}}


@router.put("/images", operation_id="uploadImage", openapi_extra=UPLOAD)
async def upload(
    explorer: TheExplorer,
    request: Request,
    name: Annotated[str, Query(min_length=1, max_length=300, description="The file's name.")],
) -> ImageInfo:
    """Keep an image, whose bytes are the body. The same image again has the same id."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as content:
        async for part in request.stream():
            content.write(part)
        return await explorer.images.upload(name, content)


@router.get(
    "/images/{image}",
    operation_id="getImage",
    response_class=Response,
    responses=picture_response("image/jpeg", "image/png"),
)
async def picture(
    explorer: TheExplorer,
    image: ImageId,
    size: Annotated[Literal["thumbnail", "full"], Query(description="How large.")] = "full",
) -> Response:
    """An image, as a JPEG or a PNG that the browser shows quickly."""
    found = explorer.images.get(image)
    if found is None:
        raise HTTPException(404, "there is no image of that id")
    made = await explorer.images.picture(found, size)
    headers = {"cache-control": "private, max-age=31536000, immutable"}
    return Response(made.data, media_type=made.media_type, headers=headers)
