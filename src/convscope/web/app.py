"""The application: routes, and how problems are told."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from convscope import __version__
from convscope.errors import ConvscopeError, described, in_one_line, short, shortened
from convscope.web.explorer import Explorer, Setup
from convscope.web.messages import Options
from convscope.web.pages import Pages
from convscope.web.questions import Busy
from convscope.web.queueing import NotNow
from convscope.web.routes import images, live, maps, microscope, runs, session, sheets
from convscope.web.routes.common import PROBLEMS


def make_app(explorer: Explorer) -> FastAPI:
    """The application around an explorer."""
    app = FastAPI(
        title="convscope explorer",
        description="What the pages of `convscope explore` ask of its server.",
        version=__version__,
        openapi_url=None,  # nobody needs it at run time
        redirect_slashes=False,
        responses=PROBLEMS,
    )
    app.state.explorer = explorer
    for routes in (session, images, runs, live, maps, microscope, sheets):
        app.include_router(routes.router, prefix="/api")
    app.mount("/", Pages())
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(ConvscopeError, _problem)
    app.add_exception_handler(Exception, _failure)
    return app


def schema() -> str:
    """The OpenAPI schema of the API, as JSON; the types of the pages are made of it."""
    setup = Setup(_no_worker, Options({}, {}), Path("runs"))
    app = make_app(Explorer(setup))
    return json.dumps(app.openapi(), indent=1, sort_keys=True) + "\n"


def _no_worker(*_: object) -> None:
    """Nothing is run."""


def _answer(status: int, detail: str, headers: object = None) -> JSONResponse:
    kept = headers if isinstance(headers, dict) else None
    return JSONResponse({"detail": in_one_line(detail)}, status, headers=kept)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    status = 429 if isinstance(error, Busy) else 409 if isinstance(error, NotNow) else 422
    return _answer(status, str(error))


async def _failure(_: Request, error: Exception) -> JSONResponse:
    return _answer(500, f"the server failed ({described(error)}); its terminal says more")


async def _http_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _answer(error.status_code, str(error.detail), error.headers)


async def _bad_request(_: Request, error: Exception) -> JSONResponse:
    """What is wrong with a request, of all things the first."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    got = "" if first["type"] in ("missing", "json_invalid") else f", not {short(first['input'])}"
    message = first["msg"].removeprefix("Value error, ")
    return _answer(422, shortened(f"{where}: {message[:1].lower()}{message[1:]}{got}", 500))
