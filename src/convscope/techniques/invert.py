"""Images made from a layer's embedding of a photograph: what the embedding preserves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.ascent import Recipe, climb
from convscope.attribution import LayerNames
from convscope.errors import ConvscopeError
from convscope.network import Network, default_layers
from convscope.runs import ImageSize, Seed, technique
from convscope.types import Curves, Grid, ImageFrame, Panel
from convscope.vocabulary.objectives import Bound, Objective, caricature, match, power, tv
from convscope.vocabulary.optimizers import adam, lbfgs
from convscope.vocabulary.priors import Prior, clamp, random_affine
from convscope.vocabulary.rules import redirected
from convscope.vocabulary.starts import Start, fourier, noise

MAX_EVALS = 20  # of the network, in one step of L-BFGS


# Up to this stride in pixels an embedding determines the image; beyond it many images share one.
COARSE = 24


class InvertSummary(TypedDict):
    """The layers that are done, and for each the numbers of its images.

    The goal `match` has errors, and no caricatures; the goal `caricature` the reverse.
    """

    layers: list[str]
    errors: list[list[float]]
    root_errors: list[list[float]]
    caricatures: list[list[float]]
    correlations: list[list[float]]


@technique(
    title="Feature inversion",
    paper="Mahendran and Vedaldi 2015",
    url="https://arxiv.org/abs/1412.0035",
    chapter="Images made by optimization",
    batch=False,
)
def invert(
    net: Network,
    image: Tensor,
    *,
    layer: Annotated[
        LayerNames | None,
        Field(description="a layer or several; if not given, every stage and the last embedding"),
    ] = None,
    goal: Annotated[
        Literal["match", "caricature"],
        Field(
            description="whether to match the photograph's embedding or to exaggerate its strongest"
            " features"
        ),
    ] = "match",
    prior: Annotated[
        Literal["fourier", "pixels"],
        Field(
            description="what is optimized: Fourier coefficients (sharper) or pixels (as in the"
            " paper, grayer)"
        ),
    ] = "fourier",
    count: Annotated[
        int, Field(ge=1, le=64, description="images for each layer, each from different noise")
    ] = 1,
    steps: Annotated[
        int, Field(ge=1, le=100_000, description="evaluations of the network for each layer")
    ] = 256,
    size: ImageSize = None,
    smoothness: Annotated[
        float,
        Field(ge=0, le=1e6, description="factor on the weights of total variation and L6 norm"),
    ] = 1.0,
    seed: Seed = 0,
) -> Iterator[ImageFrame[InvertSummary]]:
    """An image optimized from noise until its embedding matches that of a photograph.

    The error is |e - p|^2 / |p|^2, where e is the layer's embedding of the drawn image and p that
    of the photograph; the root error is its square root. The correlation compares all pixels and
    colors of the two images. A caricature has no error; its score is the projection of e on p, as
    a fraction of |p|, times the cosine of e and p (Olah 2018).

    L-BFGS matches layers whose stride is at most 24 pixels, with up to four times as many
    evaluations where the stride is below 16. All else is climbed by Adam on randomly rotated,
    scaled and shifted views, and inactive units pass a twentieth of the gradient. The weights of
    total variation and L6 norm grow with the fourth power of the stride. A layer without weights
    before it, as in HOG, is not smooth enough for L-BFGS. Adam climbs it in small steps on the
    image as it is, with eight times the weight of total variation and no L6 norm.
    """
    options = _Options(prior, count, steps, size, smoothness)
    original, inversions = _begun(net, image, layer, goal, options)
    before = 0
    for inversion in inversions:
        for frame in climb(net, inversion.recipe, seed):
            inversion.images = frame.image
            if frame.step == frame.steps:
                inversion.measure(net, original)
            yield _frame(inversions, original, goal, before + frame.step)
        before += inversion.recipe.steps


@dataclass(frozen=True)
class _Options:
    """The options that shape a recipe."""

    prior: str
    count: int
    steps: int
    size: int | None
    smoothness: float


@dataclass
class _Inversion:
    """The inversion of one layer: its recipe, its images, gray at first, and at the end their
    scores and correlations."""

    layer: str
    bound: Bound
    recipe: Recipe
    images: Tensor
    measured: tuple[Tensor, Tensor] | None = None

    def measure(self, net: Network, original: Tensor) -> None:
        with torch.no_grad():
            scores = self.bound.read(net, self.images)[1]
        self.measured = scores, _correlation(self.images, original)


def _begun(
    net: Network,
    image: Tensor,
    layer: str | Sequence[str] | None,
    goal: str,
    options: _Options,
) -> tuple[Tensor, list[_Inversion]]:
    """The network's input (1, C, H, W), and the inversion of each layer before its first step."""
    layers = _stages(net) if layer is None else (layer,) if isinstance(layer, str) else layer
    if not layers:
        raise ConvscopeError("invert needs a layer; convscope layers lists them")
    original = net.preprocess(image)
    if options.size is not None:
        original = tensors.resize(original, (options.size, options.size)).clamp(0, 1)
    objective = match if goal == "match" else caricature
    goals = [objective(name, original) for name in layers]
    bounds = [one.bind(net) for one in goals]
    _check_not_silent(net, layers, original)
    gray = torch.full_like(original, 0.5).expand(options.count, -1, -1, -1)
    return original, [
        _Inversion(name, bound, _recipe(net, name, one, options), gray)
        for name, bound, one in zip(layers, bounds, goals, strict=True)
    ]


