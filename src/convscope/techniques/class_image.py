"""Images of classes, climbed from noise: the ways that were found over the years."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field

from convscope.ascent import Goal, Recipe, climb_goals
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import Seed, technique
from convscope.types import Frame, Grid
from convscope.vocabulary.objectives import Objective, l2, logit, tv
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
from convscope.vocabulary.starts import fourier, maco, noise, sides, zeros

Preset = Literal["simonyan", "cs231n", "yosinski", "lucid", "maco"]


Steps = Annotated[
    int | None,
    Field(ge=1, le=100_000, description="how far to climb; by default what the preset needs"),
]


Size = Annotated[
    int | None, Field(ge=16, le=4096, description="pixels a side; the network's own by default")
]


def _simonyan(objective: Objective, count: int, size: int | None) -> Recipe:
    """Pixels and nothing but a pull towards gray (Simonyan et al. 2014)."""
    return Recipe(
        start=zeros(count, size),
        objective=objective - 20 * l2(),
        priors=(unit_gradient(), clamp()),
        optimizer=sgd(0.01, momentum=0.9),
        steps=100,
    )


def _cs231n(objective: Objective, count: int, size: int | None) -> Recipe:
    """Jitter and, every tenth step, a faint blur (the course's assignment)."""
    return Recipe(
        start=noise(0.05, count, size),
        objective=objective - 20 * l2(),
        priors=(jitter(16), unit_gradient(), blur(0.5, every=10), clamp()),
        optimizer=sgd(0.025),
        steps=100,
    )


def _yosinski(objective: Objective, count: int, size: int | None) -> Recipe:
    """A pull towards gray and a strong blur, often (most images of Yosinski et al. 2015)."""
    return Recipe(
        start=noise(0.05, count, size),
        objective=objective,
        priors=(unit_gradient(), decay(1e-4), blur(1.0, every=4), clamp()),
        optimizer=sgd(0.025),
        steps=300,
    )


def _lucid(objective: Objective, count: int, size: int | None) -> Recipe:
    """Fourier coefficients, and views that only what is robust survives (Olah et al. 2017); with
    little total variation, and a tenth of the gradient past silent units."""
    return Recipe(
        start=fourier(count=count, size=size),
        objective=objective - 600 * tv(),
        rule="redirected",
        priors=(random_affine(rotate=12, scale=(0.8, 1.4), shift=14),),
        optimizer=adam(0.05),
        steps=128,
    )


def _maco(objective: Objective, count: int, size: int | None) -> Recipe:
    """The phase alone, the strength of each frequency as in photographs (Fel et al. 2023); enlarged
    and shifted views, which put the object in the middle."""
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


@technique(
    title="Class image",
    paper="Simonyan, Vedaldi and Zisserman 2014; Olah, Mordvintsev and Schubert 2017",
    url="https://distill.pub/2017/feature-visualization/",
)
def class_image(
    net: Network,
    *,
    target: Annotated[
        str | int | tuple[str | int, ...],
        Field(description="a class (volcano, 980), or several"),
    ],
    preset: Annotated[
        Preset, Field(description="the way to climb, in the order of the years")
    ] = "lucid",
    tries: Annotated[
        int, Field(ge=1, le=64, description="images a class, of which the best is kept")
    ] = 1,
    steps: Steps = None,
    size: Size = None,
    rule: Annotated[
        Literal["redirected", "plain"] | None,
        Field(
            description="redirected lets a tenth of the gradient pass silent units; by default what"
            " the preset says"
        ),
    ] = None,
    seed: Seed = 0,
) -> Iterator[Frame]:
    """What the network would most like to see: an image climbed from noise until a score is high.

    Several classes are climbed side by side, in batches of 16. Of several tries the best is kept:
    the one with the highest mean score over the last 16 steps, each with a view of its own. The
    presets: simonyan has pixels and L2, cs231n jitter and a faint blur, yosinski a strong blur,
    lucid Fourier coefficients of decorrelated colors that the network sees turned, scaled and
    shifted (the default), maco their phase alone. The score of the last frame is that of the image
    as it is, without such a view.
    """
    goals = [_subject(net, one) for one in (target if isinstance(target, tuple) else (target,))]
    if not goals:
        raise ConvscopeError("class_image needs at least one class")
    names = [str(goal.target) for goal in goals]
    recipe = partial(_recipe, preset, steps, size, rule)
    for frame in climb_goals(net, goals, recipe, tries=tries, seed=seed):
        assert frame.score is not None
        quoted = {"target": names, "score": frame.score.tolist()}
        summary = {k: v[0] for k, v in quoted.items()} if len(names) == 1 else quoted
        yield replace(frame, summary={**summary, "preset": preset})


@technique(
    title="Ladder of class images",
    paper="Simonyan et al. 2014, Yosinski et al. 2015, Olah et al. 2017, Fel et al. 2023",
    url="https://arxiv.org/abs/1506.06579",
)
def ladder(
    net: Network,
    *,
    target: Annotated[str | int, Field(description="a class (volcano, 980)")],
    steps: Steps = None,
    size: Size = None,
    seed: Seed = 0,
) -> Iterator[Frame]:
    """One class climbed in every way that was found over the years, side by side.

    The same class and seed for each preset of `class_image`, and below each image the score that
    the network gives it: that it is high in all of them says nothing about how it looks.
    """
    goal = _subject(net, target)
    name = str(goal.target)
    recipes = [partial(_recipe, preset, steps, size, None) for preset in _PRESETS]
    lengths = [recipe(goal.objective, [goal]).steps for recipe in recipes]
    tiles = torch.full((len(recipes), len(net.mean), *sides(net, size)), 0.5)
    score = torch.full((len(recipes),), torch.nan)
    for i, recipe in enumerate(recipes):
        for frame in climb_goals(net, [goal], recipe, seed=seed):
            assert frame.image is not None
            assert frame.score is not None
            tiles, score = tiles.clone(), score.clone()
            tiles[i], score[i] = frame.image[0], frame.score[0]
            captions = tuple(
                preset if one.isnan() else f"{preset}: {one:.1f}"
                for preset, one in zip(_PRESETS, score, strict=True)
            )
            grid = Grid(
                tiles,
                f"{name}, and its score",
                columns=len(tiles),
                captions=captions,
                low=0.0,
                high=1.0,
                tile_inches=2.1,
            )
            yield Frame(
                panels=(grid,),
                step=sum(lengths[:i]) + frame.step,
                steps=sum(lengths),
                image=tiles,
                score=score,
                summary={"target": name, "score": dict(zip(_PRESETS, score.tolist(), strict=True))},
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


def _subject(net: Network, words: str | int) -> Goal:
    target = net.target(words)
    if target.layer or target.channel is None:
        raise ConvscopeError(f"{target} is no class; neuron_image takes layers, channels, neurons")
    return Goal(target, logit(target))
