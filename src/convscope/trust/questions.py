"""The questions that `check` asks about a map, answered by numbers, panels and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from convscope.attribution import Question
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import Run, registry
from convscope.trust import methods
from convscope.trust.curves import area, curves, moved_at_random
from convscope.types import Bars, Curves, Frame, HeatMap, Panel, Sheet, Target

# Which fraction of the layers is random besides the classifier, from the output down.
CASCADE: Mapping[str, float] = {
    "classifier random": 0.0,
    "a quarter random": 0.25,
    "half random": 0.5,
    "all random": 1.0,
}


# Fast methods that rest on different ideas.
OTHER_METHODS = ("saliency", "smoothgrad", "guided_backprop", "integrated_gradients", "gradcam")


CONTROLS = 2  # copies of the map, moved at random


SIMILAR = 0.5  # above this rank correlation two maps are called much the same


@dataclass(frozen=True)
class Case:
    """A map to check: of the last `frame` of a run, which answers a resolved question."""

    run: Run
    question: Question
    frame: Frame
    seed: int

    @property
    def heatmap(self) -> Tensor:
        """(H, W)."""
        assert self.frame.heatmap is not None
        return self.frame.heatmap[0]

    @property
    def name(self) -> str:
        """What the map explains."""
        (name,) = self.question.names()
        return name

    @cached_property
    def rival(self) -> Target | None:
        """Another target to explain: the runner-up class, or the next channel of the layer.

        None if no other class or channel says something else.
        """
        net, target = self.question.net, self.question.target
        if target.channel is None:
            return None
        if not target.is_class:
            count = net.channel_shape(target.layer)[0]
            return replace(target, channel=(target.channel + 1) % count) if count > 1 else None
        output = net.outputs.of(target)
        if not output.has_rivals:
            return None
        scores = net.read(self.question.inputs, {target.layer})[target.layer]
        ranking = (scores if output.largest_is_top else output.ranking(scores))[0].clone()
        ranking[target.channel] = -torch.inf
        other = int(ranking.argmax())
        return replace(target, channel=other, label=output.label(other))

    @cached_property
    def rival_similarity(self) -> dict[str, float]:
        """How similar the map for the rival is, by the rival's name; empty if there is none."""
        if self.rival is None:
            return {}
        return {str(self.rival): self.similarity(self.again(self.question.net, self.rival))}

    def again(self, net: Network, target: Target) -> Frame:
        """The last frame of the run's technique, with its options, for a network and a target."""
        options = {k: value for k, value in self.run.parameters.items() if k != "target"}
        image = self.question.image
        return methods.attribute(net, image, self.run.technique, target.spec, **options)

    def similarity(self, other: Frame) -> float:
        """How similar the map of another frame is to this one."""
        assert other.heatmap is not None
        return methods.similarity(self.heatmap, other.heatmap[0])

    def tile(self, frame: Frame, caption: str) -> HeatMap:
        """A frame's map over the image."""
        image = self.question.image
        return methods.over_photo(frame, image[0], self.question.net.box(image), caption)


@dataclass(frozen=True)
class Answer:
    """The answer to a question: numbers by name, panels, and what the numbers mean.

    `passed` says of a finding whether it speaks for the map; it is silent where nothing does.
    """

    numbers: Mapping[str, object] = field(default_factory=dict)
    panels: tuple[Panel, ...] = ()
    findings: Mapping[str, str] = field(default_factory=dict)
    passed: Mapping[str, bool] = field(default_factory=dict)

    def joined(self, other: Answer) -> Answer:
        """Both answers in one."""
        return Answer(
            {**self.numbers, **other.numbers},
            (*self.panels, *other.panels),
            {**self.findings, **other.findings},
            {**self.passed, **other.passed},
        )


def pixels_matter(case: Case) -> Iterator[Answer]:
    """Do the highest pixels matter? Deletion and insertion, against the map moved at random."""
    falls, rises = curves(case.question, case.heatmap)
    moved = [
        curves(case.question, other) for other in moved_at_random(case.heatmap, CONTROLS, case.seed)
    ]
    moved_falls, moved_rises = (
        torch.tensor(lines).mean(0).tolist() for lines in zip(*moved, strict=True)
    )
    deletion = _against_control(case, "deletion", falls, moved_falls)
    yield _against_control(case, "insertion", rises, moved_rises).joined(deletion)


