"""Why small changes fool a network: it is nearly linear close by, so they add up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.attacks import Aim, aim_at, doubts
from convscope.network import Network
from convscope.runs import Seed, TargetName, technique
from convscope.system import in_batches
from convscope.types import Curves, Frame, Panel, Picture

SHOWN = 5  # classes in a plot

# Colors of classes on the map, and what they are called.
COLORS = {
    "blue": (0x3B, 0x6E, 0xA5),
    "orange": (0xD5, 0x5E, 0x00),
    "green": (0x00, 0x9E, 0x73),
    "purple": (0xB4, 0x55, 0x9A),
    "yellow": (0xE8, 0xB8, 0x30),
}

OTHERS = (0xCC, 0xCC, 0xCC)


class LinearityRow(TypedDict):
    """How the score changes if every pixel changes by `epsilon` of 255.

    `expected` is epsilon times the L1 norm of the gradient, `measured` what the network says along
    the sign of the gradient, and `random` along random signs.
    """

    epsilon: float
    expected: float
    measured: float
    random: float
    prediction: str
    random_prediction: str


class LinearitySummary(TypedDict):
    """The two classes whose logits the score subtracts, and how the score changes with epsilon.

    `gradient_l1` is the sum of the absolute values of the gradient of the score. `notes` say what
    is wrong with the network.
    """

    label: str
    target: str
    gradient_l1: float
    changes: list[LinearityRow]
    notes: list[str]


@technique(
    title="Linearity",
    paper="Goodfellow, Shlens and Szegedy 2015",
    url="https://arxiv.org/abs/1412.6572",
    chapter="Fooling networks",
    batch=False,
)
def linearity(
    net: Network,
    image: Tensor,
    *,
    target: Annotated[
        TargetName,
        Field(description="class that is to win over the top class; the runner-up if not given"),
    ] = None,
    epsilon: Annotated[
        float,
        Field(gt=0, le=1, description="largest change of every pixel (pixels run from 0 to 1)"),
    ] = 2 / 255,
    points: Annotated[
        int, Field(ge=3, le=1001, description="number of changes on each line, an odd number")
    ] = 33,
    side: Annotated[
        int, Field(ge=3, le=501, description="number of changes on each side of the map")
    ] = 15,
    seed: Seed = 0,
) -> Iterator[Frame[LinearitySummary]]:
    """The scores of classes along the sign of the gradient, where many small changes add up.

    The score is the logit of the target minus that of the top class. If every pixel changes by
    epsilon as the gradient says, the score of a linear network rises by epsilon times the L1 norm
    of the gradient: a sum over 150,000 values, for the default network, however small epsilon is.
    The same changes with random signs cancel out. The plots show the logits of the classes that
    come out on top, along both directions, and the map the predictions in the plane of both.

    Pixels are not clipped, so that lines stay lines: the brightest and the darkest may leave the
    range of an image by epsilon.
    """
    aim = aim_at(net, image, None, target)
    ready = _Directions.of(aim, seed)
    line = torch.linspace(-epsilon, epsilon, points, dtype=aim.inputs.dtype)
    zeros = torch.zeros_like(line)
    along = ready.logits(line, zeros)
    yield ready.frame(1, line, along)
    across = ready.logits(zeros, line)
    yield ready.frame(2, line, along, across)
    steps = torch.linspace(-epsilon, epsilon, side, dtype=aim.inputs.dtype)
    # Rows of the map go down, and the random direction goes up.
    plane = ready.logits(steps.repeat(side), steps.flip(0).repeat_interleave(side))
    yield ready.frame(3, line, along, across, plane.argmax(1).view(side, side))


@dataclass(frozen=True)
class _Directions:
    """An image, and two directions in which every pixel changes by one.

    Attributes:
        aim: the image, its top class and the class that is to win.
        gradient: (1, C, h, w), of the score.
        random: (1, C, h, w), random signs.
        notes: what is wrong with the network.
    """

    aim: Aim
    gradient: Tensor
    random: Tensor
    notes: tuple[str, ...]

    @classmethod
    def of(cls, aim: Aim, seed: int) -> _Directions:
        if aim.targets is None:
            with torch.no_grad():
                runner_up = aim.scores(aim.inputs).topk(2, 1).indices[:, 1]
            aim = replace(aim, targets=runner_up)
        _, gradient = aim.climb(aim.inputs)
        generator = torch.Generator().manual_seed(seed)
        random = torch.randint(0, 2, gradient.shape, generator=generator).to(gradient) * 2 - 1
        return cls(aim, gradient, random, doubts(aim))

    def logits(self, along: Tensor, across: Tensor) -> Tensor:
        """(K, classes), where the image changes by `along` (K,) times the sign of the gradient and
        by `across` (K,) times the random signs."""
        inputs, sign = self.aim.inputs, self.gradient.sign()

        def work(part: slice) -> Tensor:
            first, second = (v[part].to(inputs).view(-1, 1, 1, 1) for v in (along, across))
            with torch.no_grad():
                return self.aim.scores(inputs + first * sign + second * self.random).cpu()

        return torch.cat(in_batches(len(along), work))

    @property
    def classes(self) -> tuple[int, int]:
        """The numbers of the top class and of the class that is to win."""
        assert self.aim.targets is not None
        return int(self.aim.labels), int(self.aim.targets)

    def change(self, logits: Tensor) -> Tensor:
        """How the score changes on a line (K,), from its middle."""
        label, target = self.classes
        score = logits[:, target] - logits[:, label]
        return score - score[len(score) // 2]

    def frame(
        self,
        step: int,
        line: Tensor,
        along: Tensor,
        across: Tensor | None = None,
        plane: Tensor | None = None,
    ) -> Frame[LinearitySummary]:
        """What is known after each of the three steps."""
        found = {"epsilon": line, "along": along, "across": across, "plane": plane}
        return Frame(
            step=step,
            steps=3,
            panels=tuple(self._panels(line, along, across, plane)),
            arrays={name: value for name, value in found.items() if value is not None},
            summary=self._summary(line, along, along if across is None else across),
        )

    def _summary(self, line: Tensor, along: Tensor, across: Tensor) -> LinearitySummary:
        label = self.aim.net.label
        total = float(self.gradient.double().abs().sum())
        rows: list[LinearityRow] = [
            {
                "epsilon": 255 * size,
                "expected": size * total,
                "measured": float(self.change(along)[at]),
                "random": float(self.change(across)[at]),
                "prediction": label(int(along[at].argmax())),
                "random_prediction": label(int(across[at].argmax())),
            }
            for at, size in enumerate(line.tolist())
            if at > len(line) // 2 and (at - len(line) // 2) % max(1, len(line) // 16) == 0
        ]
        first, second = self.classes
        return {
            "label": label(first),
            "target": label(second),
            "gradient_l1": total,
            "changes": rows,
            "notes": list(self.notes),
        }

    def _panels(
        self, line: Tensor, along: Tensor, across: Tensor | None, plane: Tensor | None
    ) -> Iterator[Panel]:
        shown = self._shown(along)
        yield self._logits(line, along, shown, "along the sign of the gradient")
        if across is not None:
            yield self._logits(line, across, shown, "along random signs")
            yield self._sums(line, along, across)
        if plane is not None:
            yield self._map(plane)

    def _shown(self, along: Tensor) -> list[int]:
        """Classes to draw: the two of the score, and those that come out on top."""
        return list(dict.fromkeys((*self.classes, *_by_count(along.argmax(1)))))[:SHOWN]

    def _logits(self, line: Tensor, logits: Tensor, shown: Sequence[int], caption: str) -> Curves:
        lines = {self.aim.net.label(i): tuple(logits[:, i].tolist()) for i in shown}
        return Curves(self._x(line), lines, "epsilon, of 255", "logit", caption)

    def _sums(self, line: Tensor, along: Tensor, across: Tensor) -> Curves:
        total = float(self.gradient.double().abs().sum())
        number = f"{total:,.0f}" if total >= 1000 else f"{total:.3g}"
        expected = f"epsilon times the L1 norm of the gradient, {number}"
        lines = {
            "measured": tuple(self.change(along).tolist()),
            expected: tuple((line.double() * total).tolist()),
            "random signs": tuple(self.change(across).tolist()),
        }
        label, target = map(self.aim.net.label, self.classes)
        caption = f"change of the score, {target} minus {label}"
        faint = frozenset((expected, "random signs"))
        return Curves(self._x(line), lines, "epsilon, of 255", "change", caption, faint)

    def _map(self, plane: Tensor) -> Picture:
        """A square for each point of the plane, in the color of its top class."""
        on_top = _by_count(plane.flatten())
        picture = torch.tensor(OTHERS).view(3, 1, 1).repeat(1, *plane.shape)
        words = []
        for number, (name, color) in zip(on_top, COLORS.items(), strict=False):
            picture = torch.where(plane == number, torch.tensor(color).view(3, 1, 1), picture)
            words.append(f"{name} {self.aim.net.label(number)}")
        if len(on_top) > len(COLORS):
            words.append("gray others")
        caption = f"right: the gradient's signs, up: random ones; {', '.join(words)}"
        return Picture(picture / 255, caption, enlarge=True)

    def _x(self, line: Tensor) -> tuple[float, ...]:
        return tuple((255 * line).tolist())


def _by_count(classes: Tensor) -> list[int]:
    """The numbers of the classes among (K,), the most frequent first."""
    counts = classes.bincount()
    order: list[int] = counts.argsort(descending=True, stable=True).tolist()
    return [number for number in order if counts[number]]
