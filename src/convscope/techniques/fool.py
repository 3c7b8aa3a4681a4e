"""A photograph that looks as before, and that the network takes for anything at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, NotRequired

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.attacks import (
    Trial,
    aim_at,
    amplified,
    doubts,
    persuade,
    shuffled,
    sizes,
    structural_similarity,
)
from convscope.errors import ConvscopeError
from convscope.files import as_jpeg
from convscope.network import Network
from convscope.runs import Seed, TargetName, technique
from convscope.types import Bars, Box, Curves, ImageFrame, Panel, Picture
from convscope.vocabulary.starts import noise

STEP = 0.5 / 255  # root mean square of the change in a step; twice as much from noise or a color

SIGMA = 0.05  # of noise

JPEG = 95  # quality

TOP = 5  # classes

COLORS = {"gray": 128, "black": 0, "white": 255}


class Verdict(TypedDict):
    """What the network says of an image: its top class, and the probability of the target."""

    prediction: str
    probability: float
    target: float


class FoolSummary(TypedDict):
    """The target, whether it is reached, how large the change is, and what the network says.

    `l2`, `linf` and `rms` measure the change of the saved photograph, whose pixels run from 0 to 1.
    `notes` say what is wrong with the network. The last step also has what the network says of the
    same photograph as a JPEG file of quality 95 and of the control, `random`, and the structural
    similarity, `ssim`, of photographs of at least 7 x 7 pixels.
    """

    target: str
    success: bool
    l2: float
    linf: float
    rms: float
    photograph: Verdict
    fooled: Verdict
    notes: list[str]
    jpeg: NotRequired[Verdict]
    random: NotRequired[Verdict]
    ssim: NotRequired[float]


@technique(
    title="Fooling",
    paper="Nguyen, Yosinski and Clune 2015; Szegedy et al. 2014",
    url="https://arxiv.org/abs/1412.1897",
    chapter="Fooling networks",
    batch=False,
)
def fool(
    net: Network,
    image: Tensor | None = None,
    *,
    target: Annotated[
        TargetName,
        Field(
            description="class that the network is to predict; the least probable one if not given"
        ),
    ] = None,
    confidence: Annotated[
        float, Field(gt=0, lt=1, description="probability of the class that is wanted")
    ] = 0.99,
    start: Annotated[
        Literal["noise", "gray", "black", "white"],
        Field(description="where to begin without a photograph"),
    ] = "noise",
    steps: Annotated[int, Field(ge=1, le=10_000, description="number of steps")] = 48,
    gain: Annotated[
        float | None,
        Field(
            gt=0,
            le=1000,
            description="how many times the drawn change is amplified; so that it is visible if not"
            " given",
        ),
    ] = None,
    alone: Annotated[
        bool,
        Field(
            description="draw the fooled photograph alone, pixel by pixel, so that a .png file"
            " of it fools the network"
        ),
    ] = False,
    seed: Seed = 0,
) -> Iterator[ImageFrame[FoolSummary]]:
    """A photograph that looks unchanged, in which the network sees any class that you choose.

    Every step changes the photograph along the gradient of the logarithm of the probability of the
    class. When the network is sure enough, the change is made smaller as long as it stays sure, so
    the result is the smallest change that was found. What counts is the photograph with whole
    8-bit values at its own size, as a file has it: all numbers are about that one. Only the part
    that the network sees is changed.

    The control has the same changes of pixels, but in random places: chance does not fool the
    network. If the class is not reached, `success` is False and the image is the best attempt.
    """
    photograph = _beginning(net, image, start, seed)
    begun = net.logits(photograph)
    least = int(begun[0].argmin()) if target is None else target
    aim = aim_at(net, photograph, None, least)
    notes = doubts(aim)
    assert aim.targets is not None
    race = _Race(net, photograph, begun, int(aim.targets), confidence, gain, steps, seed, notes)
    step = STEP if image is not None else 2 * STEP
    try:
        for trial in persuade(net, photograph, race.target, confidence, step, steps):
            race.add(trial)
            yield race.frame(alone)
    except ConvscopeError as error:
        if notes:  # they say why
            raise ConvscopeError(notes[0]) from error
        raise


def _beginning(net: Network, image: Tensor | None, start: str, seed: int) -> Tensor:
    """The photograph, or noise or a color of the network's input size, in whole 255ths."""
    if image is not None:
        if start != "noise":
            raise ConvscopeError(
                f"there is a photograph to begin with, so start={start!r} has no use; leave one out"
            )
        pixels = net.as_input(image.detach()).clamp(0, 1)
    else:
        begun = noise(SIGMA).canvas(net, torch.Generator().manual_seed(seed)).parameters
        pixels = begun if start == "noise" else torch.full_like(begun, COLORS[start] / 255)
    return tensors.in_255ths(pixels)


