"""How a compositional pattern-producing network begins, and how its children differ from it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch

from convscope.evolution.chance import happens, one_of, polynomial
from convscope.evolution.cppn import CPPN, FUNCTIONS, INPUTS, OUTPUTS, Link

RATE = 0.1  # probability that a weight, or the function of a node, changes

LARGEST = 10.0  # weight

NAMES = tuple(FUNCTIONS)


def random_cppn(generator: torch.Generator) -> CPPN:
    """A network without hidden nodes, in which every input leads to every output."""
    outputs = range(len(INPUTS), len(INPUTS) + len(OUTPUTS))
    ends = itertools.product(range(len(INPUTS)), outputs)
    links = tuple(Link(source, target, _weight(generator)) for source, target in ends)
    return CPPN(tuple(_function(generator) for _ in OUTPUTS), links)


def child(parent: CPPN, generator: torch.Generator) -> CPPN:
    """A copy with other weights and functions, and now and then with another structure."""
    found = _other_functions(_other_weights(parent, generator), generator)
    for change, rate in STRUCTURE.items():
        if happens(rate, generator):
            found = change(found, generator)
    return found


def add_link(cppn: CPPN, generator: torch.Generator) -> CPPN:
    """A new link between two nodes that have none, if there are two."""
    taken = {(link.source, link.target) for link in cppn.links}
    free = [
        (source, target)
        for source in range(cppn.first_output)
        for target in range(max(source + 1, len(INPUTS)), cppn.nodes)
        if (source, target) not in taken
    ]
    if not free:
        return cppn
    new = Link(*free[one_of(len(free), generator)], _weight(generator))
    return cppn._replace(links=(*cppn.links, new))


def delete_link(cppn: CPPN, generator: torch.Generator) -> CPPN:
    """One link less, if there is one."""
    if not cppn.links:
        return cppn
    gone = one_of(len(cppn.links), generator)
    return cppn._replace(links=cppn.links[:gone] + cppn.links[gone + 1 :])


def add_node(cppn: CPPN, generator: torch.Generator) -> CPPN:
    """A new node in the middle of a link. Its own two links have the weights 1 and that link's."""
    if not cppn.links:
        return cppn
    cut = one_of(len(cppn.links), generator)
    source, target, weight = cppn.links[cut]
    new = min(target, cppn.first_output)
    links = [_moved(link, new, 1) for link in cppn.links]
    links[cut : cut + 1] = [Link(source, new, 1.0), links[cut]._replace(source=new, weight=weight)]
    place = new - len(INPUTS)
    functions = (*cppn.functions[:place], _function(generator), *cppn.functions[place:])
    return CPPN(functions, tuple(links))


def delete_node(cppn: CPPN, generator: torch.Generator) -> CPPN:
    """One hidden node less, with its links, if there is one."""
    hidden = range(len(INPUTS), cppn.first_output)
    if not hidden:
        return cppn
    gone = hidden[one_of(len(hidden), generator)]
    kept = (link for link in cppn.links if gone not in (link.source, link.target))
    place = gone - len(INPUTS)
    functions = cppn.functions[:place] + cppn.functions[place + 1 :]
    return CPPN(functions, tuple(_moved(link, gone, -1) for link in kept))


# What changes the structure, and how often (Nguyen, Yosinski and Clune 2015).
STRUCTURE: dict[Callable[[CPPN, torch.Generator], CPPN], float] = {
    add_link: 0.5,
    delete_link: 0.3,
    add_node: 0.5,
    delete_node: 0.2,
}


def _moved(link: Link, first: int, by: int) -> Link:
    """A link whose nodes from `first` on have other numbers."""
    source, target, weight = link
    return Link(source + by * (source >= first), target + by * (target >= first), weight)


def _other_weights(cppn: CPPN, generator: torch.Generator) -> CPPN:
    weights = torch.tensor([link.weight for link in cppn.links])
    changed = polynomial(weights, -LARGEST, LARGEST, RATE, generator).tolist()
    links = (link._replace(weight=w) for link, w in zip(cppn.links, changed, strict=True))
    return cppn._replace(links=tuple(links))


def _other_functions(cppn: CPPN, generator: torch.Generator) -> CPPN:
    functions = (_function(generator) if happens(RATE, generator) else f for f in cppn.functions)
    return cppn._replace(functions=tuple(functions))


def _weight(generator: torch.Generator) -> float:
    return LARGEST * (2 * float(torch.rand((), generator=generator)) - 1)


def _function(generator: torch.Generator) -> str:
    return NAMES[one_of(len(NAMES), generator)]
