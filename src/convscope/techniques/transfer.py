"""Which networks are fooled by images that were made to fool others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.attacks import (
    Ball,
    Folder,
    Limit,
    climb_in_ball,
    fool_together,
    in_random_order,
)
from convscope.errors import ConvscopeError
from convscope.files import open_image, save_pictures
from convscope.network import Network
from convscope.render import draw
from convscope.runs import Networks, absolute_path, opened_networks, technique
from convscope.types import Curves, Frame, Matrix, Panel, Picture
from convscope.vocabulary.norms import NORMS

PART = 0.25  # size of a step of PGD, as a fraction of epsilon

if TYPE_CHECKING:
    Keep = str | Path | None
else:
    Keep = Annotated[
        str | None,
        BeforeValidator(absolute_path),
        Field(
            description="folder for the attacked photographs, as .png files with their provenance;"
            " they are not kept if not given",
            json_schema_extra={"format": "path"},
        ),
    ]

AttackName = Literal["fgsm", "pgd"]


class TransferRow(TypedDict):
    """How many photographs that were made to fool some networks fool another one.

    `epsilon` is the largest change of a pixel, of 255. `own` tells whether the network that judges
    is one of those that they were made for.
    """

    attack: str
    epsilon: int
    made_for: str
    judged_by: str
    own: bool
    fooled: int
    photographs: int


class TransferSummary(TypedDict):
    """The networks, the number of photographs, and the table.

    `disagreed` counts the photographs that were left out, because the networks predict different
    classes of them.
    """

    networks: list[str]
    photographs: int
    disagreed: int
    table: list[TransferRow]


@technique(
    title="Transfer",
    paper="Liu, Chen, Liu and Song 2017; Papernot, McDaniel and Goodfellow 2016",
    url="https://arxiv.org/abs/1611.02770",
    chapter="Fooling networks",
)
def transfer(
    net: Network,
    *,
    folder: Folder,
    nets: Networks = ("efficientnet_lite1", "squeezenet1_1"),
    attacks: Annotated[
        tuple[AttackName, ...],
        Field(min_length=1, description="attacks: fgsm (one step) or pgd (several steps)"),
    ] = ("fgsm", "pgd"),
    steps: Annotated[int, Field(ge=1, le=1000, description="number of steps of pgd")] = 10,
    epsilons: Annotated[
        tuple[Annotated[int, Field(ge=1, le=255)], ...],
        Field(min_length=1, max_length=12, description="largest changes of a pixel, of 255"),
    ] = (4, 8, 16),
    limit: Limit = 16,
    keep: Keep = None,
) -> Iterator[Frame[TransferSummary]]:
    """How often a photograph that was changed to fool one network fools another.

    Each photograph is changed at its own size, so that every network can see it with its own input
    size, and rounded to 8 bits. Only photographs that all networks predict the same class of count:
    a network is fooled when it predicts another one. The steps climb the margin, the largest logit
    of another class minus that of this one, or the mean of the margins of several networks: all but
    the one that the row names. They go as far as epsilon allows.
    """
    networks = opened_networks(net, nets)
    table = _Table(networks, attacks, steps, epsilons)
    chosen = list(islice(table.agreed(in_random_order(folder)), limit))
    if not chosen:
        raise ConvscopeError(
            f"the networks predict different classes of all photographs in {folder}; give"
            " photographs of one large object each"
        )
    for step, (file, label) in enumerate(chosen, 1):
        for made in table.attacked(_opened(net, file), label):
            if keep is not None:
                made.save(Path(keep), file)
        yield Frame(
            panels=tuple(table.panels()), step=step, steps=len(chosen), summary=table.summary()
        )


def _opened(net: Network, file: Path) -> Tensor:
    return tensors.in_255ths(net.as_input(open_image(file)))


@dataclass(frozen=True)
class _Made:
    """An attacked photograph (1, C, H, W), and how it was made."""

    image: Tensor
    label: int
    made_for: str
    attack: str
    epsilon: int

    def save(self, folder: Path, file: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        how = f"{self.made_for}-{self.attack}-{self.epsilon}".replace(" ", "-").replace("/", "-")
        facts = {"made_for": self.made_for, "attack": self.attack, "epsilon": self.epsilon}
        provenance = {
            "technique": "transfer",
            "parameters": {**facts, "label": self.label, "photograph": str(file)},
        }
        save_pictures(
            folder / f"{file.stem}-{how}.png", [draw((Picture(self.image[0]),))], provenance
        )


@dataclass
class _Table:
    """How many photographs fool which network, by what they were made for and how.

    Attributes:
        networks: all networks, by name.
        attacks: how photographs are attacked.
        steps: of PGD.
        epsilons: largest changes of a pixel, of 255.
        counts: for each attack and epsilon, (made for, judged by).
        photographs: how many were attacked.
        disagreed: how many were left out.
    """

    networks: Mapping[str, Network]
    attacks: Sequence[AttackName]
    steps: int
    epsilons: Sequence[int]
    counts: dict[tuple[AttackName, int], Tensor] = field(default_factory=dict)
    photographs: int = 0
    disagreed: int = 0

    def __post_init__(self) -> None:
        names = list(self.networks)
        self.sources = {name: [name] for name in names}
        if len(names) > 2:
            self.sources |= {f"all but {one}": [n for n in names if n != one] for one in names}
        shape = len(self.sources), len(names)
        ways = product(self.attacks, self.epsilons)
        self.counts = {way: torch.zeros(shape, dtype=torch.long) for way in ways}
        self.own = frozenset(
            (row, names.index(one))
            for row, members in enumerate(self.sources.values())
            for one in members
        )

    def agreed(self, files: Sequence[Path]) -> Iterator[tuple[Path, int]]:
        """The files of photographs that all networks predict the same class of, and the class."""
        for file in files:
            image = _opened(next(iter(self.networks.values())), file)
            (said,) = self._predictions(image).tolist()
            if len(set(said)) == 1:
                yield file, said[0]
            else:
                self.disagreed += 1

    def attacked(self, image: Tensor, label: int) -> Iterator[_Made]:
        """Attack a photograph in every way, and count what it fools."""
        self.photographs += 1
        for attack, (row, name) in product(self.attacks, enumerate(self.sources)):
            made = self._made(image, label, attack, self.sources[name])
            fooled = self._predictions(made) != label
            for at, epsilon in enumerate(self.epsilons):
                self.counts[attack, epsilon][row] += fooled[at]
                yield _Made(made[at : at + 1], label, name, attack, epsilon)

    def _made(self, image: Tensor, label: int, attack: AttackName, names: Sequence[str]) -> Tensor:
        """The photograph, changed by at most each epsilon and rounded, so that networks leave a
        class."""
        radius = torch.tensor(self.epsilons).to(image).view(-1, 1, 1, 1) / 255
        nets = [self.networks[name] for name in names]
        aim = fool_together(nets, image.expand(len(radius), -1, -1, -1), label)
        steps, part = (1, 1.0) if attack == "fgsm" else (self.steps, PART)
        *_, found = climb_in_ball(aim, Ball(NORMS["inf"], radius), steps, part, wanted=torch.inf)
        return tensors.in_255ths(found.images)

    def _predictions(self, images: Tensor) -> Tensor:
        """The number of the top class, (images, networks)."""
        return torch.stack(
            [net.logits(images).argmax(1).cpu() for net in self.networks.values()], 1
        )

    def summary(self) -> TransferSummary:
        rows: list[TransferRow] = [
            {
                "attack": attack,
                "epsilon": epsilon,
                "made_for": source,
                "judged_by": name,
                "own": (row, column) in self.own,
                "fooled": int(self.counts[attack, epsilon][row, column]),
                "photographs": self.photographs,
            }
            for attack, epsilon in self.counts
            for row, source in enumerate(self.sources)
            for column, name in enumerate(self.networks)
        ]
        return {
            "networks": list(self.networks),
            "photographs": self.photographs,
            "disagreed": self.disagreed,
            "table": rows,
        }

    def panels(self) -> Iterator[Panel]:
        """A matrix for each way; where there are several epsilons, how much carries over."""
        for (attack, epsilon), counts in self.counts.items():
            yield Matrix(
                counts,
                tuple(self.sources),
                tuple(self.networks),
                "made for (blue)",
                "judged by",
                self.own,
                f"{attack}, {epsilon}/255: fooled, of {self.photographs}",
                self.photographs,
            )
        if len(self.epsilons) > 1 and len(self.networks) > 1:
            caption = "fooled, of networks that a photograph was not made for"
            x = tuple(map(float, self.epsilons))
            yield Curves(x, self._lines(), "epsilon, of 255", "fraction", caption)

    def _lines(self) -> dict[str, tuple[float, ...]]:
        """How much carries over from one network and from several, for each attack."""
        kinds = {"made for one": range(len(self.networks))}
        if len(self.sources) > len(self.networks):
            kinds["made for all others"] = range(len(self.networks), len(self.sources))
        return {
            f"{attack}, {kind}": tuple(self._carried(attack, one, rows) for one in self.epsilons)
            for attack in self.attacks
            for kind, rows in kinds.items()
        }

    def _carried(self, attack: AttackName, epsilon: int, rows: Sequence[int]) -> float:
        """The fraction of the pairs of a photograph and a network that it was not made for."""
        counts = self.counts[attack, epsilon]
        cells = [(row, column) for row in rows for column in range(len(self.networks))]
        others = [int(counts[cell]) for cell in cells if cell not in self.own]
        return sum(others) / max(1, self.photographs * len(others))
