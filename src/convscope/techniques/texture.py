"""Textures of any size that share a layer's statistics with a sample."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import BeforeValidator, Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.ascent import Recipe, climb
from convscope.attribution import LayerNames
from convscope.errors import ConvscopeError
from convscope.network import Network, default_layers
from convscope.runs import Seed, technique
from convscope.stylization import Likeness, seam
from convscope.types import Ascent, Curves, ImageFrame, Panel, Picture
from convscope.vocabulary.objectives import (
    StatisticName,
    as_layer,
    match,
    weighted,
)
from convscope.vocabulary.optimizers import adam, lbfgs
from convscope.vocabulary.priors import Prior, clamp, jitter, wrap
from convscope.vocabulary.starts import Start, fourier, noise
from convscope.vocabulary.style_losses import NETWORK, SQUEEZENET

SIDE = 256  # pixels of a texture, and of the longer side of a sample, whose size is not given

MAX_EVALS = 10  # of the network, in one step of L-BFGS


# One statistic or several: what a caller may write, and the tuple that the technique gets.
if TYPE_CHECKING:
    Statistics = StatisticName | Sequence[StatisticName]
else:
    Statistics = Annotated[
        tuple[StatisticName, ...],
        BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    ]


class TextureSummary(TypedDict):
    """The layers from the shallowest to the deepest, and the numbers of each finished texture.

    `by` is the statistic that it matches, and `matched` the number of layers. `distances` has a row
    for each texture: the Gram distance to the sample at each of the layers. `other_layers` are
    further layers of the network, which no texture was made from, and `others` the mean Gram
    distance there, if there are any. `seams` is how much pixels change across the edges of a
    tiling, relative to the mean change between neighbors inside: 1 for edges that cannot be seen.
    """

    layers: list[str]
    by: list[str]
    matched: list[int]
    distances: list[list[float]]
    other_layers: list[str]
    others: list[float]
    seams: list[float]


@technique(
    title="Texture from statistics",
    paper="Gatys, Ecker and Bethge 2015",
    url="https://arxiv.org/abs/1505.07376",
    chapter="Textures and style",
    network=NETWORK,
    batch=False,
    climbs=True,
)
def texture(
    net: Network,
    image: Tensor,
    *,
    layer: Annotated[
        LayerNames | None,
        Field(
            description="a layer or several; if not given, five whose units see from a few pixels"
            " to about half of the network's input"
        ),
    ] = None,
    by: Annotated[
        Statistics,
        Field(
            min_length=1,
            description="statistics that are matched, with a texture for each: gram, products of"
            " channels, as in the paper; centered, their covariances and means; moments, means and"
            " standard deviations; sliced, sorted activations along random directions",
        ),
    ] = ("gram",),
    each_depth: Annotated[
        bool,
        Field(
            description="make a texture for each depth: from the shallowest layer alone, from two,"
            " and so on"
        ),
    ] = False,
    tileable: Annotated[
        bool, Field(description="make opposite edges fit together, as of a tile")
    ] = False,
    height: Annotated[
        int, Field(ge=16, le=4096, description="height of the texture in pixels")
    ] = SIDE,
    width: Annotated[
        int, Field(ge=16, le=4096, description="width of the texture in pixels")
    ] = SIDE,
    sample_size: Annotated[
        int,
        Field(
            ge=16,
            le=4096,
            description="longer side in pixels to which a larger sample is reduced",
        ),
    ] = SIDE,
    prior: Annotated[
        Literal["fourier", "pixels"],
        Field(
            description="what is optimized: Fourier coefficients (better colors), or pixels, as in"
            " the paper"
        ),
    ] = "fourier",
    optimizer: Annotated[
        Literal["lbfgs", "adam"],
        Field(description="how the steps are taken: by L-BFGS, as in the paper, or by Adam"),
    ] = "lbfgs",
    steps: Annotated[
        int, Field(ge=1, le=100_000, description="evaluations of the network for each texture")
    ] = 300,
    seed: Seed = 0,
) -> Iterator[ImageFrame[TextureSummary]]:
    """A texture of any size, drawn from noise until a network's statistics match a sample's.

    The statistics of a layer forget where things are. What remains is how often features occur, and
    which occur together. The loss is the sum over layers of the squared distance of the statistics,
    divided by the squared norm of the sample's. All layers have the same weight, and pooling is
    that of the network, where the paper has averages.

    Adam sees the texture shifted around by random amounts, so its edges always fit together.
    L-BFGS needs a loss that does not change. For a tile, it sees the texture continued beyond the
    edges, where nothing counts but what lies inside.

    The score is minus the loss.
    """
    sample = _sample(net, image, sample_size)
    layers = _layers(net, layer)
    for name in layers:
        _check(net, name, image, sample)
    options = _Options(prior, optimizer, steps, (height, width), tileable)
    for size in ((sample.shape[-2], sample.shape[-1]), options.size):
        if not net.sizes.takes(size, layers):
            raise net.sizes.refusal(size, layers)
    judge = Likeness(net, layers, sample, options.size)
    depths = range(1, len(layers) + 1) if each_depth else (len(layers),)
    textures = [
        _Texture(statistic, layers[:depth], net, sample, options)
        for statistic in ((by,) if isinstance(by, str) else by)
        for depth in depths
    ]
    before = 0
    for one in textures:
        for frame in climb(net, one.recipe, seed):
            one.frame = frame
            if frame.step == frame.steps:
                one.measured = judge(frame.image)
            yield _frame(textures, sample, judge, before + frame.step)
        before += one.recipe.steps


def _sample(net: Network, image: Tensor, longest: int) -> Tensor:
    """The sample, reduced if it is larger."""
    sample = net.as_input(image)
    return tensors.longer_side(sample, min(longest, max(sample.shape[-2:])))


def _layers(net: Network, layer: str | Sequence[str] | None) -> list[str]:
    """The layers from the shallowest to the deepest."""
    if layer is None:
        known = net.name == NETWORK
        names = list(SQUEEZENET.style) if known else default_layers.textured(net)
    else:
        names = [layer] if isinstance(layer, str) else list(layer)
    if not names:
        raise ConvscopeError("texture needs a layer; convscope layers lists them")
    order = {one.name: number for number, one in enumerate(net.layers)}
    found = [as_layer(net, name).layer for name in dict.fromkeys(names)]
    return sorted(found, key=lambda name: order[name.removesuffix(".pre")])


def _check(net: Network, name: str, image: Tensor, sample: Tensor) -> None:
    """Refuse a layer without feature maps, and one whose units see more than the sample."""
    layer = net.layer(name.removesuffix(".pre"))
    if not layer.maps:
        raise ConvscopeError(
            f"{name!r} has no feature maps, so it knows no texture; name a convolution"
        )
    (height, width), (rows, columns) = image.shape[-2:], sample.shape[-2:]
    seen = layer.receptive_field or net.input_size
    if rows < seen[0] or columns < seen[1]:
        reduced = f", reduced to {rows} x {columns}" if (rows, columns) != (height, width) else ""
        raise ConvscopeError(
            f"a unit of {name!r} sees {seen[0]} x {seen[1]} pixels, more than the sample of"
            f" {height} x {width}{reduced}; take a larger one or shallower layers"
        )


@dataclass(frozen=True)
class _Options:
    """The options that shape a recipe."""

    prior: str
    optimizer: str
    steps: int
    size: tuple[int, int]
    tileable: bool


class _Texture:
    """One texture: its recipe, its last frame, and at the end its numbers."""

    def __init__(
        self,
        by: StatisticName,
        layers: Sequence[str],
        net: Network,
        sample: Tensor,
        options: _Options,
    ) -> None:
        self.by, self.layers, self.size = by, layers, options.size
        self.recipe = _recipe(net, by, layers, sample, options)
        self.frame: Ascent | None = None
        self.measured: tuple[list[float], float] | None = None

    def image(self, like: Tensor) -> Tensor:
        """The image so far; gray before the first step."""
        if self.frame is None:
            return like.new_full((1, like.shape[1], *self.size), 0.5)
        return self.frame.image


def _recipe(
    net: Network, by: StatisticName, layers: Sequence[str], sample: Tensor, options: _Options
) -> Recipe:
    pixels, climbing = options.prior == "pixels", options.optimizer == "adam"
    start: Start = noise(size=options.size) if pixels else fourier(size=options.size)
    views: tuple[Prior, ...] = (jitter(max(options.size) // 2),) if climbing else ()
    masks: tuple[Tensor, ...] = ()
    if options.tileable and not climbing:
        seen = net.layer(layers[-1].removesuffix(".pre")).receptive_field or net.input_size
        height, width = sample.shape[-2:]
        margin = math.ceil(max(seen) / 4)
        views = (wrap(2 * margin),)
        masks = (
            _middle(options.size, margin),
            _middle((height - 2 * margin, width - 2 * margin), margin),
        )
    terms = tuple((1.0, match(name, sample, by, *masks)) for name in layers)
    lr, steps = 0.02 if pixels else 0.2, options.steps
    return Recipe(
        start=start,
        objective=weighted(terms),
        priors=(*views, clamp()) if pixels else views,
        optimizer=adam(lr, lr_decay=0.1 ** (1 / steps)) if climbing else lbfgs(max_evals=MAX_EVALS),
        steps=steps if climbing else max(1, steps // MAX_EVALS),
    )


def _middle(size: tuple[int, int], margin: int) -> Tensor:
    """A mask that is 1, with a margin around it that is 0: there, units see beyond the image."""
    return F.pad(torch.ones(1, 1, *size), [margin] * 4)


def _frame(
    textures: Sequence[_Texture], sample: Tensor, judge: Likeness, step: int
) -> ImageFrame[TextureSummary]:
    images = torch.cat([one.image(sample) for one in textures])
    unknown = sample.new_full((1,), torch.nan)
    scores = [unknown if one.frame is None else one.frame.score for one in textures]
    done = [one for one in textures if one.measured]
    summary: TextureSummary = {
        "layers": list(judge.layers),
        "by": [one.by for one in done],
        "matched": [len(one.layers) for one in done],
        "distances": [one.measured[0] for one in done if one.measured],
        "other_layers": judge.others,
        "others": [one.measured[1] for one in done if one.measured and judge.others],
        "seams": [seam(one.image(sample)) for one in done],
    }
    return ImageFrame(
        panels=_panels(textures, sample, summary),
        step=step,
        steps=sum(one.recipe.steps for one in textures),
        image=images,
        score=torch.cat(scores),
        summary=summary,
    )


def _panels(
    textures: Sequence[_Texture], sample: Tensor, summary: TextureSummary
) -> tuple[Panel, ...]:
    """The texture; or the sample, a texture for each depth, and how near they come."""
    images = [one.image(sample)[0] for one in textures]
    if len(images) == 1:
        return (Picture(images[0], enlarge=True),)
    depths = sorted({len(one.layers) for one in textures})
    names = dict.fromkeys(one.by for one in textures)
    captions = [
        ", ".join([one.by] * (len(names) > 1) + [f"to {one.layers[-1]}"] * (len(depths) > 1))
        for one in textures
    ]
    pictures = [Picture(one, caption) for one, caption in zip(images, captions, strict=True)]
    panels: list[Panel] = [Picture(sample[0], "sample"), *pictures]
    if len(depths) > 1 and len(summary["others"]) == len(images):
        rows = torch.tensor(summary["others"]).view(len(names), -1).tolist()
        lines = {str(name): tuple(row) for name, row in zip(names, rows, strict=True)}
        where = "Gram distance at other layers"
        panels.append(Curves(tuple(map(float, depths)), lines, "number of layers matched", where))
    return tuple(panels)
