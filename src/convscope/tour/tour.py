"""The tour: one photograph through one network, in the order of the lecture, as one HTML page."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import jinja2
from torch import Tensor

from convscope import __version__
from convscope.errors import ConvscopeError
from convscope.files import atomic, images
from convscope.network import Network
from convscope.runs import Result
from convscope.tour.chapter import Chapter
from convscope.tour.chapters import plan
from convscope.tour.page import growth_picture, webp
from convscope.trust import check

MOMENTS = (0.03, 0.125, 0.5, 1.0)


LARGEST = 1500


class Tour:
    """Walks a photograph through a network.

    `stops` lists what to run; hand each one's results to `visit`, then `save` the page. A page
    saved early has the stops that were visited.
    """

    def __init__(
        self,
        net: Network,
        photo: Tensor,
        path: str,
        *,
        full: bool = False,
        seed: int = 0,
        model: str | None = None,
        index: str | None = None,
    ) -> None:
        self.net, self.photo, self.path = net, photo, path
        self.seed, self.model = seed, model
        self.begun = time.monotonic()
        chapters = plan(net, photo, full=full, seed=seed, index=index)
        self.chapters = [self._ready(chapter) for chapter in chapters]

    def visit(self, chapter: Chapter, results: Iterable[Result]) -> None:
        """Follow a stop's run to its end and keep what the page shows of it."""
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
        source = files("convscope.tour").joinpath("tour.html").read_text(encoding="utf-8")
        environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        name = Path(self.path.removeprefix(images.SAMPLE_PREFIX)).stem
        page = environment.from_string(source).render(
            net=self.net,
            photo_name=name.replace("_", " "),
            size=tuple(self.photo.shape[-2:]),
            parameters=self.net.num_parameters,
            chapters=[chapter for chapter in self.chapters if chapter.picture or chapter.refusal],
            seconds=round(time.monotonic() - self.begun),
            seed=self.seed,
            version=__version__,
        )
        return atomic.write_file(path, lambda file: _write(file, page))

    def _ready(self, chapter: Chapter) -> Chapter:
        """The stop with its run, or with the reason why this network has none."""
        takes_image = chapter.technique.takes_image
        chapter.command = self._command(chapter)
        try:
            image = self.photo if takes_image else None
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
        if self.model:
            words += ["--model", self.model]
        return shlex.join([*words, "-o", f"{chapter.technique.command}.png"])


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
