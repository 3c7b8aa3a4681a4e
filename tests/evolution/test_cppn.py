"""CPPNs against a plain recursion in Python, pixel by pixel."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable

import pytest
import torch

from convscope.evolution.cppn import CPPN, Link, colors, coordinates, outputs
from convscope.evolution.mutation import child, random_cppn

FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sine": math.sin,
    "sigmoid": lambda v: 2 / (1 + math.exp(-v)) - 1,
    "gaussian": lambda v: math.exp(-v * v),
    "linear": lambda v: max(-3.0, min(3.0, v)) / 3,
}


def value(cppn: CPPN, node: int, inputs: tuple[float, ...]) -> float:
    """What a node gives: the sum of all that leads to it, through its function."""
    if node < 4:
        return inputs[node]
    total = sum(w * value(cppn, source, inputs) for source, to, w in cppn.links if to == node)
    return FUNCTIONS[cppn.functions[node - 4]](total)


def grown(seed: int, generations: int) -> CPPN:
    generator = torch.Generator().manual_seed(seed)
    found = random_cppn(generator)
    for _ in range(generations):
        found = child(found, generator)
    return found


@pytest.mark.parametrize(("seed", "generations"), [(0, 0), (1, 5), (2, 12), (3, 20)])
def test_it_computes_what_a_recursion_does(seed: int, generations: int) -> None:
    cppn, (height, width) = grown(seed, generations), (3, 4)
    found = outputs(cppn, coordinates(height, width)).view(3, height, width)
    last = 4 + len(cppn.functions)
    for row in range(height):
        for column in range(width):
            x, y = -1 + 2 * column / (width - 1), -1 + 2 * row / (height - 1)
            inputs = (x, y, math.hypot(x, y), 1.0)
            wanted = [value(cppn, node, inputs) for node in range(last - 3, last)]
            assert found[:, row, column].tolist() == pytest.approx(wanted, abs=1e-4)


def test_nodes_that_lead_nowhere_do_not_count() -> None:
    lone = CPPN(("sine", "linear", "linear", "linear"), (Link(0, 4, 2.0), Link(3, 6, 1.5)))
    found = outputs(lone, coordinates(2, 2))
    assert found.tolist() == [[0.0] * 4, [0.5] * 4, [0.0] * 4]


def test_colors_are_those_of_colorsys() -> None:
    values = torch.rand(1, 3, 200, generator=torch.Generator().manual_seed(0)) * 2 - 1
    values[..., :8] = torch.tensor([-1, 1, 0, 1 / 3, -2 / 3, 1 / 6, 0.5, 5 / 6])
    found = colors(values)[0].T.tolist()
    for (hue, saturation, brightness), rgb in zip(values[0].abs().T.tolist(), found, strict=True):
        assert rgb == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, brightness), abs=1e-5)
