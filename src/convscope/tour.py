"""The tour: one photograph through one network, in the order of the lecture, as one HTML page."""

from __future__ import annotations

import base64
import io
import os
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import torch
from PIL import Image
from torch import Tensor

from convscope import __version__, _defaults, images, registry, render
from convscope.errors import ConvscopeError
from convscope.network import PRE, Network
from convscope.registry import Technique
from convscope.run import Result, Run
from convscope.tensors import resize
from convscope.types import Grid, Picture

MOMENTS = (0.03, 0.125, 0.5, 1.0)
LARGEST = 1500


@dataclass
class Stop:
    """One step of the tour: what is shown, and how to read it."""

    title: str
    technique: Technique
    reading: str
    options: Mapping[str, Any]
    quote: Callable[[Mapping[str, Any]], Mapping[str, object]] = field(default=lambda _: {})
    run: Run | None = None
    refusal: str = ""
    command: str = ""
    picture: str = ""
    alt: str = ""
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    figures: list[tuple[str, object]] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        return self.title.lower().replace(" ", "-").replace("?", "").replace(",", "")

    @property
    def wide(self) -> bool:
        return self.width > 1.6 * self.height


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
    ) -> None:
        self.net, self.photo, self.path = net, photo, path
        self.full, self.seed, self.model = full, seed, model
        self.begun = time.monotonic()
        self.stops = [self._ready(stop) for stop in self._plan()]

    def visit(self, stop: Stop, results: Iterable[Result]) -> None:
        """Follow a stop's run to its end and keep what the page shows of it."""
        begun = time.monotonic()
        last, growth = None, []
        try:
            for last in results:
                if last.steps > 1 and last.step in {round(m * last.steps) for m in MOMENTS}:
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
            stop.run = stop.technique.run(self.net, image, **stop.options)
        except ConvscopeError as error:
            stop.refusal = str(error)
        return stop

    def _command(self, stop: Stop) -> str:
        words = ["convscope", stop.technique.name]
        if stop.technique.takes_image:
            words.append(self.path)
        for name, value in stop.options.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        if self.model:
            words += ["--model", self.model]
        return shlex.join([*words, "-o", f"{stop.technique.name}.png"])

    def _plan(self) -> list[Stop]:
        net, full = self.net, self.full
        try:
            top, second = net.predict(self.photo, 2)
            name, other = top.label, second.label
        except ConvscopeError:
            name = other = ""
        first = _defaults.first(net)
        stops = [
            _stop(
                "What does it say?",
                "predict",
                "The network looks only at the bright part: the photograph is shrunk and its centre"
                " cut out, as the network was trained. The bars are probabilities over all its"
                " classes; what is not among its classes it cannot name, so look at whether the"
                " runners-up make sense too.",
                quote=_quote_predictions,
            ),
            _stop(
                "What does it look with?",
                "filters",
                "Each tile is one filter of the first layer, stretched to full contrast: the"
                " pattern of colours that it answers to most. Stripes find edges, opposed colours"
                " find colour borders, plain tiles pass brightness on. The histogram shows how many"
                " weights do next to nothing.",
                quote=lambda f: {
                    "filters": f["filters"],
                    "weights near zero": _part(f["near_zero"]),
                },
            ),
            _stop(
                "What does each channel find?",
                "activations",
                f"The photograph as the first activation ({first.name}) answers to it, one map a"
                " channel, strongest first; bright is a strong answer. The maps still look like the"
                " photograph: some keep edges, some colours, some light or dark. A cross marks a"
                " channel that says the same everywhere.",
                {"layer": first.name},
                _quote_layer,
            ),
        ]
        with_maps = _deep_name(net)
        if with_maps:
            stops.append(
                _stop(
                    "What is left deep inside?",
                    "activations",
                    f"The same at {with_maps}, far deeper: few channels answer, each in few places."
                    " A bright spot means that something was found there, an eye or a texture"
                    " perhaps, not what the photograph looks like there.",
                    {"layer": with_maps},
                    _quote_layer,
                )
            )
        if name:
            reading = (
                f"The brighter a pixel, the more a small change of it would change the score of"
                f" {name}. It says where the network is touchy, not which way, and it is noisy:"
                " trust clusters, not single pixels. The scale is in score units per pixel."
            )
            stops.append(
                _stop("Which pixels matter?", "saliency", reading, {"target": name}, _quote_target)
            )
            reading = (
                f"The same for the runner-up, {other}. If this map looks like the one above, the"
                " network decides between the two by how strongly the same places answer; if not,"
                " by different places."
            )
            stops.append(
                _stop(
                    "And for the runner-up?", "saliency", reading, {"target": other}, _quote_target
                )
            )
            stops.append(
                _stop(
                    "Which parts excite it?",
                    "guided",
                    f"The gradient of {name}, but on the way back only what excites is followed."
                    " Grey is no influence. It draws the parts that the network found, crisply;"
                    " beware that it draws much the same for other classes: it shows what was"
                    " seen, less what decided.",
                    {"target": name, "samples": 64 if full else 16, "seed": self.seed},
                    _quote_target,
                )
            )
        detail = _layer_name(net, 0.6)
        if detail:
            stops.append(
                _stop(
                    "What do units in the middle see?",
                    "guided",
                    f"Nine channels of {detail.removesuffix(PRE)}, those that stand out most here."
                    " Left of each pair is the patch that its strongest unit sees,"
                    " right of it what in the patch excites that unit.",
                    {"target": detail},
                    _quote_sheet,
                )
            )
        small = _layer_name(net, 0.2)
        if small:
            stops.append(
                _stop(
                    "Reading a unit backwards",
                    "deconv",
                    "Earlier units, read back by the deconvnet, which sends the answer down through"
                    " the same weights. Without max pooling, whose switches remember where things"
                    " were, it shows what the unit looks for rather than what is in this patch;"
                    " compare the two.",
                    {"target": small},
                    _quote_sheet,
                )
            )
        if name:
            stops.append(
                _stop(
                    "What would it most like to see?",
                    "class_image",
                    f"No photograph here: an image climbed from noise until the network is as sure"
                    f" as it can be of {name}. Look for the parts that repeat and for what comes"
                    " along with them, surroundings for instance: that too is what the class means"
                    " to the network.",
                    {"target": name, "steps": 1024 if full else 256, "seed": self.seed},
                    lambda f: {"class": f["target"], "score": f"{f['score']:.1f}"},
                )
            )
        stops.append(
            _stop(
                "What does it dream of?",
                "deepdream",
                "The photograph, changed step by step so that a deep layer answers more strongly to"
                " whatever it already finds. What grows is what the network knows best: with a"
                " network trained on ImageNet, animals.",
                {"steps": 24 if full else 12, "seed": self.seed},
                lambda f: {"layer": f["layer"]},
            )
        )
        return stops


