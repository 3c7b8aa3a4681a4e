"""The archive by hand."""

from __future__ import annotations

import torch

from convscope.evolution import Elites


def test_a_genome_competes_in_every_cell() -> None:
    elites: Elites[str] = Elites(3)
    won = elites.add(["a", "b"], torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.6, 0.3]]))
    assert won.all()
    assert elites.genomes == ["a", "b", "a"]
    assert elites.confidence.tolist() == torch.tensor([0.5, 0.6, 0.3]).tolist()

    won = elites.add(["c"], torch.tensor([[0.5, 0.1, 0.4]]))
    assert won.tolist() == [False, False, True], "as good as the elite is not better"
    assert elites.genomes == ["a", "b", "c"]

    won = elites.add(["d", "e"], torch.tensor([[0.9, 0.0, 0.0], [0.8, 0.7, 0.0]]))
    assert won.tolist() == [True, True, False]
    assert elites.genomes == ["d", "e", "c"]
    assert elites.confidence.tolist() == torch.tensor([0.9, 0.7, 0.4]).tolist()


def test_the_first_elite_may_have_the_probability_zero() -> None:
    elites: Elites[int] = Elites(2)
    elites.add([7], torch.zeros(1, 2))
    assert elites.genomes == [7, 7]
