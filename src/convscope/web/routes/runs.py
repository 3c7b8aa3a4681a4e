"""Runs: begin them, follow them, and take their results home."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, HTTPException, Path, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from convscope.web import events
from convscope.web.explorer import Explorer
from convscope.web.messages import File
from convscope.web.models import CallTexts, FrameInfo, RunInfo, RunRequest, Skipped
from convscope.web.queueing import Record
from convscope.web.routes.common import TheExplorer, TheRun, picture_response

router = APIRouter(prefix="/runs", tags=["runs"])

IMMUTABLE = {"cache-control": "private, max-age=31536000, immutable"}

MOST = 10**6


@router.post("", operation_id="beginRun", status_code=201)
async def begin(explorer: TheExplorer, request: RunRequest) -> RunInfo:
    """Put a run into the queue."""
    network = request.network
    if network is not None and network not in explorer.questions.networks:
        raise HTTPException(422, "there is no network of that id")
    described = await explorer.ask_about("describe_run", request)
    return await explorer.queue.add(request, described)


@router.get("", operation_id="listRuns")
async def runs(
    explorer: TheExplorer,
    limit: Annotated[int, Query(ge=1, le=MOST, description="The most that are over.")] = 200,
) -> list[RunInfo]:
    """The newest runs, the newest first, and all that are not over."""
    return await explorer.queue.newest(limit)


@router.get("/{run}", operation_id="getRun")
async def run(record: TheRun) -> RunInfo:
    """What is known of a run."""
    return record.info


@router.delete("/{run}", operation_id="deleteRun", status_code=204)
async def delete(explorer: TheExplorer, record: TheRun) -> None:
    """Delete a run that is over, with its files."""
    await explorer.queue.delete(record)


@router.post("/{run}/pause", operation_id="pauseRun")
async def pause(explorer: TheExplorer, record: TheRun) -> RunInfo:
    """Let a run stand still after its step."""
    return await explorer.queue.pause(record)


@router.post("/{run}/go_on", operation_id="goOn")
async def go_on(explorer: TheExplorer, record: TheRun) -> RunInfo:
    """Let a paused run go on."""
    return await explorer.queue.go_on(record)


@router.post("/{run}/cancel", operation_id="cancelRun")
async def cancel(explorer: TheExplorer, record: TheRun) -> RunInfo:
    """End a run. The frames that it has given stay, and it can be continued by `again`."""
    return await explorer.queue.cancel(record)


@router.post("/{run}/again", operation_id="runAgain")
async def again(explorer: TheExplorer, record: TheRun) -> RunInfo:
    """Put a run that was canceled, failed or crashed back into the queue.

    It goes on from its last saved state, if there is one.
    """
    return await explorer.queue.again(record)


@router.get(
    "/{run}/events",
    operation_id="followRun",
    response_class=EventSourceResponse,
    responses={200: {"model": RunInfo | FrameInfo | Skipped, "description": "The events' data."}},
)
async def follow(
    explorer: TheExplorer,
    record: TheRun,
    last_event_id: Annotated[
        int, Header(ge=-1, le=MOST, description="The number of the last frame that is known.")
    ] = -1,
) -> AsyncIterator[ServerSentEvent]:
    """Events: `run` (RunInfo), `frame` (FrameInfo, its number as id) and `skipped` (Skipped).

    Frames come in order, each once. The last event is `run`, when the run is over.
    """
    async for event in events.of_run(explorer, record, last_event_id + 1):
        yield event


Number = Annotated[int, Path(ge=0, le=MOST, description="The number of a frame, from 0.")]


@router.get("/{run}/frames/{number}", operation_id="getFrame", response_model=FrameInfo)
def frame(explorer: TheExplorer, record: TheRun, number: Number) -> Response:
    """A frame: its numbers and panels."""
    lines = explorer.store.frames(record.info.id).lines(number, number + 1)
    if not lines:
        raise HTTPException(404, "this run has no frame of that number")
    return Response(lines[0], media_type="application/json", headers=IMMUTABLE)


@router.get(
    "/{run}/frames/{number}/{blob}",
    operation_id="getBlob",
    response_class=Response,
    responses=picture_response("image/png", "image/jpeg", "image/webp", "application/octet-stream"),
)
def blob(
    explorer: TheExplorer,
    record: TheRun,
    number: Number,
    blob: Annotated[int, Path(ge=0, le=MOST, description="The number of a blob in its frame.")],
) -> Response:
    """A picture of a frame, or the numbers of a map."""
    found = explorer.store.frames(record.info.id).blob(number, blob)
    if found is None:
        raise HTTPException(404, "this run has no blob of that number")
    media_type, data = found
    return Response(data, media_type=media_type, headers=IMMUTABLE)


@router.get("/{run}/call", operation_id="getCall")
async def call(explorer: TheExplorer, record: TheRun) -> CallTexts:
    """What to type to make the result of a run again."""
    texts: CallTexts = await explorer.ask_about("call_texts", record.info.request)
    return texts


PICTURES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "npz": "application/octet-stream",
}

FILMS = {"webp": "image/webp", "gif": "image/gif", "mp4": "video/mp4"}


@router.get(
    "/{run}/picture",
    operation_id="getPicture",
    response_class=Response,
    responses=picture_response(*PICTURES.values()),
)
async def picture(
    explorer: TheExplorer,
    record: TheRun,
    format: Literal["png", "jpg", "webp", "svg", "pdf", "npz"] = "png",
) -> Response:
    """The result of a run as a file, with its provenance."""
    return await _export(explorer, record, "picture", format)


@router.get(
    "/{run}/film",
    operation_id="getFilm",
    response_class=Response,
    responses=picture_response(*FILMS.values()),
)
async def film(
    explorer: TheExplorer, record: TheRun, format: Literal["webp", "gif", "mp4"] = "webp"
) -> Response:
    """The steps of a run as a film."""
    return await _export(explorer, record, "film", format)


async def _export(explorer: Explorer, record: Record, what: str, format: str) -> Response:
    info = record.info
    if not info.frames:
        raise HTTPException(404, "this run has no frame yet")
    folder = explorer.store.place(info.id)
    made: File = await explorer.ask_about(
        "export", info.request, what=what, folder=folder, format=format
    )
    technique = re.sub(r"\W", "", info.request.technique, flags=re.ASCII)
    name = f"{technique}-{info.id}.{format}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(made.data, media_type=made.media_type, headers=headers)
