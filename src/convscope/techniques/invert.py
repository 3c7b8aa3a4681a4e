"""What a layer's embedding of a photograph still knows."""

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
from convscope.errors import ConvscopeError
from convscope.network import PRE, Network, token_grid
from convscope.runs import Seed, technique
from convscope.types import Curves, Grid, ImageFrame, Panel
from convscope.vocabulary.objectives import Objective, caricature, match, power, tv
from convscope.vocabulary.optimizers import adam, lbfgs
from convscope.vocabulary.priors import Prior, clamp, random_affine
from convscope.vocabulary.rules import redirected
from convscope.vocabulary.starts import Start, fourier, noise

# L-BFGS looks so often at the network in each of its steps.
LOOKS = 20


# With more pixels than these from one place of a embedding to the next, much else has the same embedding.
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
)
def invert(
    net: Network,
    image: Tensor,
    *,
    layer: Annotated[
        str | tuple[str, ...] | None,
        Field(description="one layer or several; every stage and the last embedding if not given"),
    ] = None,
    goal: Annotated[
        Literal["match", "caricature"],
        Field(description="match the photo's embedding, or exaggerate what is strong in it"),
    ] = "match",
    prior: Annotated[
        Literal["fourier", "pixels"],
        Field(
            description="what is climbed: crisp Fourier coefficients, or the paper's grayer pixels"
        ),
    ] = "fourier",
    count: Annotated[
        int, Field(ge=1, le=64, description="images of each layer, which differ by chance alone")
    ] = 1,
    steps: Annotated[
        int, Field(ge=1, le=100_000, description="how often to look at the network for each layer")
    ] = 256,
    size: Annotated[
        int | None, Field(ge=16, le=4096, description="pixels a side; the network's own by default")
    ] = None,
    smoothness: Annotated[
        float, Field(ge=0, le=1e6, description="factor of the priors, which grow with depth")
    ] = 1.0,
    seed: Seed = 0,
) -> Iterator[ImageFrame[InvertSummary]]:
    """What a layer still knows of the photo: an image climbed from noise until its embedding matches.

    The error is |embedding of the image - embedding of the photo|^2 / |embedding of the photo|^2 of the image as
    it is drawn, and its root; the correlation is that of all pixels and colors with the photo's.
    A caricature has no error: its score is the share of the photo's embedding in its own, times the
    cosine between the two (Olah 2018).

    What is chosen by depth is chosen by the pixels from one place of a embedding to the next. Where they
    are few the embedding decides, and L-BFGS finds the image; at up to 8 it looks four times as often.
    Where they are many, or a embedding has no places, Adam climbs while the image is turned, scaled and
    shifted a little, and a twentieth of the gradient passes silent units. The priors, total
    variation and L6, weigh the fourth power of that distance.
    """
    if len(image) != 1:
        raise ConvscopeError(f"invert takes one image at a time, not {len(image)}")
    names = _stages(net) if layer is None else (layer,) if isinstance(layer, str) else layer
    if not names:
        raise ConvscopeError("invert needs a layer; convscope layers lists them")
    seen = net.preprocess(image)
    if size is not None:
        seen = tensors.resize(seen, (size, size)).clamp(0, 1)
    goals = [match(name, seen) if goal == "match" else caricature(name, seen) for name in names]
    bounds = [one.bind(net) for one in goals]
    _check_heard(net, names, seen)
    recipes = [
        _recipe(net, name, one, _Wishes(prior, count, steps, size, smoothness))
        for name, one in zip(names, goals, strict=True)
    ]
    total, before = sum(recipe.steps for recipe in recipes), 0
    images = [torch.full_like(seen, 0.5).expand(count, -1, -1, -1)] * len(names)
    scores: list[Tensor] = []
    correlations: list[Tensor] = []
    for place, (recipe, bound) in enumerate(zip(recipes, bounds, strict=True)):
        for frame in climb(net, recipe, seed):
            images[place] = frame.image
            if frame.step == frame.steps:
                with torch.no_grad():
                    scores.append(bound.read(net, frame.image)[1])
                correlations.append(_correlation(frame.image, seen))
            measured = _summary(names, goal, scores, correlations)
            yield ImageFrame(
                panels=_panels(names, seen, images, measured),
                step=before + frame.step,
                steps=total,
                image=torch.cat(images),
                score=torch.cat(scores) if scores else frame.score.new_full((count,), torch.nan),
                summary=measured,
            )
        before += recipe.steps


_LABELS = {
    "root_errors": "root relative error",
    "caricatures": "caricature",
    "correlations": "pixel correlation",
}


@dataclass(frozen=True)
class _Wishes:
    """The options that shape a recipe."""

    prior: str
    count: int
    steps: int
    size: int | None
    smoothness: float


