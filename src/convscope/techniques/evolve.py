"""Fooling images that evolve: a network is sure of them, and a person sees only patterns."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Generic, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.ascent import Goal, Recipe, ResumeFile, climb_goals
from convscope.errors import ConvscopeError
from convscope.evolution import Cppns, Evolution, Pixels, probabilities
from convscope.network import Network
from convscope.runs import (
    Networks,
    Seed,
    TargetList,
    as_targets,
    opened_networks,
    technique,
)
from convscope.system import BATCH
from convscope.types import Grid, ImageFrame, Target
from convscope.vocabulary.objectives import Objective, log_probability
from convscope.vocabulary.optimizers import sgd
from convscope.vocabulary.priors import clamp, decay, unit_gradient
from convscope.vocabulary.starts import noise

G = TypeVar("G", bound=Hashable)

SURE = 0.9  # probability from which a network counts as sure

COLUMNS = 8  # of the sheet


class EvolveSummary(TypedDict):
    """How sure the network is of the images.

    `classes` is the number of classes, `confidence` the median probability of a class in its best
    image, and `sure` the number of classes for which that is above 0.9. `evaluations` counts the
    images that the network has judged. `recognized` is the fraction of the images shown whose class
    is the top class of each other network, and `chance` what it would be if these networks' answers
    were exchanged between the images; both are known at the end.
    """

    encoding: str
    classes: int
    confidence: float
    sure: int
    evaluations: int
    recognized: dict[str, float]
    chance: dict[str, float]


@technique(
    title="Evolved fooling images",
    paper="Nguyen, Yosinski and Clune 2015",
    url="https://arxiv.org/abs/1412.1897",
    chapter="Fooling networks",
    network="squeezenet1_1",
    climbs=True,
)
def evolve(
    net: Network,
    *,
    target: Annotated[
        TargetList | None,
        Field(
            description="classes by name or number (volcano, 980) to evolve images of; all classes"
            " of the network if none is given",
        ),
    ] = None,
    encoding: Annotated[
        Literal["cppn", "direct", "gradient"],
        Field(
            description="what evolves: cppn, small networks that draw regular patterns; direct, the"
            " pixels themselves; gradient evolves nothing, but climbs from noise, for comparison"
        ),
    ] = "cppn",
    steps: Annotated[
        int, Field(ge=1, le=1_000_000, description="number of generations, or of gradient steps")
    ] = 2000,
    offspring: Annotated[
        int, Field(ge=1, le=10_000, description="number of new images in each generation")
    ] = 32,
    limit: Annotated[
        int,
        Field(
            ge=1,
            le=1000,
            description="number of images to show: those that the network is most sure of",
        ),
    ] = 40,
    nets: Networks = (),
    seed: Seed = 0,
) -> Iterator[ImageFrame[EvolveSummary]]:
    """Images that a network is sure of and a person cannot recognize, made by evolution.

    The best image of every class is kept (MAP-Elites). In each generation, children of some of
    them are drawn, with mutations, and the network judges them without any gradient. A child
    replaces the best image of every class that it has more of, so that one class may go on from
    the image of another. Images have 256 steps of brightness, as in a file. Other networks tell at
    the end how many of the images they recognize too.

    `arrays` holds the number of every class in `classes`, its confidence in `confidence`, the
    classes of the images shown in `shown`, and the median confidence after each generation in
    `medians`.
    """
    targets, size = _classes(net, target), net.input_size
    others = [one for one in opened_networks(net, nets).items() if one[1] is not net]
    sheet = _Sheet(targets, encoding, limit, steps, dict(others))
    if encoding == "gradient":
        yield from _climbed(net, sheet, seed)
        return
    classes = [_number(one) for one in targets]
    if encoding == "cppn":
        yield from _evolved(Evolution(net, classes, Cppns(size), offspring, seed), sheet)
    else:
        yield from _evolved(Evolution(net, classes, Pixels(size), offspring, seed), sheet)


def _classes(net: Network, names: TargetList | None) -> list[Target]:
    """The classes of the network's main output, each once."""
    output = net.outputs.classes()
    if names is None:
        return [Target("", i, label=output.label(i)) for i in range(output.shape[0])]
    targets = list(dict.fromkeys(map(net.target, as_targets(names))))
    for one in targets:
        if not one.is_class or one.layer or one.place:
            raise ConvscopeError(
                f"evolve: {one} is not a class of the main output of {net.name}; name a class"
            )
    return targets


def _number(target: Target) -> int:
    assert target.channel is not None
    return target.channel


