"""What a tour and a report have in common: a page that is made part by part."""

from __future__ import annotations

import base64
import hashlib
import html
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Generic

from typing_extensions import TypeVar

from convscope import __version__
from convscope.errors import ConvscopeError
from convscope.files import check_writable, write_text
from convscope.notebook import Place, in_notebook, show_error
from convscope.progress import bar
from convscope.render import fill_template, is_page

Part = TypeVar("Part")


class Document(ABC, Generic[Part]):
    """A page in one file that needs nothing else.

    Iterate over it to follow the work: each part is given once it is made. What is made stays: a
    second iteration, or `save`, does only what is missing.
    """

    @abstractmethod
    def __iter__(self) -> Iterator[Part]:
        """Make the parts that are missing, and give all parts in order."""

    @abstractmethod
    def page(self) -> str:
        """The HTML of the page with the parts that are made."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of parts."""

    @property
    def _previewed(self) -> int:
        """How many parts a notebook shows."""
        return len(self)

    @abstractmethod
    def _preview(self) -> str:
        """The HTML of a page that is small enough for a notebook, with the parts that are made."""

    def save(self, path: str | os.PathLike[str], *, progress: bool = False) -> Path:
        """Write the page, after the parts that are missing are made.

        Args:
            path: the file, which ends in .html.
            progress: show a progress bar, on a terminal or below the cell of a notebook.

        Returns:
            The file that was written.

        Raises:
            ConvscopeError: the file cannot be written, or has another ending.
        """
        check_page(path)
        self._make(len(self), progress)
        return write_page(path, self)

    def _make(self, count: int, progress: bool) -> None:
        """Make the first parts, with a progress bar or without."""
        with bar(type(self).__name__.lower(), shown=progress) as parts:
            for number, _ in enumerate(islice(self, count), 1):
                parts.update(number, count)

    def _ipython_display_(self) -> None:
        """Make the parts below a notebook's cell, with a progress bar, and show the page.

        The stop button leaves the page with the parts that are made.
        """
        if not in_notebook():
            raise NotImplementedError  # a terminal shows the repr
        line = ""
        try:
            self._make(self._previewed, progress=True)
        except KeyboardInterrupt:
            line = "stopped; this is what is done so far"
        except Exception:
            show_error()
            return
        Place().put({"text/html": line + self._framed(), "text/plain": line or repr(self)})

    def _repr_html_(self) -> str:
        self._make(self._previewed, progress=False)
        return self._framed()

    def _framed(self) -> str:
        page = html.escape(self._preview())
        style = "width: 100%; height: 640px; border: 1px solid #8888; border-radius: 6px"
        return f'<iframe srcdoc="{page}" sandbox="allow-scripts" style="{style}"></iframe>'


def check_page(path: str | os.PathLike[str]) -> None:
    """Fail before the work if a page cannot be written.

    Raises:
        ConvscopeError: the path does not end in .html, or cannot be written.
    """
    if Path(path).suffix.lower() != ".html":
        raise ConvscopeError(f"the page needs a name that ends in .html, not {Path(path).name}")
    check_writable(path, ours=is_page)


def write_page(path: str | os.PathLike[str], document: Document[Part]) -> Path:
    """Write a page with the parts that are made."""
    return write_text(path, document.page(), ours=is_page)


def filled(template: str, *, title: str, script: str = "", **values: object) -> str:
    """A page of a template of this room. Browsers run no script on it but this one.

    What UTF-8 cannot express becomes question marks: bytes of a file name that are not text.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = fill_template(
        "convscope.reports",
        template,
        title=title,
        script=script,
        script_hash=f"'sha256-{digest}'" if script else "",
        version=__version__,
        **values,
    )
    return page.encode("utf-8", "replace").decode("utf-8")