@dataclass
class _Race:
    """The classes of an image that is changed step by step, and its best attempt so far.

    Attributes:
        net: the network.
        photograph: (1, C, H, W), the image before the first step.
        begun: (1, classes), its logits.
        target: the number of the class to reach.
        confidence: the probability to reach.
        gain: how many times the drawn change is amplified; None for as many as make it visible.
        steps: the number of all steps.
        seed: seed of the control.
        notes: what is wrong with the network.
        probabilities: of the target and of the first top class, from the photograph on.
        best: the best attempt; there is one after the first step.
    """

    net: Network
    photograph: Tensor
    begun: Tensor
    target: int
    confidence: float
    gain: float | None
    steps: int
    seed: int
    notes: Sequence[str]
    probabilities: list[tuple[float, float]] = field(default_factory=list)
    best: Trial | None = None

    def __post_init__(self) -> None:
        self.first = int(self.begun.argmax())
        self._note(self.begun)

    def add(self, trial: Trial) -> None:
        self._note(trial.logits)
        if trial.better(self.best, self.confidence):
            self.best = trial

    def _note(self, logits: Tensor) -> None:
        found = self.net.output.probabilities(logits)[0]
        self.probabilities.append((float(found[self.target]), float(found[self.first])))

    def frame(self, alone: bool) -> ImageFrame[FoolSummary]:
        """The frame of the last step that was added."""
        best, step = self.best, len(self.probabilities) - 1
        assert best is not None
        random = self._control(best) if step == self.steps else None
        return ImageFrame(
            step=step,
            steps=self.steps,
            image=best.saved,
            score=torch.tensor([best.confidence]),
            panels=(Picture(best.saved[0]),) if alone else self._panels(best, random),
            summary=self._summary(best, random),
        )

    def _control(self, best: Trial) -> Tensor:
        """The logits of the photograph with the same changes in random places."""
        change = best.saved - self.photograph
        return self.net.logits(shuffled(self.net, self.photograph, change, self.seed))

    def _summary(self, best: Trial, random: Tensor | None) -> FoolSummary:
        change = best.saved - self.photograph
        summary: FoolSummary = {
            "target": self.net.label(self.target),
            "success": best.confidence >= self.confidence,
            "l2": best.size,
            "linf": float(change.abs().max()),
            "rms": best.size / math.sqrt(change.numel()),
            "photograph": self._verdict(self.begun),
            "fooled": self._verdict(best.logits),
            "notes": list(self.notes),
        }
        if random is not None:
            summary["random"] = self._verdict(random)
            if len(self.net.mean) in (1, 3):
                summary["jpeg"] = self._verdict(self.net.logits(as_jpeg(best.saved, JPEG)))
            similarity = structural_similarity(self.photograph, best.saved)
            if similarity is not None:
                summary["ssim"] = similarity
        return summary

    def _verdict(self, logits: Tensor) -> Verdict:
        (top,) = self.net.name_classes(logits[0], 1)
        target = float(self.net.output.probabilities(logits)[0, self.target])
        return {"prediction": top.label, "probability": top.probability, "target": target}

    def _panels(self, best: Trial, random: Tensor | None) -> tuple[Panel, ...]:
        """The photograph, its change and the result; below, what the network says at every step."""
        change = best.saved[0] - self.photograph[0]
        shown, gain = amplified(change)
        if self.gain is not None:
            shown, gain = (0.5 + self.gain * change).clamp(0, 1), self.gain
        pictures = (
            Picture(self.photograph[0], self._said("before", self.begun), self._box()),
            Picture(shown, f"the change times {gain:g} ({sizes(change)})"),
            Picture(best.saved[0], self._said("after", best.logits)),
        )
        control = (
            ""
            if random is None
            else self._said("control, the same changes in random places", random)
        )
        return (
            *pictures,
            self._bars(self.begun, "before"),
            replace(self._curves(), caption=control),
            self._bars(best.logits, "after"),
        )

    def _box(self) -> Box | None:
        """What the network sees of the photograph; None for all of it."""
        box = self.net.box(self.photograph)
        return None if (box.height, box.width) == self.photograph.shape[-2:] else box

    def _said(self, what: str, logits: Tensor) -> str:
        said = self._verdict(logits)
        return f"{what}: {said['prediction']} {said['probability']:.1%}"

    def _bars(self, logits: Tensor, caption: str) -> Bars:
        found = self.net.name_classes(logits[0], TOP)
        names, values = tuple(one.label for one in found), tuple(one.probability for one in found)
        return Bars(names, values, "probability", caption, ".1%")

    def _curves(self) -> Curves:
        missing = (math.nan,) * (self.steps + 1 - len(self.probabilities))
        lines = zip(*self.probabilities, strict=True)
        names = (self.net.label(self.target), self.net.label(self.first))
        return Curves(
            tuple(map(float, range(self.steps + 1))),
            {name: (*line, *missing) for name, line in zip(names, lines, strict=True)},
            "step",
            "probability",
        )
