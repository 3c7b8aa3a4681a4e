"""What the routes share: how they get at the explorer, ids, and how problems look."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Path, Query, Request, Response

from convscope.web.explorer import Explorer
from convscope.web.messages import File
from convscope.web.models import Problem
from convscope.web.queueing import Record
from convscope.web.store import ID

# Every problem is one line; which ones there are is no part of the schema.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "What is wrong, in one line."}
}

BYTES = {"type": "string", "format": "binary"}


def picture_response(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """The schema of an answer that is a file."""
    content = {media_type: {"schema": BYTES} for media_type in media_types}
    return {200: {"content": content, "description": "The file."}, **PROBLEMS}


def _explorer(request: Request) -> Explorer:
    found: Explorer = request.app.state.explorer
    return found


TheExplorer = Annotated[Explorer, Depends(_explorer)]

NetworkId = Annotated[
    str, Path(pattern=r"^n\d{1,3}$", description="The id of a network.", examples=["n0"])
]


def _network(explorer: TheExplorer, network: NetworkId) -> str:
    if network not in explorer.questions.networks:
        raise HTTPException(404, "there is no network of that id")
    return network


TheNetwork = Annotated[str, Depends(_network)]

IndexId = Annotated[
    str, Path(pattern=r"^i\d{1,3}$", description="The id of an index.", examples=["i0"])
]


def _index(explorer: TheExplorer, index: IndexId) -> str:
    if index not in explorer.index_ids:
        raise HTTPException(404, "there is no index of that id")
    return index


TheIndex = Annotated[str, Depends(_index)]

Version = Annotated[
    str, Query(alias="v", pattern=r"^[0-9a-f]{1,64}$", description="The version of the index.")
]

# The address of a file has the version of its index, so that the file never changes.
CACHING = "private, max-age=31536000, immutable"


async def kept_file(
    explorer: Explorer, request: Request, question: str, index: str, version: str, **asked: object
) -> Response:
    """The file that answers a question, which the browser keeps, or the word that it has it."""
    address = f"{request.url.path}?{request.url.query}"
    tag = f'"{hashlib.sha256(address.encode()).hexdigest()[:16]}"'
    headers = {"cache-control": CACHING, "etag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    made: File = await explorer.questions.ask(question, index=index, version=version, **asked)
    return Response(made.data, media_type=made.media_type, headers=headers)


RunId = Annotated[str, Path(pattern=ID, description="The id of a run.")]


async def _run(explorer: TheExplorer, run: RunId) -> Record:
    found = await explorer.queue.find(run)
    if found is None:
        raise HTTPException(404, "there is no run of that id")
    return found


TheRun = Annotated[Record, Depends(_run)]

ImageId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="The id of an image.")]