def _stop(
    title: str,
    name: str,
    reading: str,
    options: Mapping[str, Any] | None = None,
    quote: Callable[[Mapping[str, Any]], Mapping[str, object]] = lambda _: {},
) -> Stop:
    return Stop(title, registry.get(name), reading, options or {}, quote)


def _layer_name(net: Network, fraction: float) -> str:
    try:
        return _defaults.seeing(net, fraction).name + PRE
    except ConvscopeError:
        return ""


def _deep_name(net: Network) -> str:
    try:
        return _defaults.deep(net).name
    except ConvscopeError:
        return ""


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


def _part(value: float) -> str:
    return f"{value:.1%}"


def _quote_predictions(figures: Mapping[str, Any]) -> Mapping[str, object]:
    return {p["label"]: _part(p["probability"]) for p in figures["predictions"]}


def _quote_layer(figures: Mapping[str, Any]) -> Mapping[str, object]:
    return {
        "channels": f"{figures['channels']}, of which {figures['dead']} dead on this photograph",
        "values that are zero": _part(figures["silent"]),
    }


def _quote_target(figures: Mapping[str, Any]) -> Mapping[str, object]:
    score, steepest = figures["score"], figures["steepest"]
    return {f"score of {figures['target']}": f"{score:.2f}", "steepest pixel": f"{steepest:.3g}"}


def _quote_sheet(figures: Mapping[str, Any]) -> Mapping[str, object]:
    return {"layer": figures["target"], "channels": ", ".join(map(str, figures["channels"]))}
