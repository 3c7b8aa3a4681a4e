"""The folder of a site: its files are written all or nothing, and known by their checksums.

SITE/site.json             what it is a site of
SITE/receipts/PART.json    the files of a part, with their checksums, written before the files

So a process that is killed leaves only files that a receipt names. A file that differs from its
receipt, or that no receipt names, is somebody else's, and is never replaced.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError, reason
from convscope.files import LOCK, TEMPORARY, anything, digest, locked, read_json, write_file
from convscope.files import write_json as write_values

ABOUT, RECEIPTS = "site.json", "receipts"

MADE_BY = "convscope"

# What a site is of, and what is said of a site of something else.
OTHERS = {
    "network": "of another network",
    "index": "of another index, or of this one before it was updated",
    "layers": "of other layers",
    "method": "with another map",
}


class SiteFolder:
    """The files of one site; nothing is read or written before a method is called."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def writing(self, about: Mapping[str, Any]) -> Iterator[None]:
        """Be the only process that writes here, and delete what a crash has left.

        Args:
            about: what it is a site of: values for the names in `OTHERS`.

        Raises:
            ConvscopeError: the folder holds something else, another process is writing, or it
                cannot be written.
        """
        self.check(about)
        with locked(self.path):
            self._claim(about)
            for file in self.path.rglob(f"{TEMPORARY}*"):
                file.unlink()
            yield

    def check(self, about: Mapping[str, Any]) -> None:
        """Fail if anything else lies here than this site.

        Raises:
            ConvscopeError: in one line, what lies here.
        """
        if not os.path.lexists(self.path):
            return
        if not self.path.is_dir() or self.path.is_symlink():
            raise ConvscopeError(f"{self.path} is no folder of its own; give another output")
        known = read_json(self.path / ABOUT)
        if known is None or known.get("made_by") != MADE_BY:
            if any(not self._is_passing(file) for file in self.path.iterdir()):
                raise ConvscopeError(
                    f"{self.path} is not empty, and not a site of convscope; give another output"
                )
            return
        for name, told in OTHERS.items():
            if known.get(name) != about[name]:
                raise ConvscopeError(
                    f"{self.path} is a site {told}; give another output, or delete it"
                )

    @staticmethod
    def _is_passing(file: Path) -> bool:
        return file.name == LOCK or file.name.startswith(TEMPORARY)

    def _claim(self, about: Mapping[str, Any]) -> None:
        self.check(about)
        if not (self.path / ABOUT).exists():
            write_values(self.path / ABOUT, {"made_by": MADE_BY, **about}, ours=anything)
        (self.path / RECEIPTS).mkdir(exist_ok=True)

    def has(self, part: str, key: str) -> bool:
        """Whether a part is complete.

        Args:
            part: its name.
            key: all that its files depend on.

        Raises:
            ConvscopeError: one of its files was changed by somebody else.
        """
        found = self._receipt(part)
        here = {name: self._digest(name) for name in found.get("files", {})}
        for name, sums in found.get("files", {}).items():
            self._check_own(name, here[name], sums)
        return found.get("key") == key and all(
            sums == [here[name]] for name, sums in found["files"].items()
        )

    def write(self, part: str, key: str, files: Mapping[str, bytes]) -> None:
        """Write the files of a part, in the place of those that it had before.

        Raises:
            ConvscopeError: a file of somebody else is in the way, or the folder cannot be written.
        """
        before: dict[str, list[str]] = self._receipt(part).get("files", {})
        new = {name: sha256(content).hexdigest() for name, content in files.items()}
        for name in {**before, **new}:
            self._check_own(name, self._digest(name), [*before.get(name, []), new.get(name, "")])
        if before:
            both = {name: sorted({*before.get(name, []), new[name]}) for name in new}
            self._write_receipt(part, key, before | both)
        else:
            self._write_receipt(part, key, {name: [one] for name, one in new.items()})
        for name, content in files.items():
            self._write(name, content, new[name])
        for name in before.keys() - new.keys():
            (self.path / name).unlink(missing_ok=True)
        if before:
            self._write_receipt(part, key, {name: [one] for name, one in new.items()})

    def _write(self, name: str, content: bytes, sha: str) -> None:
        target = self.path / name
        if self._digest(name) == sha:
            return
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConvscopeError(f"cannot write {target} ({reason(error)})") from error
        write_file(target, lambda file: file.write_bytes(content), ours=anything)

    def _check_own(self, name: str, sha: str | None, known: list[str]) -> None:
        if sha is not None and sha not in known:
            raise ConvscopeError(
                f"{self.path / name} is not as convscope wrote it; move it away, or give another"
                " output"
            )

    def _digest(self, name: str) -> str | None:
        """The checksum of a file; None if there is no such file."""
        file = self.path / name
        if file.is_symlink() or file.is_dir():
            return ""
        return digest(file) if file.exists() else None

    def _receipt_file(self, part: str) -> Path:
        return self.path / RECEIPTS / f"{part}.json"

    def _receipt(self, part: str) -> dict[str, Any]:
        return read_json(self._receipt_file(part)) or {}

    def _write_receipt(self, part: str, key: str, files: Mapping[str, list[str]]) -> None:
        write_values(self._receipt_file(part), {"key": key, "files": files}, ours=anything)
