"""A worker that plays the explorer's networks, quickly: it imports neither torch nor the server."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError
from convscope.web import models
from convscope.web.messages import (
    Answered,
    Ask,
    Begin,
    Control,
    Described,
    Ended,
    File,
    Loaded,
    Options,
    Picture,
    Step,
)
from convscope.web.panel_models import PicturePanel

RESUME = "1.pt"


def worker(connection: Connection, options: Options) -> None:
    """A worker for tests: what it does is said by the options of the run, or by the question."""
    try:
        for id, arguments in options.networks.items():
            info = models.NetworkInfo(id=id, name=arguments["name"], state="ready")
            connection.send(Loaded(info))
        while True:
            message = connection.recv()
            if isinstance(message, Ask):
                connection.send(_answered(message))
            elif isinstance(message, Begin):
                _run(connection, message)
    except (EOFError, OSError):
        return


def stillborn(connection: Connection, options: Options) -> None:
    """A worker that cannot even begin."""
    os._exit(7)


def _answered(ask: Ask) -> Answered:
    try:
        return Answered(ask.id, ANSWERS[ask.question](**ask.arguments))
    except ConvscopeError as error:
        return Answered(ask.id, problem=str(error))


def _picture(image: Path | str, largest: int) -> Picture:
    if isinstance(image, Path):
        content = image.read_bytes()
        if content == b"die":
            os._exit(1)
        if content[:2] not in (b"\xff\xd8", b"\x89P"):
            raise ConvscopeError(f"{image} is no image")
    return Picture(30, 20, "image/jpeg", f"{largest} pixels of an image".encode())


def _described(request: models.RunRequest, files: Mapping[str, object]) -> Described:
    if request.options.get("frames", 1) < 1:
        raise ConvscopeError("toy: frames: input should be greater than or equal to 1, not 0")
    return Described(f"toy of {request.image}", request.options.get("frames", 1))


def _classes(network: str, search: str, limit: int) -> list[models.ClassInfo]:
    if search == "sleep":
        time.sleep(60)
    return [models.ClassInfo(index=1, name=search)]


ANSWERS: dict[str, Any] = {
    "catalog": list,
    "vocabulary": lambda: models.Vocabulary(
        starts=[], objectives=[], rules=[], priors=[], optimizers=[]
    ),
    "recipes": lambda network: [],
    "write_recipe": lambda parts: models.RecipeTexts(texts={}, toml=""),
    "read_recipe": lambda toml: models.RecipeParts(
        start=models.Call(word="noise"), objective=[], optimizer=models.Call(word="adam"), steps=1
    ),
    "indexes": list,
    "graph": lambda network: models.Graph(nodes=[], edges=[]),
    "classes": _classes,
    "predictions": lambda network, image: [
        models.Prediction(index=1, name="<b>cat</b>", probability=0.5)
    ],
    "picture": _picture,
    "describe_run": _described,
    "live": lambda request: models.LiveFrame(predictions=[], milliseconds=1.0),
    "styles": list,
    "stylize": lambda request, image: models.StylizedFrame(picture="", milliseconds=1.0),
    "call_texts": lambda request, files: models.CallTexts(python="cs", command="convscope"),
    "export": lambda what, request, files, folder, format: File(
        f"image/{format}", f"{what} of {folder.name}".encode()
    ),
    "warm_up": lambda: None,
}


WANTED: Mapping[str, Any] = {
    "frames": 1,
    "seconds": 0.0,  # before each frame
    "size": 10,  # bytes of a blob
    "note": "",  # in each frame
    "deaf": 0.0,  # seconds that a step takes in which nothing is heard
    "end": "done",
}


def _run(connection: Connection, begin: Begin) -> None:
    """Give frames as the options say: how many, how fast, how large, and what comes then."""
    wanted = {**WANTED, **begin.request.options}
    state = begin.folder / "resume" / RESUME
    first = int(state.read_text()) if begin.resume and state.exists() else 1
    for step in range(first, wanted["frames"] + 1):
        if _told_to_end(connection, wanted["seconds"]):
            state.parent.mkdir(exist_ok=True)
            state.write_text(str(step))
            connection.send(Ended(begin.run, "canceled"))
            return
        if step == wanted.get("dies_at") and first == 1:
            os._exit(wanted.get("code", 1))
        time.sleep(wanted["deaf"])
        connection.send(_step(begin.run, step, wanted))
    if wanted["end"] == "fail":
        connection.send(Ended(begin.run, "failed", "toy: it does not work; take another"))
    else:
        connection.send(Ended(begin.run, "done"))


def _step(run: str, step: int, wanted: Mapping[str, Any]) -> Step:
    panel = PicturePanel(caption=f"step {step}", blob=0, width=3, height=2)
    frame = models.FrameInfo(
        number=0,
        step=step,
        steps=wanted["frames"],
        score=[step / 2],
        summary={"note": wanted["note"]},
        panels=[panel],
    )
    return Step(run, frame, (("image/png", bytes([step % 256]) * wanted["size"]),))


def _told_to_end(connection: Connection, seconds: float) -> bool:
    """Wait; whether the run is canceled meanwhile."""
    paused = False
    while connection.poll(None if paused else seconds):
        message = connection.recv()
        if isinstance(message, Control):
            if message.order == "cancel":
                return True
            paused = message.order == "pause"
    return False
