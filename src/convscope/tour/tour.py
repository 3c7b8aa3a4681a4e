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
from convscope.tour.chapter import Stop
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
        stops = plan(net, photo, full=full, seed=seed, index=index)
        self.stops = [self._ready(stop) for stop in stops]

    def visit(self, stop: Stop, results: Iterable[Result]) -> None:
        """Follow a stop's run to its end and keep what the page shows of it."""
        begun = time.monotonic()
        last, growth = None, []
        try:
            for last in results:
                if stop.grows and last.step in {round(m * last.steps) for m in MOMENTS}:
                    growth.append(last)
        except ConvscopeError as error:
            stop.refusal = str(error)
            return
        assert last is not None
        stop.seconds = time.monotonic() - begun
        stop.figures = list(stop.quote(last.figures).items())
        shown = (
            growth_picture(growth, self.photo if stop.technique.takes_image else None)
            or last.picture
        )
        shown = shown.copy()
        shown.thumbnail((LARGEST, 4 * LARGEST))
        stop.width, stop.height = shown.size
        stop.picture = webp(shown)
        stop.alt = f"{stop.technique.title} of {Path(self.path).stem}"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page: one file that needs nothing else."""
        source = files("convscope.tour").joinpath("tour.html").read_text(encoding="utf-8")
        environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        name = Path(self.path.removeprefix(images.SAMPLE_PREFIX)).stem
        page = environment.from_string(source).render(
            net=self.net,
            photo_name=name.replace("_", " "),
            size=tuple(self.photo.shape[-2:]),
            parameters=self.net.parameters,
            stops=[stop for stop in self.stops if stop.picture or stop.refusal],
            seconds=round(time.monotonic() - self.begun),
            seed=self.seed,
            version=__version__,
        )
        return atomic.write_file(path, lambda file: _write(file, page))

    def _ready(self, stop: Stop) -> Stop:
        """The stop with its run, or with the reason why this network has none."""
        takes_image = stop.technique.takes_image
        stop.command = self._command(stop)
        try:
            image = self.photo if takes_image else None
            run = stop.technique.run(self.net, image, **stop.options)
            stop.run = check(run) if stop.check else run
        except ConvscopeError as error:
            stop.refusal = str(error)
        return stop

    def _command(self, stop: Stop) -> str:
        words = ["convscope", stop.technique.name]
        if stop.technique.takes_image:
            words.append(self.path)
        for name, value in stop.options.items():
            for one in value if isinstance(value, tuple) else (value,):
                words += [f"--{name.replace('_', '-')}", str(one)]
        if stop.check:
            words.append("--check")
        if self.model:
            words += ["--model", self.model]
        return shlex.join([*words, "-o", f"{stop.technique.name}.png"])


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
