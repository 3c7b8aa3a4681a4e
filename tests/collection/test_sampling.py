"""Activations at random positions: which, how much they push, and that they are read once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs
from convscope.attribution import pushes, score_gradients
from convscope.collection import Samples, channel_changes, joined, sampled, sampling
from tests.helpers.collections import Make


class Toy(nn.Module):
    """A 3x3 convolution, a ReLU, their mean over positions, and three classes of it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 5, 3, padding=1)
        self.head = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.conv(x).relu().mean((2, 3)))
        return scores


@pytest.fixture
def toy() -> cs.Network:
    return cs.Network(Toy(), mean=[0.5] * 3, std=[0.5] * 3, input_size=8)


def read(net: cs.Network, index: cs.Index, layer: str, **options: int) -> Samples:
    return joined([part for part, _ in sampled(net, index, layer, images=100, **options)])


def test_pushes_are_those_of_the_weights(toy: cs.Network) -> None:
    """By hand: a class's weight times the activation where the ReLU is open, over 64 positions."""
    image = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    positions = torch.tensor([[9, 18], [27, 36]])
    found = pushes(toy, image, "conv", positions)
    module = Toy()
    maps = module.conv((image - 0.5) / 0.5).flatten(2)
    for image_, row in enumerate(positions.tolist()):
        for k, position in enumerate(row):
            here = maps[image_, :, position]
            push = module.head.weight @ here.relu() / 64
            torch.testing.assert_close(found.activations[image_, k], here)
            torch.testing.assert_close(found.classes[image_, k], push)


def test_gradients_are_those_of_the_weighted_scores(toy: cs.Network) -> None:
    """By hand: the weighted class weights over 64 positions, a tenth where the ReLU is shut."""
    image = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    weights = torch.tensor([[1.0, 0.0, -2.0], [0.0, 3.0, 0.5]])
    found = score_gradients(toy, image, "conv", weights)
    module = Toy()
    maps = module.conv((image - 0.5) / 0.5).flatten(2)
    passing = torch.where(maps > 0, 1.0, 0.1).mean(2)
    torch.testing.assert_close(found, weights @ module.head.weight / 64 * passing)


def test_changes_are_of_the_photographs_that_push_most(own: cs.Network, make: Make) -> None:
    """Of five photographs of a group the four that push the weighted scores most, one by one."""
    index = make()
    samples = read(own, index, "blocks.0", each=2)
    items, weight = np.arange(10), np.linspace(-1, 1, samples.pushes.shape[1], dtype=np.float32)
    found = channel_changes(own, index, "blocks.0", samples, [items], weight[None])
    along = samples.pushes[items].astype(np.float32) @ weight
    best = along.reshape(5, 2).max(1)
    rows = np.argsort(-best, kind="stable")[:4].tolist()
    one = [
        score_gradients(
            own,
            own.preprocess(index.photo(int(samples.rows[2 * row]))),
            "blocks.0",
            torch.from_numpy(weight)[None],
        )
        for row in rows
    ]
    np.testing.assert_allclose(found[0], torch.cat(one).mean(0), rtol=1e-4, atol=1e-7)


def test_pushes_are_directional_derivatives() -> None:
    """In float64: the scores' change by a small part of the activation, through a curved tail."""

    class Curved(Toy):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps = self.conv(x) + self.change
            scores: torch.Tensor = self.head(maps.tanh().mean((2, 3)).square())
            return scores

        change: torch.Tensor | float = 0.0

    module = Curved().double()
    net = cs.Network(module, mean=[0.5] * 3, std=[0.5] * 3, input_size=8)
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    activations, found = pushes(net, image, "conv", torch.tensor([[20]]))
    change = torch.zeros(1, 5, 8, 8).double()
    change[0, :, 2, 4] = activations[0, 0]
    scores = []
    for sign in (1, -1):
        module.change = sign * 1e-6 * change
        scores.append(module((image - 0.5) / 0.5)[0])
    expected = (scores[0] - scores[1]) / 2e-6
    torch.testing.assert_close(found[0, 0], expected.detach(), rtol=1e-6, atol=1e-9)


