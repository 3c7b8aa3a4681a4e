"""The pages: the built front end, and one page for every address that is no file of it."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from convscope.web.security import READS

FOLDER = Path(__file__).parent / "static"

PAGE = "index.html"

# Files whose names change with their content.
LASTING = "assets/"

MISSING = """\
The explorer runs, but its pages are not built.

In a clone of convscope, `make explore` builds them. From a released package they are missing only
if it is damaged: install it again.
"""


class Pages(StaticFiles):
    """The files of the front end."""

    def __init__(self, folder: Path = FOLDER) -> None:
        super().__init__(directory=folder, check_dir=False)
        self._folder = folder

    async def check_config(self) -> None:
        """A folder that is missing is told by a page."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at a path, or the page, which looks at the address itself."""
        if scope["method"] not in READS:
            raise HTTPException(405, "this address can only be read", {"allow": "GET, HEAD"})
        if scope["path"] == "/api" or scope["path"].startswith("/api/"):  # `path` is normalized
            raise HTTPException(404, "there is nothing at this address")
        if not (self._folder / PAGE).is_file():
            return PlainTextResponse(MISSING, 404)
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or path.startswith(LASTING):
                raise
            response = await super().get_response(PAGE, scope)
        lasting = path.startswith(LASTING)
        caching = "public, max-age=31536000, immutable" if lasting else "no-cache"
        response.headers["cache-control"] = caching
        return response
