"""What is made on demand and kept in the index: small files that carry their own checksum.

INDEX/microscope/KIND/KEY/LAYER-CHANNEL.json, where the key is a digest of all that the content
depends on. A file is complete or not there, and whoever writes it at the same time writes the same.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from convscope.collection import read_sealed, write_sealed
from convscope.errors import ConvscopeError, reason
from convscope.files import TEMPORARY

STALE = 86_400  # seconds after which a file that is not complete belongs to no running process


class Kept:
    """The files of one kind that are kept in an index.

    Args:
        index: the folder of the index.
        kind: what the files hold, which is the name of their folder.
        depends: what their content depends on, as JSON can hold it; None if on nothing.
    """

    def __init__(self, index: Path, kind: str, depends: object = None) -> None:
        self.folder, self._tidied = index / "microscope" / kind, False
        if depends is not None:
            text = json.dumps(depends, sort_keys=True)
            self.folder /= hashlib.sha256(text.encode()).hexdigest()[:16]

    def file(self, name: str) -> Path:
        """The file of that name, whatever characters it has."""
        return self.folder / f"{self.stem(name)}.json"

    @staticmethod
    def stem(name: str) -> str:
        """The name of the file, as `names` has it."""
        return quote(name, safe="")

    def read(self, name: str) -> dict[str, Any] | None:
        """What is kept under a name; None if there is nothing, or it is damaged."""
        return read_sealed(self.file(name))

    def write(self, name: str, values: Mapping[str, object]) -> None:
        """Keep values under a name, in the place of what was kept before.

        Raises:
            ConvscopeError: the index cannot be written.
        """
        if not self._tidied:
            with suppress(OSError):  # the writer says it better
                self.folder.mkdir(parents=True, exist_ok=True)
                self._tidy()
            self._tidied = True
        write_sealed(self.file(name), values)

    def try_write(self, name: str, values: Mapping[str, object]) -> None:
        """Keep values where the index can be written; elsewhere they are made again each time."""
        with suppress(ConvscopeError):
            self.write(name, values)

    def delete(self, name: str) -> None:
        """Delete what is kept under a name, if there is anything.

        Raises:
            ConvscopeError: it cannot be deleted.
        """
        file = self.file(name)
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise ConvscopeError(f"cannot delete {file} ({reason(error)})") from error

    def names(self) -> set[str]:
        """The names of the files that there are, without the last ".json"."""
        return {path.name.removesuffix(".json") for path in self.folder.glob("*.json")}

    def _tidy(self) -> None:
        """Delete what processes have left that were killed while they wrote."""
        for left in self.folder.glob(f"{TEMPORARY}*"):
            if time.time() - left.stat().st_mtime > STALE:
                left.unlink(missing_ok=True)