def test_a_network_without_classes_has_no_pushes() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    net = cs.Network(module, mean=[0.5] * 3, std=[0.5] * 3, input_size=8)
    _, classes = pushes(net, torch.rand(1, 3, 8, 8), "0", torch.tensor([[0]]))
    assert classes.shape == (1, 1, 0)


def test_samples_are_what_the_network_gives_there(own: cs.Network, make: Make) -> None:
    index = make()
    found = read(own, index, "blocks.0", each=2, seed=3)
    assert found.rows.tolist() == [row for row in range(23) for _ in range(2)]
    for row, position, values in zip(found.rows, found.positions, found.activations, strict=True):
        maps = own.read(index.photo(row), {"blocks.0"})["blocks.0"][0]
        there = maps.flatten(1)[:, int(position)]
        np.testing.assert_allclose(values, there.numpy(), rtol=2e-3, atol=1e-4)


def test_positions_are_distinct_and_off_the_border(own: cs.Network, make: Make) -> None:
    found = read(own, make(), "blocks.0", each=5)
    side = own.channel_shape("blocks.0")[-1]
    down, across = np.divmod(found.positions, side)
    assert set(down) | set(across) <= set(range(1, side - 1))
    assert all(len(set(some)) == 5 for some in found.positions.reshape(23, 5).tolist())
    assert len(set(map(tuple, found.positions.reshape(23, 5).tolist()))) > 1


def test_a_layer_without_positions_has_one(make: Make) -> None:
    pooled = [nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    net = cs.Network(nn.Sequential(*pooled), mean=[0.5] * 3, std=[0.5] * 3, input_size=16)
    index = make(net=net)
    found = read(net, index, "2", each=5)
    assert index.settings.embedding == "2"
    assert not found.positions.any()
    np.testing.assert_allclose(found.activations, index.embeddings, rtol=2e-3, atol=1e-4)


def test_a_second_reading_reads_nothing(
    own: cs.Network, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 10)
    index = make()
    begun = sampled(own, index, "blocks.0", images=100, each=1, seed=0)
    next(begun)
    begun.close()  # stopped after the first part
    opened: list[int] = []
    photo = cs.Index.photo

    def note(self: cs.Index, row: int) -> torch.Tensor:
        opened.append(row)
        return photo(self, row)

    monkeypatch.setattr(cs.Index, "photo", note)
    first = read(own, index, "blocks.0")
    assert opened == list(range(10, 23))
    opened.clear()
    again = read(own, index, "blocks.0")
    assert not opened
    for name, values in vars(first).items():
        np.testing.assert_array_equal(getattr(again, name), values)
    read(own, index, "blocks.0", seed=1)
    assert opened == list(range(23))


@pytest.mark.parametrize("kind", ["npz", "json"])
def test_a_damaged_file_is_read_again(own: cs.Network, make: Make, kind: str) -> None:
    index = make()
    first = read(own, index, "blocks.0")
    (file,) = index.path.glob(f"samples/*.{kind}")
    file.write_bytes(file.read_bytes()[:-9] + b"123456789")
    np.testing.assert_array_equal(read(own, index, "blocks.0").activations, first.activations)


def test_where_the_index_cannot_be_written(
    own: cs.Network, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Path:
        raise cs.ConvscopeError("cannot write")

    monkeypatch.setattr(sampling, "write_file", refuse)
    index = make()
    assert len(read(own, index, "blocks.0")) == 23
    assert not list(index.path.glob("samples/*"))


def test_the_index_stays_whole(own: cs.Network, make: Make) -> None:
    index = make()
    read(own, index, "blocks.0")
    cs.open_index(index.path).check_files()
    make()  # the same call once more finds nothing to do, and leaves the samples
    assert list(index.path.glob("samples/*.npz"))