def _against_control(case: Case, name: str, line: list[float], control: list[float]) -> Answer:
    """One curve, beside that of the map moved at random."""
    found, moved = area(line), area(control)
    verb, change, sooner = "hidden", "lower", found < moved
    if name == "insertion":
        verb, change, sooner = "shown", "raise", found > moved
    score = f"score of {case.name}, as a fraction of the image's"
    if case.question.target.is_class:
        score = f"probability of {case.name}"
    panel = Curves(
        tuple(torch.linspace(0, 1, len(line)).tolist()),
        {"map": tuple(line), "map moved at random": tuple(control)},
        f"fraction of pixels {verb}, highest first",
        score,
        f"{name}: area {found:.2f}, moved at random {moved:.2f}",
        frozenset({"map moved at random"}),
    )
    finding = (
        f"when {verb} first, the highest pixels {change} the score"
        f" {'sooner' if sooner else 'no sooner'} than those of the map moved at random (area"
        f" {found:.2f} against {moved:.2f})"
    )
    return Answer({name: found, f"{name}_moved": moved}, (panel,), {name: finding}, {name: sooner})


def random_weights(case: Case) -> Iterator[Answer]:
    """Does the map change as the network forgets what it learned?"""
    tiles = [case.tile(case.frame, "as trained")]
    found: dict[str, float] = {}
    for what, fraction in CASCADE.items():
        net = case.question.net.randomized(fraction, case.seed)
        other = case.again(net, case.question.target)
        found = {**found, what: case.similarity(other)}
        tiles.append(case.tile(other, f"{what}: {found[what]:.2f}"))
        if len(found) < len(CASCADE):
            yield Answer({"random_weights": found})
    similarity = found["half random"]
    how, what = "is different", "something of what the network learned"
    if similarity > SIMILAR:
        how, what = "is much the same", "the image more than what the network learned"
    finding = f"with half of the layers random the map {how} ({similarity:.2f}): it shows {what}"
    sheet, name = Sheet(tuple(tiles), finding, columns=len(tiles)), "random weights"
    passed = {name: similarity <= SIMILAR}
    yield Answer({"random_weights": found}, (sheet,), {name: finding}, passed)


def other_target(case: Case) -> Iterator[Answer]:
    """Does the map change with the target?"""
    name, passed = "another target", dict[str, bool]()
    finding = f"there is no other target that {case.name} could be compared with"
    for rival, similarity in case.rival_similarity.items():
        how = "is different"
        passed[name] = similarity <= SIMILAR
        if not passed[name]:
            how = f"is much the same, so it does not show what sets {case.name} apart"
        finding = f"for {rival} the map {how} ({similarity:.2f})"
    yield Answer({"other_target": case.rival_similarity}, (), {name: finding}, passed)


def other_methods(case: Case) -> Iterator[Answer]:
    """Do other methods point to the same places? The map for the rival is shown beside theirs."""
    net, image, target = case.question.net, case.question.image, case.question.target
    found: dict[str, float] = {}
    for method in OTHER_METHODS:
        if method != case.run.technique:
            try:
                found[method] = case.similarity(methods.attribute(net, image, method, target.spec))
            except ConvscopeError:  # this method has no map on this network
                continue
    bars = {f"the same for {name}": value for name, value in case.rival_similarity.items()}
    bars |= {registry.get(method).title: value for method, value in found.items()}
    agree = sum(value > SIMILAR for value in found.values())
    caption = "similarity of other maps"
    finding = (
        f"the map agrees with those of {agree} of {len(found)} other methods (rank correlation"
        f" above {SIMILAR:g})"
    )
    name = "other methods"
    yield Answer(
        {"other_methods": found},
        (Bars(tuple(bars), tuple(bars.values()), "rank correlation", caption, ".2f"),),
        {name: finding},
        {name: 2 * agree >= len(found)} if found else {},
    )