def _recipe(net: Network, layer: str, goal: Objective, options: _Options) -> Recipe:
    """How to climb back from a layer, which depends on its stride."""
    count, size, stride = options.count, options.size, _stride(net, layer)
    fine = stride <= COARSE and isinstance(goal, match)
    weight = options.smoothness * min(120.0, stride**4 / 4000)
    start: Start = noise(0.01, count, size)
    bounds: tuple[Prior, ...] = (clamp(),)
    lr = 0.02
    if options.prior == "fourier":
        start, bounds, lr = fourier(1.0 if fine else 0.8, count=count, size=size), (), 0.2
    if _without_weights(net, layer):
        return Recipe(
            start=start,
            objective=goal - 8 * weight * tv(),
            priors=bounds,
            optimizer=adam(lr / 4, lr_decay=0.1 ** (1 / options.steps)),
            steps=options.steps,
        )
    side = min(net.input_size) if size is None else size
    view = random_affine(rotate=5, scale=(0.9, 1.1), shift=side / 14)
    evals = round(options.steps * min(4.0, max(1.0, (16 / stride) ** 2)))
    return Recipe(
        start=start,
        objective=goal - weight * tv() - 0.1 * weight * power(6),
        rule="plain" if fine else redirected(0.05),
        priors=bounds if fine else (view, *bounds),
        optimizer=lbfgs(max_evals=MAX_EVALS)
        if fine
        else adam(lr, lr_decay=0.1 ** (1 / options.steps)),
        steps=max(1, evals // MAX_EVALS) if fine else options.steps,
    )


def _without_weights(net: Network, layer: str) -> bool:
    """Whether no weights come before a layer, as in HOG, which is not smooth enough for L-BFGS."""
    names = [one.name for one in net.layers]
    down = net.layers[: names.index(layer) + 1] if layer in names else ()
    return bool(down) and not any(one.num_parameters for one in down)


def _stride(net: Network, layer: str) -> float:
    """Input pixels between positions of an embedding; the whole input where it has only one."""
    shape, side = net.channel_shape(layer), min(net.input_size)
    return side / (min(shape[-2:]) if len(shape) > 2 else 1)


def _stages(net: Network) -> tuple[str, ...]:
    """Every stage and the last embedding before the output, each before its activation."""
    stages = net.stages
    after = net.layers[net.layers.index(stages[-1]) + 1 :] if stages else net.layers
    flat = [one for one in after if one.channel_shape and not one.maps]
    embeddings = [one for one in flat if one.channels != net.num_classes]
    chosen = (*stages, *embeddings[-1:])
    return tuple(map(default_layers.before_activation, chosen))


def _check_not_silent(net: Network, layers: Sequence[str], original: Tensor) -> None:
    """Fail where a layer is zero everywhere: any image that silences it would match."""
    with torch.no_grad():
        for name, embedding in net.activations(original, layers).items():
            if not embedding.any():
                raise ConvscopeError(
                    f"layer {name!r} is zero everywhere for this photograph, so there is nothing"
                    " to invert"
                )


def _correlation(images: Tensor, original: Tensor) -> Tensor:
    """Pearson's over all pixels and colors, of (N, C, H, W) with (1, C, H, W): (N,)."""
    one, other = (x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (images, original))
    return F.cosine_similarity(one, other)


def _frame(
    inversions: Sequence[_Inversion], original: Tensor, goal: str, step: int
) -> ImageFrame[InvertSummary]:
    scores = [one.measured[0] for one in inversions if one.measured]
    images = [one.images for one in inversions]
    summary = _summary(inversions, goal)
    return ImageFrame(
        panels=_panels(inversions, original, summary),
        step=step,
        steps=sum(one.recipe.steps for one in inversions),
        image=torch.cat(images),
        score=torch.cat(scores) if scores else original.new_full((len(images[0]),), torch.nan),
        summary=summary,
    )


def _summary(inversions: Sequence[_Inversion], goal: str) -> InvertSummary:
    """The layers that are done, and their numbers as lists (layer, image)."""
    done = [(one.layer, *one.measured) for one in inversions if one.measured]
    scores = [row.tolist() for _, row, _ in done]
    errors = [[-score for score in row] for row in scores if goal == "match"]
    return {
        "layers": [layer for layer, *_ in done],
        "errors": errors,
        "root_errors": [[math.sqrt(error) for error in row] for row in errors],
        "caricatures": scores if goal == "caricature" else [],
        "correlations": [row.tolist() for *_, row in done],
    }


def _panels(
    inversions: Sequence[_Inversion], original: Tensor, summary: InvertSummary
) -> tuple[Panel, ...]:
    """The images, and curves over the layers once all are measured."""
    lines = {
        "root relative error": summary["root_errors"],
        "caricature": summary["caricatures"],
        "pixel correlation": summary["correlations"],
    }
    lines = {label: line for label, line in lines.items() if line}
    strip = _strip(inversions, original, lines)
    if len(summary["layers"]) < max(3, len(inversions)):
        return (strip,)
    count = len(inversions[0].images)
    curves = Curves(
        tuple(map(float, range(1, len(inversions) + 1))),
        {label: tuple(sum(row) / count for row in line) for label, line in lines.items()},
        "layer, in the order of the images",
        "mean of the images" if count > 1 else "",
    )
    return strip, curves


def _strip(
    inversions: Sequence[_Inversion], original: Tensor, lines: Mapping[str, list[Any]]
) -> Grid:
    """The photograph and its inversions; several images of several layers have a row for each."""
    count = len(inversions[0].images)
    table = count > 1 and len(inversions) > 1
    rows = [(number,) for number in range(count)] if table else [tuple(range(count))]
    captions, tiles = [], []
    for row in rows:
        captions.append("photograph")
        tiles.append(original)
        for place, inversion in enumerate(inversions):
            for number in row:
                values = [
                    f"{label} {line[place][number]:.3f}"
                    for label, line in lines.items()
                    if place < len(line)
                ]
                captions.append(", ".join([inversion.layer, *values]))
                tiles.append(inversion.images[number : number + 1])
    return Grid(
        torch.cat(tiles),
        columns=1 + len(inversions) if table else None,
        captions=tuple(captions),
        low=0.0,
        high=1.0,
        tile_inches=2.05,
    )
