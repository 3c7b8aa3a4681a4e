"""Images of classes, optimized from noise by five published methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.ascent import Goal, Recipe, climb_goals
from convscope.attribution import score_of
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import ImageSize, OneTarget, Seed, Targets, as_targets, technique
from convscope.types import Grid, ImageFrame, Picture, Target, TargetLike
from convscope.vocabulary.objectives import Objective, l2, tv
from convscope.vocabulary.optimizers import adam, sgd
from convscope.vocabulary.priors import (
    blur,
    clamp,
    decay,
    gaussian_noise,
    jitter,
    random_affine,
    unit_gradient,
)
from convscope.vocabulary.rules import redirected
from convscope.vocabulary.starts import fourier, image_size, maco, noise, zeros

Preset = Literal["simonyan", "cs231n", "yosinski", "lucid", "maco"]


Steps = Annotated[
    int | None,
    Field(ge=1, le=100_000, description="optimization steps; if not given, the preset decides"),
]


def _simonyan(objective: Objective, count: int, size: int | None) -> Recipe:
    """Pixels with an L2 penalty, which pulls them toward gray (Simonyan et al. 2014)."""
    return Recipe(
        start=zeros(count, size),
        objective=objective - 20 * l2(),
        priors=(unit_gradient(), clamp()),
        optimizer=sgd(0.01, momentum=0.9),
        steps=100,
    )


def _cs231n(objective: Objective, count: int, size: int | None) -> Recipe:
    """Jitter, and a faint blur every tenth step (the CS231n assignment)."""
    return Recipe(
        start=noise(0.05, count, size),
        objective=objective - 20 * l2(),
        priors=(jitter(16), unit_gradient(), blur(0.5, every=10), clamp()),
        optimizer=sgd(0.025),
        steps=100,
    )


def _yosinski(objective: Objective, count: int, size: int | None) -> Recipe:
    """Decay toward gray, and a strong blur every fourth step (Yosinski et al. 2015)."""
    return Recipe(
        start=noise(0.05, count, size),
        objective=objective,
        priors=(unit_gradient(), decay(1e-4), blur(1.0, every=4), clamp()),
        optimizer=sgd(0.025),
        steps=300,
    )


def _lucid(objective: Objective, count: int, size: int | None) -> Recipe:
    """Fourier coefficients under random affine views (Olah et al. 2017).

    A penalty on total variation and the redirected rule are additions.
    """
    return Recipe(
        start=fourier(count=count, size=size),
        objective=objective - 600 * tv(),
        rule="redirected",
        priors=(random_affine(rotate=12, scale=(0.8, 1.4), shift=14),),
        optimizer=adam(0.05),
        steps=128,
    )


def _maco(objective: Objective, count: int, size: int | None) -> Recipe:
    """Phases of Fourier coefficients; magnitudes stay those of photographs (Fel et al. 2023).

    Enlarged and shifted views put the object in the middle.
    """
    return Recipe(
        start=maco(count=count, size=size),
        objective=objective,
        rule=redirected(0.08),
        priors=(random_affine(rotate=8, scale=(1.0, 1.6), shift=40), gaussian_noise(0.05)),
        optimizer=adam(0.15),
        steps=128,
    )


_PRESETS: Mapping[str, Callable[[Objective, int, int | None], Recipe]] = {
    "simonyan": _simonyan,
    "cs231n": _cs231n,
    "yosinski": _yosinski,
    "lucid": _lucid,
    "maco": _maco,
}


class ClassImageSummary(TypedDict):
    """The class, its score and the preset; of several classes lists of names and scores."""

    target: str
    score: float
    preset: str


@technique(
    title="Class image",
    paper="Simonyan, Vedaldi and Zisserman 2014; Olah, Mordvintsev and Schubert 2017",
    url="https://distill.pub/2017/feature-visualization/",
    chapter="Images made by optimization",
)
def class_image(
    net: Network,
    *,
    target: Annotated[
        Targets,
        Field(
            description="a class by name or number (volcano, 980), several classes, or another"
            " image (like:cat.jpg), whose embedding the image gets"
        ),
    ],
    preset: Annotated[
        Preset, Field(description="published method that generates the image, oldest first")
    ] = "lucid",
    tries: Annotated[
        int, Field(ge=1, le=64, description="images generated for each class; the best is kept")
    ] = 1,
    steps: Steps = None,
    size: ImageSize = None,
    rule: Annotated[
        Literal["redirected", "plain"] | None,
        Field(
            description="how much gradient passes through inactive units: redirected passes"
            " a fraction, plain passes none; if not given, the preset's own rule"
        ),
    ] = None,
    seed: Seed = 0,
) -> Iterator[ImageFrame[ClassImageSummary]]:
    """An image that the network scores as high as possible for a class, optimized from noise.

    Several classes are optimized together in batches of 16. If there are several tries, the one
    with the highest mean score over its last 16 steps is kept. The last frame's `score` is the
    score of the image itself, without a random view.

    Presets: simonyan optimizes pixels with an L2 penalty. cs231n adds jitter and a faint blur.
    yosinski uses a stronger blur. lucid (the default) optimizes Fourier coefficients of
    decorrelated colors and shows the network rotated, scaled and shifted views. maco optimizes only
    the phases of the Fourier coefficients.
    """
    goals = [_goal(net, one) for one in as_targets(target)]
    if not goals:
        raise ConvscopeError("class_image needs at least one class")
    names = [str(goal.target) for goal in goals]
    recipe = partial(_recipe, preset, steps, size, rule)
    for frame in climb_goals(net, goals, recipe, tries=tries, seed=seed):
        lists = {"target": names, "score": frame.score.tolist()}
        summary = {k: v[0] for k, v in lists.items()} if len(names) == 1 else lists
        panels = tuple(
            Picture(image, name, enlarge=size is None)
            for image, name in zip(frame.image, names, strict=True)
        )
        yield replace(frame, panels=panels, summary={**summary, "preset": preset})


class LadderSummary(TypedDict):
    """The class, and the score of each preset's image."""

    target: str
    score: dict[str, float]


