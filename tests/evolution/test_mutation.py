"""Mutations: the formulas of their distributions, and what they may do to a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch

from convscope.evolution import mutation
from convscope.evolution.chance import polynomial
from convscope.evolution.cppn import CPPN, Link
from convscope.evolution.mutation import add_link, add_node, child, delete_link, delete_node


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def base() -> CPPN:
    """Two hidden nodes, 4 and 5, and outputs 6 to 8."""
    links = ((0, 4, 1.0), (4, 6, 2.0), (3, 5, -1.0), (5, 7, 0.5), (4, 5, 0.25), (1, 8, 3.0))
    return CPPN(("sine", "gaussian", *["linear"] * 3), tuple(Link(*one) for one in links))


def check(cppn: CPPN) -> None:
    """Links run forward, none begins at an output or ends at an input, and none is there twice."""
    nodes = 4 + len(cppn.functions)
    ends = [(one.source, one.target) for one in cppn.links]
    assert all(0 <= source < min(target, nodes - 3) for source, target in ends)
    assert all(4 <= target < nodes for _, target in ends)
    assert len(set(ends)) == len(ends)


def test_polynomial_mutation_has_its_distribution(generator: torch.Generator) -> None:
    """A change of more than a fraction d of the range has the probability (1 - d)^16."""
    count = 200_000
    found = polynomial(torch.zeros(count), -2, 2, 1.0, generator) / 4
    for fraction in (0.01, 0.05, 0.1, 0.2):
        share = float((found.abs() > fraction).float().mean())
        assert share == pytest.approx((1 - fraction) ** 16, abs=0.005)
    assert float(found.mean()) == pytest.approx(0, abs=1e-3)
    assert float(found.abs().mean()) == pytest.approx(1 / 17, rel=0.02)


def test_polynomial_mutation_keeps_its_rate_and_its_bounds(generator: torch.Generator) -> None:
    before = torch.full((100_000,), 1.9)
    found = polynomial(before, -2, 2, 0.1, generator)
    assert float((found != before).float().mean()) == pytest.approx(0.1, abs=0.005)
    assert found.max() == 2
    assert found.min() > -2


def test_structure_changes_as_often_as_in_the_paper(generator: torch.Generator) -> None:
    parent, count = base(), 4000
    nodes = Counter(child(parent, generator).nodes - parent.nodes for _ in range(count))
    # Added with the probability .5, deleted with .2, one after the other.
    wanted = {1: 0.5 * 0.8, 0: 0.5 * 0.8 + 0.5 * 0.2, -1: 0.5 * 0.2}
    assert {by: n / count for by, n in nodes.items()} == pytest.approx(wanted, abs=0.03)


def test_weights_and_functions_change_at_their_rate(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutation, "STRUCTURE", {})
    parent, count = base(), 3000
    children = [child(parent, generator) for _ in range(count)]
    weights = [
        a.weight != b.weight
        for one in children
        for a, b in zip(one.links, parent.links, strict=True)
        if b.weight != 3.0
    ]
    assert sum(weights) / len(weights) == pytest.approx(0.1, abs=0.01)
    functions = [a != "sine" for a, *_ in (one.functions for one in children)]
    assert sum(functions) / count == pytest.approx(0.1 * 3 / 4, abs=0.02)


@pytest.mark.parametrize("change", [add_link, delete_link, add_node, delete_node, child])
def test_networks_stay_whole(
    change: Callable[[CPPN, torch.Generator], CPPN], generator: torch.Generator
) -> None:
    found = base()
    for _ in range(40):
        found = change(found, generator)
        check(found)


def test_one_link_more_or_less(generator: torch.Generator) -> None:
    more, less = add_link(base(), generator), delete_link(base(), generator)
    assert set(base().links) < set(more.links)
    assert len(more.links) == 7
    assert set(less.links) < set(base().links)
    assert len(less.links) == 5


def test_a_full_network_gets_no_link_and_an_empty_one_loses_none(
    generator: torch.Generator,
) -> None:
    ends = [(source, target) for source in range(4) for target in range(4, 7)]
    full = CPPN(("linear",) * 3, tuple(Link(*one, 1.0) for one in ends))
    assert add_link(full, generator) == full
    empty = CPPN(("linear",) * 3, ())
    for change in (delete_link, add_node, delete_node):
        assert change(empty, generator) == empty


def test_a_new_node_stands_in_the_middle_of_a_link(generator: torch.Generator) -> None:
    parent = CPPN(("sine", *["linear"] * 3), (Link(0, 4, 1.0), Link(4, 7, 2.0)))
    found = [add_node(parent, generator) for _ in range(40)]
    first, last = (
        (Link(0, 4, 1.0), Link(4, 5, 1.0), Link(5, 8, 2.0)),
        ("linear", "linear", "linear"),
    )
    assert {one.links for one in found} == {first}, "whichever of the two links was cut"
    places = {one.functions.index("sine") for one in found if one.functions.count("sine") == 1}
    assert places == {0, 1}
    assert {one.functions[2:] for one in found} == {last}


def test_a_node_goes_with_its_links(generator: torch.Generator) -> None:
    found = {delete_node(base(), generator) for _ in range(20)}
    without_4 = CPPN(
        ("gaussian", *["linear"] * 3), (Link(3, 4, -1.0), Link(4, 6, 0.5), Link(1, 7, 3.0))
    )
    without_5 = CPPN(("sine", *["linear"] * 3), (Link(0, 4, 1.0), Link(4, 5, 2.0), Link(1, 7, 3.0)))
    assert found == {without_4, without_5}