def _recipe(net: Network, name: str, goal: Objective, wishes: _Wishes) -> Recipe:
    """How to climb back from a layer, by the pixels from one place of its embedding to the next."""
    count, size, apart = wishes.count, wishes.size, _apart(net, name)
    fine = apart <= COARSE and isinstance(goal, match)
    weight = wishes.smoothness * min(120.0, apart**4 / 4000)
    start: Start = noise(0.01, count, size)
    bounds: tuple[Prior, ...] = (clamp(),)
    rate = 0.02
    if wishes.prior == "fourier":
        start, bounds, rate = fourier(1.0 if fine else 0.8, count=count, size=size), (), 0.2
    side = min(net.input_size) if size is None else size
    view = random_affine(rotate=5, scale=(0.9, 1.1), shift=side / 14)
    looks = round(wishes.steps * min(4.0, max(1.0, (16 / apart) ** 2)))
    return Recipe(
        start=start,
        objective=goal - weight * tv() - 0.1 * weight * power(6),
        rule="plain" if fine else redirected(0.05),
        priors=bounds if fine else (view, *bounds),
        optimizer=lbfgs(max_evals=LOOKS)
        if fine
        else adam(rate, lr_decay=0.1 ** (1 / wishes.steps)),
        steps=max(1, looks // LOOKS) if fine else wishes.steps,
    )


def _apart(net: Network, name: str) -> float:
    """Pixels from one place of a embedding to the next; the whole image where a embedding has no places."""
    shape, side = net.shape(name), min(net.input_size)
    grid = token_grid(shape[0], net.input_size) if len(shape) == 2 else shape[1:]
    return side / min(grid or (1,))


def _stages(net: Network) -> tuple[str, ...]:
    """Every stage and the last embedding but the output; before their activation, if they have one."""
    stages = net.stages
    after = net.layers[net.layers.index(stages[-1]) + 1 :] if stages else net.layers
    embeddings = [one for one in after if math.prod(one.shape) == one.channels != net.num_classes]
    chosen = (*stages, *embeddings[-1:])
    return tuple(one.name + PRE if one.activation else one.name for one in chosen)


def _check_heard(net: Network, names: Sequence[str], seen: Tensor) -> None:
    """Fail where a layer is silent: any image that silences it would match."""
    with torch.no_grad():
        for name, embedding in net.activations(seen, names).items():
            if not embedding.any():
                raise ConvscopeError(f"the photo is too plain: {name!r} is zero everywhere")


def _correlation(images: Tensor, photo: Tensor) -> Tensor:
    """Pearson's, over all pixels and colors: (N, C, H, W) and (1 or N, C, H, W) to (N,)."""
    one, other = (x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (images, photo))
    return F.cosine_similarity(one, other)


def _summary(
    names: Sequence[str], goal: str, scores: Sequence[Tensor], correlations: Sequence[Tensor]
) -> dict[str, list[Any]]:
    """Of the layers that are done; numbers (layer, image)."""
    rows = [row.tolist() for row in scores]
    errors = [[-score for score in row] for row in rows if goal == "match"]
    return {
        "layers": list(names[: len(rows)]),
        "errors": errors,
        "root_errors": [[math.sqrt(error) for error in row] for row in errors],
        "caricatures": rows if goal == "caricature" else [],
        "correlations": [row.tolist() for row in correlations],
    }


def _panels(
    names: Sequence[str], seen: Tensor, images: Sequence[Tensor], summary: Mapping[str, list[Any]]
) -> tuple[Panel, ...]:
    """The images, a row for each seed of several layers, and the curves once all are measured."""
    lines = {label: summary[key] for key, label in _LABELS.items() if summary[key]}
    count = len(images[0])
    rows = count if len(names) > 1 else 1
    captions, tiles = [], []
    for row in range(rows):
        captions.append("the photo")
        tiles.append(seen)
        for place, name in enumerate(names):
            for one in range(count) if rows == 1 else (row,):
                words = [
                    f"{label} {line[place][one]:.3f}"
                    for label, line in lines.items()
                    if place < len(line)
                ]
                captions.append(", ".join([name, *words]))
                tiles.append(images[place][one : one + 1])
    strip = Grid(
        torch.cat(tiles),
        columns=4 if rows == 1 else 1 + len(names),
        captions=tuple(captions),
        low=0.0,
        high=1.0,
        tile_inches=2.05,
    )
    if len(summary["layers"]) < max(3, len(names)):
        return (strip,)
    curves = Curves(
        tuple(map(float, range(1, len(names) + 1))),
        {label: tuple(sum(row) / count for row in line) for label, line in lines.items()},
        "layer, in the order of the images",
        "mean of the images" if count > 1 else "",
    )
    return strip, curves
