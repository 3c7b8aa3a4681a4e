"""A tour at work: its chapters run one after another and become a page."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from convscope import __version__
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import Network, zoo
from convscope.reports.chapter import Chapter
from convscope.reports.chapters.plan import plan
from convscope.reports.page import growth_picture, webp, write_page
from convscope.runs import Result
from convscope.trust import check

MOMENTS = (0.03, 0.125, 0.5, 1.0)  # fractions of a run at which the page shows an image that grows

LARGEST = 1500  # width of a picture on the page in pixels, a quarter of its greatest height


class Tour:
    """A photograph on its way through a network.

    `chapters` lists what to run. Hand each one's results to `visit`, then `save` the page. A page
    that is saved early has the chapters that were visited.

    Args:
        net: the network.
        photo: the photograph, (1, 3, H, W).
        path: where it is, for the commands on the page.
        full: use more steps and samples: better pictures, slower.
        seed: seed of the random numbers.
        index: index of a collection, for the chapters about other photographs.
    """

    def __init__(
        self,
        net: Network,
        photo: Tensor,
        path: str,
        *,
        full: bool = False,
        seed: int = 0,
        index: str | None = None,
    ) -> None:
        self.net, self.photo, self.path, self.seed = net, photo, path, seed
        self.begun = time.monotonic()
        chapters = plan(net, photo, full=full, seed=seed, index=index)
        self.chapters = [self._ready(chapter) for chapter in chapters]

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
        shown = (
            growth_picture(growth, self.photo if chapter.technique.takes_image else None)
            or last.picture
        )
        shown = shown.copy()
        shown.thumbnail((LARGEST, 4 * LARGEST))
        chapter.width, chapter.height = shown.size
        chapter.picture = webp(shown)
        chapter.alt = f"{chapter.technique.title} of {Path(self.path).stem}"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page: one file that needs nothing else."""
        name = Path(self.path.removeprefix(images.SAMPLE_PREFIX)).stem
        return write_page(
            path,
            net=self.net,
            photo_name=name.replace("_", " "),
            size=tuple(self.photo.shape[-2:]),
            chapters=[chapter for chapter in self.chapters if chapter.picture or chapter.refusal],
            seconds=round(time.monotonic() - self.begun),
            seed=self.seed,
            version=__version__,
        )

    def _ready(self, chapter: Chapter) -> Chapter:
        """The chapter with its run, or with the reason why this network has none."""
        chapter.command = self._command(chapter)
        try:
            image = self.photo if chapter.technique.takes_image else None
            run = chapter.technique.run(self.net, image, **chapter.options)
            chapter.run = check(run) if chapter.check else run
        except ConvscopeError as error:
            chapter.refusal = str(error)
        return chapter

    def _command(self, chapter: Chapter) -> str:
        words = ["convscope", chapter.technique.command]
        if chapter.technique.takes_image:
            words.append(self.path)
        for name, value in chapter.options.items():
            for one in value if isinstance(value, tuple) else (value,):
                words += [f"--{name.replace('_', '-')}", str(one)]
        if chapter.check:
            words.append("--check")
        words += self._network_words()
        return shlex.join([*words, "-o", f"{chapter.technique.command}.png"])

    def _network_words(self) -> list[str]:
        """The options of the command line that choose this network."""
        source = self.net.source
        if source is None:  # a module of the caller's own, which no command can load
            return []
        words = [] if source["name"] == zoo.DEFAULT else ["--model", str(source["name"])]
        if source["checkpoint"]:
            words += ["--checkpoint", str(source["checkpoint"])]
        if not source["pretrained"]:
            words.append("--random-weights")
        return words
