"""A tour at work: its chapters run one after another and become a page."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from torch import Tensor

from convscope.collection import index_of
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import Network
from convscope.reports import calls
from convscope.reports.chapter import Chapter
from convscope.reports.chapters.plan import plan
from convscope.reports.document import Document, filled
from convscope.reports.facts import TIMES, about
from convscope.reports.growth import growth_picture
from convscope.reports.page_picture import page_picture
from convscope.runs import Result, check_image, check_network
from convscope.trust import check

MOMENTS = (0.03, 0.125, 0.5, 1.0)  # fractions of a run at which the page shows an image that grows

LARGEST = 1500  # width of a picture on the page in pixels

PREVIEW = 640  # and in a notebook


def tour(
    net: Network,
    image: Tensor,
    *,
    index: str | os.PathLike[str] | None = None,
    full: bool = False,
    seed: int = 0,
) -> Tour:
    """Explain a network on one photograph: a page with every technique and how to read it.

        cs.tour(net, image).save("report.html")

    Args:
        net: the network, one of your own too.
        image: (1, 3, H, W), RGB in [0, 1], as `open_image` gives it.
        index: index of a collection of images, for the chapters that show other photographs.
        full: use more steps and samples: better pictures, slower.
        seed: random seed.

    Raises:
        ConvscopeError: there is no such index, or another network made it, or several images.
    """
    check_network("tour", net)
    check_image("tour", net, image, batch=False)
    if index is not None:
        index_of(net, index)  # fails now rather than after half the tour
        index = os.fspath(index)
    source = images.source(image)
    path = None if source is None else _short(source["path"])
    return Tour(net, image, path, full=full, seed=seed, index=index)


def _short(path: str) -> str:
    """The path from the current folder, if the file is inside."""
    inside = not path.startswith(images.SAMPLE_PREFIX) and Path(path).is_relative_to(Path.cwd())
    return os.path.relpath(path) if inside else path


class Tour(Document[Chapter]):
    """A photograph on its way through a network, chapter by chapter.

    Args:
        net: the network.
        photo: the photograph, (1, 3, H, W).
        path: where it is; None for an image that is in no file.
        full: use more steps and samples.
        seed: seed of the random numbers.
        index: index of a collection, for the chapters about other photographs.

    Attributes:
        chapters: all chapters, in order.
    """

    def __init__(
        self,
        net: Network,
        photo: Tensor,
        path: str | None,
        *,
        full: bool = False,
        seed: int = 0,
        index: str | None = None,
    ) -> None:
        self.net, self.photo, self.path, self.seed = net, photo, path, seed
        self.begun = time.monotonic()
        chapters = plan(net, photo, full=full, seed=seed, index=index)
        self.chapters = [self._ready(chapter) for chapter in chapters]

    def __len__(self) -> int:
        return len(self.chapters)

    def __repr__(self) -> str:
        return f"<Tour of {self.name}, {len(self)} chapters: iterate, or save it>"

    def __iter__(self) -> Iterator[Chapter]:
        for chapter in self.chapters:
            if not chapter.done:
                assert chapter.run is not None
                self.visit(chapter, chapter.run)
            yield chapter

    def visit(self, chapter: Chapter, results: Iterable[Result]) -> None:
        """Follow a chapter's run to its end, and keep what the page shows of it."""
        begun = time.monotonic()
        last, growth = None, []
        try:
            for last in results:
                if chapter.grows and last.step in {round(m * last.steps) for m in MOMENTS}:
                    growth.append(last)
        except ConvscopeError as error:
            chapter.refusal = str(error)
            return
        assert last is not None
        chapter.seconds = time.monotonic() - begun
        chapter.summary = list(chapter.quote(last.summary).items())
        photo = self.photo if chapter.technique.takes_image else None
        shown = growth_picture(growth, photo) or last.picture
        alt = f"{chapter.technique.title} of {self.name}"
        chapter.picture = page_picture(shown, alt, LARGEST)

    @property
    def name(self) -> str:
        """What the photograph is called."""
        if self.path is None:
            return "an image"
        return Path(self.path.removeprefix(images.SAMPLE_PREFIX)).stem.replace("_", " ")

    def page(self) -> str:
        return self._page(None)

    def _preview(self) -> str:
        return self._page(PREVIEW)

    def _page(self, width: int | None) -> str:
        """The page with the chapters that were visited, and pictures of at most this width."""
        seconds = round(time.monotonic() - self.begun)
        size = f" {TIMES} ".join(map(str, self.photo.shape[-2:]))
        return filled(
            "tour.html",
            title=f"What {self.net.name} sees in {self.name}",
            facts=[
                *about(self.net),
                ("photograph", f"{size} pixels"),
                ("computed", f"in {seconds} s on {self.net.device}, with seed {self.seed}"),
            ],
            chapters=[chapter for chapter in self.chapters if chapter.done],
            width=width,
        )

    def _ready(self, chapter: Chapter) -> Chapter:
        """The chapter with its run, or with the reason why this network has none."""
        net = chapter.net or self.net
        source = net.source
        given, check_ = (chapter.technique, chapter.options), chapter.check
        if self.path is None or source is None or not calls.on_command_line(source):
            own = "net" if chapter.net is None else f'cs.load("{chapter.net.name}")'
            chapter.command = calls.python(*given, net=own, check=check_)
        else:
            chapter.command = calls.command(*given, self.path, source, check=check_)
        try:
            inputs = chapter.technique.inputs(net, self.photo)
            run = chapter.technique.run(**inputs, **chapter.options)
            chapter.run = check(run) if chapter.check else run
        except ConvscopeError as error:
            chapter.refusal = str(error)
        return chapter
