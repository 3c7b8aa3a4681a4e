"""Judges activation atlases by a network that did not draw them: SqueezeNet.

    python -m benchmarks.atlas PHOTOGRAPHS --seed 1

It makes an atlas of the default network over a folder of photographs and prints two things. First,
how many cells SqueezeNet names, of all and of some that are drawn at random: the class that the
cell's activations push up most is among its first five for the cell's image. Second, how far apart
the images of neighboring cells are in SqueezeNet's embedding, against those of cells drawn at
random: 1 minus their cosine.

The settings of `activation_atlas` were chosen with `--seed 0`.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import convscope as cs
from convscope.network import default_layers
from convscope.tensors import by_position
from convscope.types import Array


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.atlas", description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--index", type=Path, help="an index of them, made if it is not there")
    parser.add_argument("--seed", type=int, default=1, help="of the atlas, and of the cells judged")
    parser.add_argument("--cells", type=int, default=20, help="cells that are drawn at random")
    parser.add_argument("--grid", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path("atlas.png"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        net, place = cs.load(device="cpu"), options.index or Path(folder) / "index"
        cs.index(net, options.photographs, place).result()
        begun = time.process_time()
        run = cs.activation_atlas(net, index=place, grid=options.grid, seed=options.seed)
        result = run.result()
    print(f"{len(result.summary['cells'])} cells, {time.process_time() - begun:.0f} s of CPU")
    result.save(options.output)
    judge = cs.load("squeezenet1_1", device="cpu")
    images = torch.from_numpy(result.image).permute(0, 3, 1, 2)
    cells = result.summary["cells"]
    chance = np.random.default_rng(options.seed)
    chosen = np.sort(chance.choice(len(cells), min(options.cells, len(cells)), replace=False))
    best = torch.from_numpy(result.arrays["pushes"].argmax(1))
    _print_names(judge, net, images, best, chosen)
    places = [(cell["row"], cell["column"]) for cell in cells]
    near, far = likeness(judge, images, places, chance)
    print(f"distance of neighbors {near:.3f}, of cells at random {far:.3f}: {near / far:.2f}")


def _print_names(
    judge: cs.Network, net: cs.Network, images: Tensor, classes: Tensor, chosen: Array
) -> None:
    """A line for each cell that is chosen, and how many cells each network names."""
    firsts = {one.name: _first_five(one, images) for one in (judge, net)}
    for i in chosen.tolist():
        first, number = firsts[judge.name][i].tolist(), int(classes[i])
        mark = "named" if number in first else "     "
        print(f"{mark} {net.label(number)}: {', '.join(map(judge.label, first))}")
    for name, found in firsts.items():
        named = (found == classes[:, None]).any(1).float()
        print(
            f"{name} names {named[chosen].mean():.2f} of these {len(chosen)}"
            f" and {named.mean():.2f} of all {len(named)}"
        )


def _first_five(net: cs.Network, images: Tensor) -> Tensor:
    return torch.cat([net.logits(some).topk(5, 1).indices for some in images.split(16)])


def likeness(
    net: cs.Network, images: Tensor, places: Sequence[tuple[int, int]], chance: np.random.Generator
) -> tuple[float, float]:
    """The mean distance of images in cells that share an edge, and of 1,000 pairs at random."""
    layer = default_layers.embedding(net)
    values = by_position(net.by_channel(layer, net.read(images, {layer})[layer])).mean(2)
    alike = F.normalize(values) @ F.normalize(values).T
    pairs = list(_neighbors(places))
    near = [1 - float(alike[i, j]) for i, j in pairs]
    others = chance.integers(len(images), size=(1000, 2)).tolist()
    far = [1 - float(alike[i, j]) for i, j in others if i != j]
    return float(np.mean(near)), float(np.mean(far))


def _neighbors(places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for (i, one), (j, other) in itertools.combinations(enumerate(places), 2):
        if abs(one[0] - other[0]) + abs(one[1] - other[1]) == 1:
            yield i, j


if __name__ == "__main__":
    main()
