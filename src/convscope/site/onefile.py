"""A site in one HTML file that needs no other."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from convscope import __version__
from convscope.errors import ConvscopeError
from convscope.files import Encoded, check_writable, write_text
from convscope.render import fill_template, is_page
from convscope.site.contents import Contents
from convscope.site.parts import ICON

UNITS, PHOTOGRAPHS = 500, 1_000  # that one file shows


class OneFile:
    """A site that becomes one file: all parts are in memory until the end.

    Args:
        path: the file.
        contents: what it shows.
    """

    def __init__(self, path: Path, contents: Contents) -> None:
        self.path, self._contents = path, contents
        self._files: dict[str, bytes] = {}

    def check(self, _: Mapping[str, Any]) -> None:
        """Fail before the work if the file cannot be written, or would be too large."""
        at = self._contents.at
        units = sum(layer.channels for layer in at.layers.values())
        for count, limit, what in (
            (units, UNITS, "units of these layers"),
            (len(at.photographs), PHOTOGRAPHS, "photographs"),
        ):
            if count > limit:
                raise ConvscopeError(
                    f"{self.path.name}: one file shows at most {limit:,} {what}, not {count:,};"
                    " name fewer layers, or give a folder"
                )
        check_writable(self.path, ours=is_page)

    @contextmanager
    def writing(self, about: Mapping[str, Any]) -> Iterator[None]:
        self.check(about)
        yield
        write_text(self.path, self._page(), ours=is_page)

    def has(self, part: str, key: str) -> bool:  # noqa: ARG002
        return False

    def write(self, part: str, key: str, files: Mapping[str, bytes]) -> None:  # noqa: ARG002
        self._files |= files

    def _page(self) -> str:
        texts = {name: data.decode() for name, data in self._files.items() if not _is_picture(name)}
        scripts = [texts[name] for name in ("site.js", "names.js")]
        return fill_template(
            "convscope.site",
            "single.html",
            version=__version__,
            site=self._contents.shown,
            style=texts["style.css"],
            icon=Encoded("image/svg+xml", self._files[ICON]).uri,
            scripts=scripts,
            hashes=" ".join(map(_hash, scripts)),
            sections=[text for name, text in texts.items() if name.endswith(".html")],
            pictures=[self._picture(name) for name in self._files if _is_picture(name)],
        )

    def _picture(self, name: str) -> tuple[str, int, int, str]:
        """The name of a picture, the width and height that its users expect, and its data."""
        at, width, height = self._contents.at, 1, 1
        folder, _, row = name.removesuffix(".webp").rpartition("/")
        if folder == at.photograph_list:
            height, width = self._contents.shown.sizes[int(row)]
        return name, width, height, f"data:image/webp;base64,{_base64(self._files[name])}"


def _hash(script: str) -> str:
    """How a policy names a script that it lets run."""
    return f"'sha256-{_base64(sha256(script.encode()).digest())}'"


def _is_picture(name: str) -> bool:
    return name.endswith(".webp")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
