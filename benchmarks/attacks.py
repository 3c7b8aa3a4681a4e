"""Attacks against foolbox and torchattacks: `python -m benchmarks.attacks FOLDER`.

The folder holds photographs whose names begin with the number of their class, as in 0281_tabby.jpg.
Those that the default network gets right are attacked, all without a target. All attacks run in one
process, in turns over the photographs, so that a machine whose speed drifts treats them alike.
Times are of the processor, in units of a forward and backward pass of one photograph in a batch.
Both peers have to be installed: `pip install foolbox torchattacks`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import convscope as cs
from convscope.attacks import (
    Aim,
    Attempt,
    Ball,
    carlini_wagner_steps,
    climb_in_ball,
    cross_boundary,
    lbfgs_steps,
)
from convscope.files import photographs
from convscope.runs import registry
from convscope.vocabulary.norms import NORMS

Attack = Callable[[Tensor, Tensor], Tensor]
EPSILON = 0.5 / 255


class Scores(nn.Module):
    """The network as peers take it: images in [0, 1] to logits."""

    def __init__(self, net: cs.Network) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return self.net.activations(images, {""})[""]


@dataclass
class Measured:
    """What an attack made of photographs: whether it fooled, how large the change is, the time."""

    fooled: list[bool]
    l2: list[float]
    linf: list[float]
    passes: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=60, help="photographs that are got right")
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--words", nargs="*", help="only attacks with one of these in their name")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    net = cs.load()
    attacks = {
        name: attack
        for name, attack in {**_ours(net), **_peers(net)}.items()
        if not options.words or any(word in name for word in options.words)
    }
    found: dict[str, Measured] = defaultdict(lambda: Measured([], [], [], []))
    right = islice(_right(net, options.folder), options.count)
    for images, labels in _batches(right, options.batch):
        unit = _unit(net, images, labels)
        for name, attack in attacks.items():
            _measure(net, attack, images, labels, unit, found[name])
            print(_line(name, found[name]), flush=True)
    print(
        "\n| attack | photographs | fooled | L2 | Linf x 255 | passes |\n|---|---|---|---|---|---|"
    )
    for name, one in found.items():
        print(_line(name, one))


def _right(net: cs.Network, folder: Path) -> Iterator[tuple[Tensor, int]]:
    """The photographs that the network gets right, as it sees them, with their classes."""
    for file in photographs(folder):
        image, label = net.preprocess(cs.open_image(file)), int(file.name.partition("_")[0])
        if int(net.logits(image).argmax(1)) == label:
            yield image, label


def _batches(pairs: Iterator[tuple[Tensor, int]], size: int) -> Iterator[tuple[Tensor, Tensor]]:
    while part := list(islice(pairs, size)):
        yield torch.cat([image for image, _ in part]), torch.tensor([label for _, label in part])


def _ours(net: cs.Network) -> dict[str, Attack]:
    l2, inf = NORMS["l2"], NORMS["inf"]

    def last(search: Callable[[Aim], Iterator[Attempt]]) -> Attack:
        def attack(images: Tensor, labels: Tensor) -> Tensor:
            *_, found = search(Aim(net, images, labels, None))
            return found.images

        return attack

    def pgd(epsilon: float) -> Attack:
        return last(lambda aim: climb_in_ball(aim, Ball(inf, epsilon), 40, 0.1))

    def usual(name: str, search: Callable[[Aim, int, int], Iterator[Attempt]]) -> Attack:
        """A technique's search, with its defaults."""
        options = registry.get(name).validate({})
        return last(lambda aim: search(aim, options["rounds"], options["steps"]))

    return {
        "convscope pgd 0.5/255": pgd(EPSILON),
        "convscope pgd 1/255": pgd(2 * EPSILON),
        "convscope deepfool l2": last(lambda aim: cross_boundary(aim, l2, 5, 50, 0.1)),
        "convscope deepfool linf": last(lambda aim: cross_boundary(aim, inf, 5, 50, 0.1)),
        "convscope carlini_wagner": usual("carlini_wagner", carlini_wagner_steps),
        "convscope lbfgs_attack": usual("lbfgs_attack", lbfgs_steps),
    }


def _peers(net: cs.Network) -> dict[str, Attack]:
    import foolbox
    import torchattacks

    model = Scores(net).eval()
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1))
    linf = foolbox.attacks.LinfProjectedGradientDescentAttack(steps=40)
    deepfool = foolbox.attacks.L2DeepFoolAttack()
    carlini = foolbox.attacks.L2CarliniWagnerAttack
    quick = carlini(binary_search_steps=3, steps=100)
    best = carlini(binary_search_steps=6, steps=100, stepsize=0.002, initial_const=0.1)

    def of(attack: Any, epsilon: float | None) -> Attack:
        return lambda images, labels: attack(wrapped, images, labels, epsilons=epsilon)[1]

    return {
        "foolbox PGD 0.5/255": of(linf, EPSILON),
        "foolbox DeepFool L2": of(deepfool, None),
        "foolbox C&W 3 x 100": of(quick, None),
        "foolbox C&W 6 x 100, small steps": of(best, None),
        "torchattacks PGD 0.5/255": torchattacks.PGD(model, EPSILON, EPSILON / 10, 40),
        "torchattacks C&W 100": torchattacks.CW(model, c=1, steps=100),
    }


def _measure(
    net: cs.Network, attack: Attack, images: Tensor, labels: Tensor, unit: float, into: Measured
) -> None:
    begun = time.process_time()
    found = attack(images.clone(), labels.clone()).detach()
    into.passes.append((time.process_time() - begun) / unit / len(images))
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    into.fooled += (net.logits(found).argmax(1) != labels).tolist()
    for name, norm in NORMS.items():
        sizes = norm.size(found - images).flatten().tolist()
        (into.l2 if name == "l2" else into.linf).extend(sizes)


def _unit(net: cs.Network, images: Tensor, labels: Tensor) -> float:
    """Seconds of a forward and backward pass of one photograph in a batch."""
    aim = Aim(net, images, labels, None)
    times = []
    for _ in range(3):
        begun = time.process_time()
        aim.climb(images)
        times.append((time.process_time() - begun) / len(images))
    return statistics.median(times)


def _line(name: str, one: Measured) -> str:
    """Sizes are medians of the photographs that were fooled."""
    l2, linf = (_of(values, one.fooled) for values in (one.l2, one.linf))
    count, fooled = len(one.fooled), statistics.mean(one.fooled)
    passes = statistics.mean(one.passes)
    return f"| {name} | {count} | {fooled:.3f} | {l2:.3f} | {255 * linf:.2f} | {passes:.1f} |"


def _of(values: Sequence[float], chosen: Sequence[bool]) -> float:
    kept = [value for value, one in zip(values, chosen, strict=True) if one]
    return statistics.median(kept) if kept else float("nan")


if __name__ == "__main__":
    main()
