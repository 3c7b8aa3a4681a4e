"""Runs on disk: a folder each, which a restart of the server finds again."""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from convscope import __version__
from convscope.errors import ConvscopeError, reason
from convscope.files import TEMPORARY, locked, read_json, write_json
from convscope.web.frames import BLOBS, FRAMES, PLACES, Frames
from convscope.web.models import OVER, RunInfo

RUN = "run.json"

RESUME = "resume"  # the folder of a run's resume files

ID = r"^\d{8}-\d{6}-[0-9a-f]{6}$"

OPEN = 16  # runs whose frames' places are kept in memory


class Store:
    """The folder that all runs are kept in. One server has it at a time.

    Args:
        folder: made when the store is opened, and deleted when it is closed and still empty.

    Raises:
        ConvscopeError: another explorer has the folder, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: OrderedDict[str, Frames] = OrderedDict()
        self._lock = ExitStack()

    def open(self) -> None:
        """Take the folder."""
        try:
            self._lock.enter_context(locked(self.folder))
        except ConvscopeError as error:
            if "another process" not in str(error):
                raise
            raise ConvscopeError(
                f"another explorer keeps its runs in {self.folder}; use that one, or give --runs"
                " another folder"
            ) from error

    def close(self) -> None:
        """Leave the folder to others."""
        self._lock.close()

    def place(self, run: str) -> Path:
        """The folder of a run."""
        if not re.fullmatch(ID, run):
            raise ValueError(run)
        return self.folder / run

    def newest(self, count: int | None = None) -> list[RunInfo]:
        """The runs that were begun last, the newest first; without a count, all.

        What is damaged or foreign is passed over.
        """
        places = (place for place in self.folder.iterdir() if re.fullmatch(ID, place.name))
        found = map(self._read, sorted(places, reverse=True))
        return [*islice(filter(None, found), count)]

    def unfinished(self) -> list[RunInfo]:
        """The runs that were not over when the last server stopped, the oldest first."""
        found = [info.id for info in self.newest() if info.state not in OVER]
        return [*filter(None, map(self.find, reversed(found)))]

    def find(self, run: str) -> RunInfo | None:
        """What is known of a run, if there is one of that id."""
        info = self._read(self.place(run))
        return info and info.model_copy(update={"frames": len(self.frames(run))})

    def _read(self, place: Path) -> RunInfo | None:
        with suppress(ValidationError, OSError):
            found = read_json(place / RUN) or {}
            info = RunInfo.model_validate(found.get("run"))
            return info if info.id == place.name else None
        return None

    def new_id(self) -> str:
        """An id for a run that begins now; that of a later one sorts behind it."""
        now = time.time()
        moment = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
        return f"{moment}-{int(now % 1 * 0x10000):04x}{secrets.token_hex(1)}"

    def write(self, info: RunInfo) -> None:
        """Write what is known of a run.

        Raises:
            ConvscopeError: it cannot be written.
        """
        place = self.place(info.id)
        try:
            place.mkdir(exist_ok=True)
        except OSError as error:
            raise ConvscopeError(f"cannot write {place} ({reason(error)})") from error
        content = {"convscope": __version__, "run": info.model_dump(mode="json")}
        write_json(place / RUN, content, ours=_is_ours)

    def frames(self, run: str) -> Frames:
        """The frames of a run."""
        found = self._open.get(run) or Frames(self.place(run))
        self._open[run] = found
        self._open.move_to_end(run)
        while len(self._open) > OPEN:
            self._open.popitem(last=False)
        return found

    def delete(self, run: str) -> None:
        """Delete what convscope wrote in the folder of a run, and the folder if nothing is left.

        Raises:
            ConvscopeError: something of somebody else is in the folder, and nothing was deleted;
                or the system lets nobody delete it.
        """
        place = self.place(run)
        try:
            if not place.is_symlink() and place.is_dir():
                for file in list(_files(place)):
                    file.rmdir() if file.is_dir() else file.unlink(missing_ok=True)
                place.rmdir()
        except OSError as error:
            raise ConvscopeError(f"cannot delete {place} ({reason(error)})") from error
        self._open.pop(run, None)


def _is_ours(file: Path) -> bool:
    return "convscope" in (read_json(file) or {})


def _files(place: Path) -> Iterator[Path]:
    """What is in the folder of a run, the inner things first; all of it convscope's."""
    for file in place.iterdir():
        if file.name == RESUME and file.is_dir() and not file.is_symlink():
            yield from (_own(inner) for inner in file.iterdir())
            yield file
        else:
            yield _own(file)


OWN = re.compile(
    "|".join(map(re.escape, (RUN, FRAMES, PLACES, BLOBS)))
    + rf"|result\.\w+|\d+\.pt|{re.escape(TEMPORARY)}.*"
)


def _own(file: Path) -> Path:
    """A file that convscope wrote, by its name.

    Raises:
        ConvscopeError: it is another one.
    """
    if file.is_symlink() or not file.is_file() or not OWN.fullmatch(file.name):
        raise ConvscopeError(
            f"the folder of this run holds {file.name!r}, which is not convscope's; move it away"
            " first"
        )
    return file
