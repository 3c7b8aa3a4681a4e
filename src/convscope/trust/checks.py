"""Checks of how far an attribution can be trusted: four questions about its map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import overload

from convscope.attribution import ask
from convscope.errors import ConvscopeError
from convscope.runs import HeatmapResult, Run, registry
from convscope.trust import methods
from convscope.trust.questions import (
    CASCADE,
    Answer,
    Case,
    other_methods,
    other_target,
    pixels_matter,
    random_weights,
)
from convscope.types import Frame, Sheet


@dataclass(frozen=True)
class Check:
    """A question about a map, which is answered in some `steps`, the last one complete."""

    answer: Callable[[Case], Iterator[Answer]]
    steps: int = 1


CHECKS = (
    Check(pixels_matter),
    Check(random_weights, len(CASCADE)),
    Check(other_target),
    Check(other_methods),
)


STEPS = sum(one.steps for one in CHECKS)


@overload
def check(run: Run[HeatmapResult], *, seed: int = 0) -> Run[HeatmapResult]: ...
@overload
def check(run: Run, *, seed: int = 0) -> Run: ...
def check(run: Run, *, seed: int = 0) -> Run:
    """Check how far the map of an attribution can be trusted.

    - Deletion and insertion (Petsiuk et al. 2018): does the score fall fast when the pixels that
      the map ranks first are hidden, and rise fast when they are shown? The control is the same
      map moved at random, which is as fine or coarse but points elsewhere.
    - Random weights (Adebayo et al. 2018): does the map change when the weights of the network
      are made random, layer by layer from the output down? If it does not, it shows the edges of
      the image.
    - Another target: does the map change with what it explains?
    - Other methods: do they point to the same places?

    Args:
        run: of an attribution, on one image and about a class, a channel or a neuron.
        seed: chooses how the map is moved, and the random weights.

    Returns:
        The same run, followed by the checks. Its last frame shows both; `summary["check"]` has the
        numbers and, in "findings", a sentence for each question that says what they mean;
        "passed" says whether it speaks for the map.

    Raises:
        ConvscopeError: the run is of no attribution, of several images, or about a whole layer.
    """
    entry = registry.get(run.technique)
    if not entry.attribution:
        raise ConvscopeError(
            f"check judges attributions, and {run.technique} is none; it judges"
            f" {', '.join(methods.names())}"
        )
    image = run.image
    if image is None or len(image) != 1:
        raise ConvscopeError("check judges the map of one image at a time")
    target = _one_target(run)
    asked = None if target is None else run.net.target(target)
    if asked is not None and asked.channel is None and asked.like is None:
        raise ConvscopeError(f"check judges no map of a whole layer: name a channel of {target}")

    def frames() -> Iterator[Frame]:
        for frame in run.frames():
            yield replace(frame, steps=frame.steps + STEPS)
        done = frame.steps
        for step, checked in enumerate(_checked(_case(run, frame, seed), frame), done + 1):
            yield replace(checked, step=step, steps=done + STEPS)

    return Run(run.technique, frames, run.net, image, run.parameters, checked=seed)


def _one_target(run: Run) -> str | int | None:
    target = run.parameters.get("target")
    target = target[0] if isinstance(target, tuple) else target
    assert target is None or isinstance(target, str | int)
    return target


def _case(run: Run, last: Frame, seed: int) -> Case:
    frame = methods.with_map(last)
    assert run.image is not None and frame.heatmap is not None
    if len(frame.heatmap) != 1:
        raise ConvscopeError("check judges one map: name a class, a channel or a neuron")
    question = ask(run.net, run.image, _one_target(run)).resolved()
    return Case(run, question, frame, seed)


def _checked(case: Case, last: Frame) -> Iterator[Frame]:
    """The technique's last frame with all answers so far, after each step of a check."""
    known = Answer()
    for one in CHECKS:
        for answer in one.answer(case):
            found = known.joined(answer)
            # A sheet is as wide as the picture: below the other panels.
            panels = sorted(found.panels, key=lambda panel: isinstance(panel, Sheet))
            summary = {**found.numbers, "findings": found.findings, "passed": found.passed}
            yield replace(
                last,
                panels=(*last.panels, *panels),
                summary={**last.summary, "check": summary},
            )
        known = found
