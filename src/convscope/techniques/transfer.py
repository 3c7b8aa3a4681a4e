"""Which networks are fooled by images that were made to fool others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.ascent import Recipe, climb
from convscope.attacks import seen_by
from convscope.errors import ConvscopeError
from convscope.files import open_image, photographs, save_pictures
from convscope.network import Network, load
from convscope.render import draw
from convscope.runs import absolute_path, technique
from convscope.types import Curves, Frame, Matrix, Panel, Picture
from convscope.vocabulary.objectives import log_probability
from convscope.vocabulary.optimizers import sign
from convscope.vocabulary.priors import clamp, project_to_ball
from convscope.vocabulary.starts import photo

STEPS, PART = 10, 0.25  # of PGD: the number of steps, and the size of one as a fraction of epsilon

if TYPE_CHECKING:
    Folder = str | Path
    Keep = str | Path | None
else:
    Folder = Annotated[
        str,
        BeforeValidator(absolute_path),
        Field(description="folder of photographs", json_schema_extra={"format": "path"}),
    ]
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

    `epsilon` is the largest change of a pixel, of 255.
    """

    attack: str
    epsilon: int
    made_for: str
    judged_by: str
    fooled: int
    photographs: int


class TransferSummary(TypedDict):
    """The networks, the photographs whose class all of them agree on, and the table."""

    networks: list[str]
    agreed: int
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
    nets: Annotated[
        tuple[str, ...],
        Field(max_length=12, description="names of the other networks, as `convscope models`"),
    ] = ("efficientnet_lite1", "squeezenet1_1"),
    attacks: Annotated[
        tuple[AttackName, ...],
        Field(min_length=1, description="attacks: fgsm (one step) or pgd (ten steps)"),
    ] = ("fgsm", "pgd"),
    epsilons: Annotated[
        tuple[Annotated[int, Field(ge=1, le=255)], ...],
        Field(min_length=1, max_length=12, description="largest changes of a pixel, of 255"),
    ] = (2, 8),
    limit: Annotated[int, Field(ge=1, le=10_000, description="largest number of photographs")] = 16,
    keep: Keep = None,
) -> Iterator[Frame[TransferSummary]]:
    """How often a photograph that was changed to fool one network fools another.

    Each photograph is changed at its own size, so that every network can see it with its own input
    size, and rounded to 8 bits. Only photographs that all networks predict the same class of count:
    a network is fooled when it predicts another one. The steps lower the logarithm of the
    probability of that class, or the sum of these for several networks: all but the one that the
    row names.
    """
    networks = _networks(net, nets)
    files = photographs(Path(folder))[:limit]
    table = _Table(networks, tuple(product(attacks, epsilons)))
    for step, file in enumerate(files, 1):
        image = tensors.in_255ths(net.as_input(open_image(file)))
        for made in table.attacked(image):
            if keep is not None:
                made.save(Path(keep), file)
        yield Frame(
            panels=tuple(table.panels()), step=step, steps=len(files), summary=table.summary()
        )


def _networks(net: Network, names: Sequence[str]) -> dict[str, Network]:
    """The networks by name, the first one first."""
    found = {net.name: net}
    for name in names:
        if name not in found:
            found[name] = load(name, device=net.device)
        if found[name].num_classes != net.outputs.classes().num_classes:
            raise ConvscopeError(
                f"{name} has {found[name].num_classes} classes, and {net.name} has"
                f" {net.num_classes}; choose networks with the same classes"
            )
    return found


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
        ways: pairs of an attack and an epsilon.
        counts: for each way, (made for, judged by).
    """

    networks: Mapping[str, Network]
    ways: Sequence[tuple[AttackName, int]]
    counts: dict[tuple[AttackName, int], Tensor] = field(default_factory=dict)
    agreed: int = 0
    disagreed: int = 0

    def __post_init__(self) -> None:
        names = list(self.networks)
        self.sources = {name: [name] for name in names}
        if len(names) > 2:
            self.sources |= {f"all but {one}": [n for n in names if n != one] for one in names}
        shape = len(self.sources), len(names)
        self.counts = {way: torch.zeros(shape, dtype=torch.long) for way in self.ways}

    def attacked(self, image: Tensor) -> Iterator[_Made]:
        """Attack a photograph in every way, and count what it fools."""
        labels = self._predictions(image)
        if len(set(labels)) > 1:
            self.disagreed += 1
            return
        self.agreed += 1
        for (attack, epsilon), (row, name) in product(self.ways, enumerate(self.sources)):
            nets = [self.networks[one] for one in self.sources[name]]
            made = _attack(nets, image, labels[0], attack, epsilon / 255)
            fooled = torch.tensor([said != labels[0] for said in self._predictions(made)])
            self.counts[attack, epsilon][row] += fooled
            yield _Made(made, labels[0], name, attack, epsilon)

    def _predictions(self, image: Tensor) -> list[int]:
        return [int(net.output.top(net.logits(image))) for net in self.networks.values()]

    def summary(self) -> TransferSummary:
        rows: list[TransferRow] = [
            {
                "attack": attack,
                "epsilon": epsilon,
                "made_for": source,
                "judged_by": name,
                "fooled": int(self.counts[attack, epsilon][row, column]),
                "photographs": self.agreed,
            }
            for attack, epsilon in self.ways
            for row, source in enumerate(self.sources)
            for column, name in enumerate(self.networks)
        ]
        return {
            "networks": list(self.networks),
            "agreed": self.agreed,
            "disagreed": self.disagreed,
            "table": rows,
        }

    def panels(self) -> Iterator[Panel]:
        """A matrix for each way; where there are several epsilons, how much carries over."""
        names = tuple(self.networks)
        own = tuple(names.index(one) if one in names else -1 for one in self.sources)
        for attack, epsilon in self.ways:
            yield Matrix(
                self.counts[attack, epsilon],
                tuple(self.sources),
                names,
                "made for",
                "judged by",
                own,
                f"{attack}, {epsilon}/255: fooled, of {self.agreed}",
            )
        epsilons = tuple(dict.fromkeys(epsilon for _, epsilon in self.ways))
        if len(epsilons) > 1 and len(names) > 1:
            lines: dict[str, tuple[float, ...]] = {
                attack: tuple(self._carried(attack, one) for one in epsilons)
                for attack in dict.fromkeys(attack for attack, _ in self.ways)
            }
            caption = "fooled, of networks that a photograph was not made for"
            x = tuple(map(float, epsilons))
            yield Curves(x, lines, "epsilon, of 255", "fraction", caption)

    def _carried(self, attack: AttackName, epsilon: int) -> float:
        """The fraction of the pairs of a photograph and a network that it was not made for."""
        counts, total, pairs = self.counts[attack, epsilon], 0, 0
        for row, members in enumerate(self.sources.values()):
            for column, name in enumerate(self.networks):
                if name not in members:
                    total += int(counts[row, column])
                    pairs += self.agreed
        return total / max(1, pairs)


def _attack(
    nets: Sequence[Network], image: Tensor, label: int, attack: AttackName, epsilon: float
) -> Tensor:
    """The photograph, changed by at most epsilon and rounded, so that networks leave a class."""
    first, *rest = (seen_by(net, -log_probability(label)) for net in nets)
    steps, lr = (1, epsilon) if attack == "fgsm" else (STEPS, PART * epsilon)
    recipe = Recipe(
        start=photo(image),
        objective=sum(rest, start=1.0 * first),
        priors=(project_to_ball(image, epsilon, "inf"), clamp()),
        optimizer=sign(lr),
        steps=steps,
    )
    *_, frame = climb(nets[0], recipe)
    return tensors.in_255ths(frame.image)