@technique(
    title="Ladder of class images",
    paper="Simonyan et al. 2014, Yosinski et al. 2015, Olah et al. 2017, Fel et al. 2023",
    url="https://arxiv.org/abs/1506.06579",
    chapter="Images made by optimization",
)
def ladder(
    net: Network,
    *,
    target: Annotated[OneTarget, Field(description="a class by name or number (volcano, 980)")],
    steps: Steps = None,
    size: ImageSize = None,
    seed: Seed = 0,
) -> Iterator[ImageFrame[LadderSummary]]:
    """Images of one class by five published methods, side by side from 2014 to 2023.

    Each preset of `class_image` draws the same class with the same seed. The number below an image
    is the score that the network gives it. The score is high for every method, so it does not say
    how much an image looks like the class.
    """
    goal = _goal(net, target)
    recipes = [partial(_recipe, preset, steps, size, None) for preset in _PRESETS]
    lengths = [recipe(goal.objective, [goal]).steps for recipe in recipes]
    tiles = torch.full((len(recipes), len(net.mean), *image_size(net, size)), 0.5)
    score = torch.full((len(recipes),), torch.nan)
    for i, recipe in enumerate(recipes):
        for frame in climb_goals(net, [goal], recipe, seed=seed):
            tiles, score = tiles.clone(), score.clone()
            tiles[i], score[i] = frame.image[0], frame.score[0]
            scores = dict(zip(_PRESETS, score.tolist(), strict=True))
            yield ImageFrame(
                panels=(_ladder_grid(goal.target, tiles, scores),),
                step=sum(lengths[:i]) + frame.step,
                steps=sum(lengths),
                image=tiles,
                score=score,
                summary={"target": str(goal.target), "score": scores},
            )


def _ladder_grid(target: Target, tiles: Tensor, scores: Mapping[str, float]) -> Grid:
    """An image for each preset (K, C, H, W); those still to come have the score NaN."""
    return Grid(
        tiles,
        f"{target}: method and score",
        columns=len(tiles),
        captions=tuple(
            preset if math.isnan(score) else f"{preset}: {score:.1f}"
            for preset, score in scores.items()
        ),
        low=0.0,
        high=1.0,
        tile_inches=2.1,
    )


def _recipe(
    preset: str,
    steps: int | None,
    size: int | None,
    rule: str | None,
    objective: Objective,
    goals: Sequence[Goal],
) -> Recipe:
    made = _PRESETS[preset](objective, len(goals), size)
    return replace(made, steps=steps or made.steps, rule=rule or made.rule)


def _goal(net: Network, name: TargetLike) -> Goal:
    target = net.target(name)
    if not target.is_class and target.like is None:
        raise ConvscopeError(
            f"{target} is not a class; neuron_image draws layers, channels and neurons"
        )
    return Goal(target, score_of(target))
