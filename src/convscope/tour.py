"""The tour: one photograph through one network, in the order of the lecture, as one HTML page."""

from __future__ import annotations

import base64
import io
import os
import shlex
import time
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import jinja2
import torch
from PIL import Image
from torch import Tensor

from convscope import __version__, images, render
from convscope._stops import Stop, plan
from convscope.check import check
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.run import Result
from convscope.tensors import resize
from convscope.types import Grid, Picture

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
        shown = _growth(growth, self.photo if stop.technique.takes_image else None) or last.picture
        shown = shown.copy()
        shown.thumbnail((LARGEST, 4 * LARGEST))
        stop.width, stop.height = shown.size
        stop.picture = _webp(shown)
        stop.alt = f"{stop.technique.title} of {Path(self.path).stem}"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page: one file that needs nothing else."""
        source = files("convscope").joinpath("tour.html").read_text(encoding="utf-8")
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
        return images.write_file(path, lambda file: _write(file, page))

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


def _growth(results: list[Result], photo: Tensor | None) -> Image.Image | None:
    """Of a climb: the photo before and after, or the image at a few moments side by side."""
    if not results or results[-1].image is None:
        return None
    tensors = [
        torch.from_numpy(r.image).permute(0, 3, 1, 2) for r in results if r.image is not None
    ]
    if photo is not None:
        return render.draw((Picture(photo[0], "before"), Picture(tensors[-1][0], "after")))
    size = (max(224, tensors[-1].shape[-2]),) * 2
    tiles = torch.cat([resize(image[:1], size).clamp(0, 1) for image in tensors])
    captions = tuple(f"after {r.step} steps" for r in results)
    panel = Grid(tiles, columns=len(tiles), captions=captions, low=0.0, high=1.0, tile_inches=2.1)
    return render.draw((panel,))


def _webp(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=88, method=4)
    return base64.b64encode(buffer.getvalue()).decode()


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
