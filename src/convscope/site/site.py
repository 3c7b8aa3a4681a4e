"""`Site`: a site that is being made, part by part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from convscope import __version__
from convscope.collection import TaskEngine, make_engine
from convscope.microscope import Microscope
from convscope.progress import bar
from convscope.site.contents import Contents
from convscope.site.drawing import draw
from convscope.site.folder import SiteFolder
from convscope.site.links import Addresses
from convscope.site.onefile import OneFile
from convscope.site.parts import PAGE, Files, ImagesPart, PagesPart, Part, first, others, units
from convscope.site.seen import look, to_look_at

if TYPE_CHECKING:
    from convscope.progress import Console

ALL = 2_000  # photographs of a collection that all get pages; of a larger one, those on other pages


class Progress(NamedTuple):
    """How many of the pages are done, and what was made last."""

    done: int
    total: int
    now: str = ""


class Looked(NamedTuple):
    """Some patches were looked at, which counts for so many steps."""

    steps: int


class Site:
    """A site that is being made: iterate over it to follow the progress, or ask for the result.

    It may be interrupted or killed at any time: the same call then goes on, and ends in the same
    files, byte for byte.

    Args:
        scope: what is shown.
        output: the folder; a name that ends in .html puts all pages into one file.
        layers: the layers whose units are shown; none for all.
        method: method that lays out the photographs.
        engine: where the images of units are drawn.
    """

    def __init__(
        self,
        scope: Microscope,
        output: Path,
        layers: Sequence[str] = (),
        method: str = "tsne",
        engine: TaskEngine | None = None,
    ) -> None:
        self.scope, self.output, self.method = scope, output, method
        self._engine = engine or make_engine("plain", 0, None, None, "cpu")
        wanted = {scope.index.collected(name) for name in layers}
        self._layers = [one for one in scope.layers if not wanted or one.name in wanted]
        self._single = output.suffix.lower() == ".html"

    def __iter__(self) -> Iterator[Progress]:
        output = self._output
        with output.writing(self._about):
            keys = {part.name: self._key(part) for part in self._parts}
            kept = {name for name, key in keys.items() if output.has(name, key)}
            total = sum(part.steps for part in self._parts) // PAGE
            done = sum(part.steps for part in self._parts if part.name in kept)
            yield Progress(done // PAGE, total)
            for made in self._made([one for one in self._parts if one.name not in kept]):
                if isinstance(made, Looked):
                    done += made.steps
                    yield Progress(done // PAGE, total, "patches")
                    continue
                part, files = made
                output.write(part.name, keys[part.name], files)
                done += 0 if isinstance(part, PagesPart) else part.steps
                yield Progress(done // PAGE, total, part.told)

    @cached_property
    def _parts(self) -> list[Part | ImagesPart]:
        return [*first(self._contents), *units(self._contents), *others(self._contents)]

    def _made(
        self, missing: Sequence[Part | ImagesPart]
    ) -> Iterator[tuple[Part | ImagesPart, Files] | Looked]:
        """The files of parts; between them, what was looked at."""
        waiting = {part.task: part for part in missing if isinstance(part, ImagesPart)}
        drawn = draw(self.scope, self._engine, list(waiting))
        looking = self._look([part for part in missing if isinstance(part, PagesPart)])
        for part in missing:
            if isinstance(part, ImagesPart):  # one of these is next, in any order
                one = next(drawn)
                yield waiting[one.task], waiting[one.task].make(one)
                continue
            if isinstance(part, PagesPart):  # the first one waits for all patches
                yield from looking
            yield part, part.make()

    def _look(self, parts: Sequence[PagesPart]) -> Iterator[Looked]:
        """Look at all patches on the pages of units."""
        contents, steps = self._contents, sum(part.steps for part in parts)
        tasks = to_look_at(contents.facts(*unit) for part in parts for unit in part.units)
        for number, found in enumerate(look(self.scope, self._engine, tasks)):
            contents.seen.add(found)
            yield Looked(steps * (number + 1) // len(tasks) - steps * number // len(tasks))

    def check(self) -> None:
        """Fail before the work if the output holds anything else.

        Raises:
            ConvscopeError: what it holds.
        """
        self._output.check(self._about)

    def result(self, *, progress: bool = False) -> Path:
        """The folder; does the rest of the work first.

        Args:
            progress: show a progress bar, on a terminal or below the cell of a notebook.
        """
        for _ in with_bar(self, shown=progress):
            pass
        return self.output

    @property
    def kept(self) -> Path:
        """What keeps the work that is done: the folder, or for one file the index."""
        return self.scope.index.path if self._single else self.output

    @cached_property
    def _contents(self) -> Contents:
        at = Addresses.of(self._layers, self._rows())
        return Contents(self.scope, at, self.method, self._single)

    def _rows(self) -> Iterable[int]:
        """The photographs that have pages."""
        if len(self.scope.index) <= ALL:
            return range(len(self.scope.index))
        names = [(one.name, channel) for one in self._layers for channel in range(one.channels)]
        return {one.row for name in names for one in self.scope.unit(*name).patches}

    @cached_property
    def _output(self) -> SiteFolder | OneFile:
        return OneFile(self.output, self._contents) if self._single else SiteFolder(self.output)

    @property
    def _about(self) -> dict[str, Any]:
        return {
            "index": self.scope.index.digest,
            "network": self.scope.net.digest,
            "layers": [layer.name for layer in self._layers],
            "method": self.method,
        }

    def _key(self, part: Part | ImagesPart) -> str:
        """The checksum of all that the files of a part depend on."""
        return hashlib.sha256(f"{_made_by()}\0{part.depends}".encode()).hexdigest()


def _made_by() -> str:
    """What writes the pages: this version, and its templates."""
    here = files("convscope.site")
    texts = [one for one in here.iterdir() if one.name.endswith((".html", ".css", ".js", ".svg"))]
    digest = hashlib.sha256()
    for file in sorted(texts, key=lambda one: one.name):
        digest.update(file.read_bytes())
    return f"{__version__} {digest.hexdigest()}"


def with_bar(
    site: Site, *, shown: bool = True, console: Console | None = None
) -> Iterator[Progress]:
    """Make a site with a progress bar, where somebody can see it.

    Args:
        site: what is made.
        shown: whether there is a bar at all.
        console: the terminal; that of stderr if not given.
    """
    with bar("site", shown=shown, console=console) as pages:
        for progress in site:
            pages.update(progress.done, progress.total, progress.now)
            yield progress