@dataclass(frozen=True)
class _Sheet:
    """What is drawn and told of the best images so far."""

    targets: Sequence[Target]
    encoding: str
    limit: int
    steps: int
    judges: Mapping[str, Network]

    def shown(self, confidence: Tensor) -> list[int]:
        """The places of the largest values, largest first; all in their own order if they fit."""
        if len(confidence) <= self.limit:
            return list(range(len(confidence)))
        order = confidence.argsort(descending=True, stable=True)
        return list(order[: self.limit].tolist())

    def frame(
        self,
        images: Tensor,
        confidence: Tensor,
        medians: Sequence[float],
        step: int,
        evaluations: int,
        last: bool,
    ) -> ImageFrame[EvolveSummary]:
        """A frame of the images that are shown; there is a confidence for each class."""
        shown, median, count = self.shown(confidence), medians[-1], len(self.targets)
        numbers = torch.tensor([_number(one) for one in self.targets])
        captions = tuple(f"{self.targets[i]} {confidence[i]:.1%}" for i in shown)
        words = f"step {step}: median confidence {median:.1%} for {count} classes"
        columns = min(COLUMNS, len(shown))
        judged = self._judged(images, numbers[shown]) if last else {}
        return ImageFrame(
            panels=(Grid(images, words, columns, captions, low=0, high=1, tile_inches=1.6),),
            step=step,
            steps=self.steps,
            image=images,
            score=confidence[shown],
            arrays={
                "classes": numbers,
                "confidence": confidence,
                "shown": numbers[shown],
                "medians": torch.tensor(medians),
            },
            summary={
                "encoding": self.encoding,
                "classes": count,
                "confidence": median,
                "sure": int((confidence > SURE).sum()),
                "evaluations": evaluations,
                "recognized": {name: found for name, (found, _) in judged.items()},
                "chance": {name: chance for name, (_, chance) in judged.items()},
            },
        )

    def _judged(self, images: Tensor, numbers: Tensor) -> dict[str, tuple[float, float]]:
        """How often each other network sees the classes of these numbers, and by chance."""
        found = {}
        for name, net in self.judges.items():
            parts = [probabilities(net, net.preprocess(part)) for part in images.split(BATCH)]
            same = torch.cat(parts).argmax(1)[:, None] == numbers
            found[name] = (float(same.diagonal().float().mean()), float(same.float().mean()))
        return found


def _evolved(evolution: Evolution[G], sheet: _Sheet) -> Iterator[ImageFrame[EvolveSummary]]:
    elites, drawn = evolution.elites, _Drawn(evolution)
    with ResumeFile(evolution) as resume_file:
        for step in range(resume_file.restore(), sheet.steps + 1):
            resume_file.before_step(step, sheet.steps)
            evolution.step(step)
            images = drawn.images([elites.genomes[i] for i in sheet.shown(elites.confidence)])
            judged = step * evolution.offspring
            last = step == sheet.steps
            yield sheet.frame(images, elites.confidence, evolution.medians, step, judged, last)


class _Drawn(Generic[G]):
    """The images of those genomes that were shown last, so that each is drawn once."""

    def __init__(self, evolution: Evolution[G]) -> None:
        self.evolution, self.kept = evolution, dict[G, Tensor]()

    def images(self, genomes: Sequence[G]) -> Tensor:
        """The images of genomes, (N, C, H, W)."""
        new = [one for one in dict.fromkeys(genomes) if one not in self.kept]
        fresh = dict(zip(new, self.evolution.images(new), strict=True)) if new else {}
        known = self.kept | fresh
        self.kept = {one: known[one] for one in genomes}
        return torch.stack([known[one] for one in genomes])


def _climbed(net: Network, sheet: _Sheet, seed: int) -> Iterator[ImageFrame[EvolveSummary]]:
    """Gradient ascent from faint noise with L2 decay, as in the last part of the paper."""

    def recipe(objective: Objective, goals: Sequence[Goal]) -> Recipe:
        return Recipe(
            start=noise(1 / 255, len(goals)),
            objective=objective,
            priors=(unit_gradient(), decay(0.01), clamp()),
            optimizer=sgd(1 / 255),
            steps=sheet.steps,
        )

    goals = [Goal(one, log_probability(one)) for one in sheet.targets]
    medians: list[float] = []
    for frame in climb_goals(net, goals, recipe, seed=seed):
        images, confidence = tensors.in_255ths(frame.image), frame.score.exp().nan_to_num(0.0)
        last = frame.step == frame.steps
        if last:
            confidence = _confidence(net, sheet.targets, images)
        medians.append(float(confidence.quantile(0.5)))
        shown, judged = sheet.shown(confidence), frame.step * len(goals) * sheet.steps
        judged //= frame.steps
        drawn = sheet.frame(images[shown], confidence, medians, frame.step, judged, last)
        yield replace(drawn, steps=frame.steps)


def _confidence(net: Network, targets: Sequence[Target], images: Tensor) -> Tensor:
    """How probable each class is in its own image, (classes,)."""
    numbers = torch.tensor([[_number(one)] for one in targets])
    found = [probabilities(net, part) for part in images.split(BATCH)]
    return torch.cat(found).gather(1, numbers)[:, 0]
