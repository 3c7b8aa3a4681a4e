"""DeepDream: a photograph changed toward what a layer finds in it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, NotRequired

import torch
from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.ascent import Recipe, Tiling, climb, tile_side, tiling
from convscope.attribution import LayerNames
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import Network, default_layers
from convscope.runs import Seed, check_image, image_name, name_and_weight, technique
from convscope.types import Ascent, Picture
from convscope.vocabulary.objectives import (
    Objective,
    as_layer,
    each,
    energy,
    resemble,
    weighted,
)
from convscope.vocabulary.optimizers import sgd
from convscope.vocabulary.priors import (
    clamp,
    jitter,
    natural_colors,
    smooth_gradient,
    unit_gradient,
)
from convscope.vocabulary.starts import photo

STEP = 0.005  # mean change of a pixel in a step of strength 1; pixels run from 0 to 1


ENLARGE = 1.05  # from each picture of a zoom to the next, as in the paper


SHIFT = 24  # pixels of jitter


Frames = Annotated[
    int,
    Field(
        ge=1,
        le=10_000,
        description="number of pictures of a zoom into the dream, each enlarged by 5 % from the one"
        " before and dreamed on; save them as .mp4 or .gif",
    ),
]


Tile = Annotated[
    int | None,
    Field(
        ge=32,
        le=100_000,
        description="maximum width and height in pixels of the tiles into which a large photograph"
        " is cut; if not given, tiles whose activations fit into half a gigabyte",
    ),
]


class DeepDreamSummary(TypedDict):
    """The layers, the octave, and the score of each image.

    `tile` is the height and width of the tiles, where the network gets the octave in tiles.
    """

    layer: str
    octave: int
    score: list[float]
    tile: NotRequired[list[int]]


@technique(
    title="DeepDream",
    paper="Mordvintsev, Olah and Tyka 2015",
    url="https://research.google/blog/inceptionism-going-deeper-into-neural-networks/",
    chapter="Images made by optimization",
)
def deepdream(
    net: Network,
    image: Tensor,
    *,
    layer: Annotated[
        LayerNames | None,
        Field(
            description="layers or channels to amplify, each with a weight if needed (blocks.2 and"
            " blocks.4*0.5); if not given, a deep layer"
        ),
    ] = None,
    guide: Annotated[
        str | SkipJsonSchema[Tensor] | None,
        BeforeValidator(image_name),
        Field(
            description="another photograph, whose features the dream imitates",
            json_schema_extra={"format": "image"},
        ),
    ] = None,
    octaves: Annotated[
        int, Field(ge=1, le=12, description="number of image sizes, dreamed at from small to large")
    ] = 4,
    zoom: Annotated[
        float, Field(gt=1, le=2, description="ratio of each image size to the next smaller one")
    ] = 1.3,
    steps: Annotated[
        int, Field(ge=1, le=10_000, description="optimization steps at each image size")
    ] = 20,
    size: Annotated[
        int | None,
        Field(
            ge=32,
            le=16_384,
            description="longer side of the dream in pixels; if not given, that of the photograph",
        ),
    ] = None,
    strength: Annotated[
        float,
        Field(
            gt=0,
            le=100,
            description="how strongly each step changes the photograph: 0.5 half, 2 twice as much"
            " as usual",
        ),
    ] = 1.0,
    rule: Annotated[
        Literal["redirected", "plain"],
        Field(
            description="how much gradient passes through inactive units: redirected passes"
            " a tenth, plain passes none"
        ),
    ] = "redirected",
    frames: Frames = 1,
    tile: Tile = None,
    seed: Seed = 0,
) -> Iterator[Ascent[DeepDreamSummary]]:
    """A photograph, changed until a layer responds more strongly to what it found there.

    The climb starts on a small version of the photograph and continues on larger ones up to its own
    size; each adds to the detail of the last. Several layers add up: each counts by its energy
    relative to its energy for the original photograph, times its weight. With a guide, each
    position of the layer is driven toward the most similar position of the guide.

    Some networks take only some image sizes. They get an image of another size in overlapping
    tiles, or padded by its reflection. The dream has the photograph's own size all the same.
    """
    names = _layers(net, layer)
    base = net.as_input(image)
    base = base if size is None else tensors.longer_side(base, size)
    objective, layers = _objective(net, names, base, guide)
    tile = tile or tile_side(net, layers, len(base))
    dream = _Dream(net, objective, layers, rule, STEP * strength, tile, seed, size is None)
    for octave, frame in _octaves(dream, base, _sizes(base, octaves, zoom), steps):
        if frames == 1:
            yield dream.labeled(frame, octave * steps + frame.step, octaves * steps, names, octave)
    if frames > 1:
        few = max(1, round(steps * math.log(ENLARGE) / math.log(zoom)))  # as many as per octave
        for number, picture in enumerate(_zoom(dream, frame, octave, few, frames), 1):
            yield dream.labeled(picture, number, frames, names, octave)


def _layers(net: Network, layer: LayerNames | None) -> Sequence[str]:
    """The layers that are named; a deep one, before its activation, if none is."""
    if isinstance(layer, str):
        return (layer,)
    return layer or (default_layers.before_activation(default_layers.deep(net)),)


@dataclass(frozen=True)
class _Dream:
    """What the climbs at all sizes have in common."""

    net: Network
    objective: Objective
    layers: frozenset[str]
    rule: str
    lr: float
    tile: int
    seed: int
    enlarge: bool

    def climb(self, start: Tensor, steps: int, number: int) -> Iterator[Ascent]:
        # With half a tile of jitter, the edges of the tiles lie elsewhere at each step.
        tiles = self._tiling(start)
        shift = tiles.longest // 2 if len(tiles.tiles) > 1 else SHIFT
        colors, smooth, unit = natural_colors(fraction=0.85), smooth_gradient(), unit_gradient()
        recipe = Recipe(
            start=photo(start),
            objective=self.objective,
            rule=self.rule,
            priors=(jitter(shift), colors, smooth, unit, clamp()),
            optimizer=sgd(self.lr),
            steps=steps,
            tile=self.tile,
        )
        return climb(self.net, recipe, self.seed + number)

    def labeled(
        self, frame: Ascent, step: int, steps: int, names: Sequence[str], octave: int
    ) -> Ascent:
        name, tiles = ", ".join(names), self._tiling(frame.image)
        summary = {"layer": name, "octave": octave + 1, "score": frame.score.tolist()}
        if not tiles.whole:
            summary["tile"] = list(tiles.tile)
        panels = tuple(Picture(one, name, enlarge=self.enlarge) for one in frame.image)
        return replace(frame, step=step, steps=steps, panels=panels, summary=summary)

    def _tiling(self, image: Tensor) -> Tiling:
        height, width = image.shape[-2:]
        return tiling(self.net, self.layers, (height, width), self.tile)


def _octaves(
    dream: _Dream, base: Tensor, sizes: Sequence[tuple[int, int]], steps: int
) -> Iterator[tuple[int, Ascent]]:
    """The number of each size, and the frames of its climb."""
    image = tensors.resize(base, sizes[0]).clamp(0, 1)
    for octave, size in enumerate(sizes):
        if octave:
            image = _enlarged_dream(image, base, size)
        for frame in dream.climb(image, steps, octave):
            yield octave, frame
        image = frame.image


def _zoom(dream: _Dream, frame: Ascent, octave: int, steps: int, count: int) -> Iterator[Ascent]:
    """The frame itself, then further ones, each dreamed from the one before, enlarged."""
    yield frame
    for number in range(2, count + 1):
        climbed = dream.climb(_enlarged_middle(frame.image), steps, octave + number)
        frame = deque(climbed, maxlen=1).pop()
        yield frame


def _objective(
    net: Network, names: Sequence[str], base: Tensor, guide: str | Tensor | None
) -> tuple[Objective, frozenset[str]]:
    """The objective of the climb, and the layers that it reads."""
    imitated = None if guide is None else _opened(net, guide)
    weights, terms = [], list[Objective]()
    for weighted_name in names:
        name, weight = name_and_weight(weighted_name)
        target = as_layer(net, name)
        weights.append(weight)
        terms.append(energy(target, leak=0.1) if imitated is None else resemble(target, imitated))
    bound = [term.bind(net) for term in terms]
    layers = frozenset().union(*(one.layers for one in bound))
    original = net.preprocess(base)
    with torch.no_grad():
        activations = net.activations(original, layers)
        scores = torch.stack([one.score(activations, original) for one in bound], 1)
    relative = torch.tensor(weights).to(scores) / scores.abs().clamp_min(1e-30)
    sums = [weighted(tuple(zip(row, terms, strict=True))) for row in relative.tolist()]
    return sums[0] if len(sums) == 1 else each(tuple(sums)), layers


def _opened(net: Network, guide: str | Tensor) -> Tensor:
    opened = images.open_image(guide) if isinstance(guide, str) else guide
    check_image("guide", net, opened)
    if len(opened) != 1:
        raise ConvscopeError(f"the guide must be one photograph, not {len(opened)}")
    return net.preprocess(opened)


def _enlarged_dream(dreamed: Tensor, base: Tensor, size: tuple[int, int]) -> Tensor:
    """The photograph at a larger size, with the detail that was dreamed at a smaller one."""
    height, width = dreamed.shape[-2:]
    detail = dreamed - tensors.resize(base, (height, width)).clamp(0, 1)
    return tensors.resize(detail, size).add_(tensors.resize(base, size)).clamp_(0, 1)


def _enlarged_middle(image: Tensor) -> Tensor:
    """The middle of an image, enlarged to the size of the whole image."""
    theta = torch.tensor([[1 / ENLARGE, 0, 0], [0, 1 / ENLARGE, 0]]).to(image)
    return tensors.warp(image, theta, "border", "bicubic").clamp_(0, 1)


def _sizes(image: Tensor, octaves: int, zoom: float) -> list[tuple[int, int]]:
    height, width = image.shape[-2:]
    factors = [zoom**-k for k in reversed(range(octaves))]
    sizes = [(round(height * f), round(width * f)) for f in factors]
    if min(sizes[0]) < 32:
        raise ConvscopeError(
            f"the photograph of {height} x {width} pixels is too small for {octaves} octaves;"
            " use fewer octaves, or a larger size"
        )
    return sizes
