"""The statistics of activations, worked by hand in float64."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.types import Target
from convscope.vocabulary.objectives import STATISTICS, distance, match, statistics, weighted
from tests.helpers import toys


def activations(channels: int, rows: int, columns: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, channels, rows, columns, generator=generator, dtype=torch.float64)


def test_each_by_numpy() -> None:
    values = activations(4, 5, 3)
    flat = values[0].flatten(1).numpy()
    covariance, mean = np.cov(flat, bias=True), flat.mean(1)
    (products,) = STATISTICS["gram"](values, None)
    np.testing.assert_allclose(products[0], (flat @ flat.T / 15).ravel(), rtol=1e-12)
    spread, means = STATISTICS["centered"](values, None)
    np.testing.assert_allclose(spread[0], covariance.ravel(), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(means[0], mean, rtol=1e-12)
    (both,) = STATISTICS["moments"](values, None)
    deviation = np.sqrt(covariance.diagonal() + 1e-8)
    np.testing.assert_allclose(both[0], np.concatenate([mean, deviation]), rtol=1e-12)


def test_sliced_is_the_distance_of_sorted_projections() -> None:
    here, there = activations(3, 16, 16), activations(3, 32, 16, seed=1)  # 256 and 512 positions
    directions = statistics._directions(3).numpy()
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    one, two = (np.sort(directions @ v[0].flatten(1).numpy(), 1) for v in (here, there))
    two = two.reshape(3, 256, 2).mean(2)
    wanted = ((one - two) ** 2).sum() / (two**2).sum()
    found = distance(STATISTICS["sliced"](here, None), STATISTICS["sliced"](there, None))
    assert found.item() == pytest.approx(wanted, rel=1e-10)


def test_groups_of_sorted_values_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "QUANTILES", 2)
    values = torch.tensor([4.0, 0, 1], dtype=torch.float64).view(1, 1, 1, 3)
    (found,) = STATISTICS["sliced"](values, None)
    # Half of three positions is the smallest and half of the next: (0 + 1 / 2) / 1.5.
    assert sorted(found[0].abs().tolist()) == pytest.approx([1 / 3, 3])
    weights = torch.tensor([1.0, 1, 2], dtype=torch.float64).view(1, 1, 1, 3)
    (found,) = STATISTICS["sliced"](values, weights)
    assert sorted(found[0].abs().tolist()) == pytest.approx([0.5, 2.5])


@pytest.mark.parametrize("by", STATISTICS)
def test_a_statistic_knows_no_positions(by: str) -> None:
    values = activations(4, 6, 5)
    there = STATISTICS[by](values, None)
    shuffled = values.flatten(2)[..., torch.randperm(30)].view(1, 4, 5, 6)
    twice = values.repeat(1, 1, 2, 1)
    last = values.contiguous(memory_format=torch.channels_last)
    for other in (shuffled, twice, last):
        assert distance(STATISTICS[by](other, None), there).item() < 1e-20
    assert distance(STATISTICS[by](2 * values, None), there).item() > 0.1


@pytest.mark.parametrize("by", STATISTICS)
def test_weights_are_as_many_copies_of_a_position(by: str) -> None:
    values = activations(4, 4, 5)
    weights = torch.tensor([0, 3.0, 0, 1]).view(1, 1, 4, 1).expand(1, 1, 4, 5)
    copies = torch.cat([values[:, :, 1:2]] * 3 + [values[:, :, 3:]], 2)
    pairs = zip(STATISTICS[by](values, weights), STATISTICS[by](copies, None), strict=True)
    for found, wanted in pairs:
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_the_distance_of_parts() -> None:
    one, two = torch.tensor([[3.0, 0], [0, 0]]), torch.tensor([[1.0], [1.0]])
    wanted = [torch.tensor([[0.0, 4]]), torch.tensor([[2.0]])]
    assert distance([one, two], wanted).tolist() == [25 / 16 + 1 / 4, 16 / 16 + 1 / 4]


def identity() -> tuple[nn.Module, Target]:
    """A network whose layer is the image, of two channels."""
    module = nn.Sequential(nn.Conv2d(2, 2, 1, bias=False)).double()
    module[0].weight.data = torch.eye(2, dtype=torch.float64)[:, :, None, None]
    return module, Target("0")


@pytest.mark.parametrize("by", ["l2", "cosine", *STATISTICS])
def test_a_mask_looks_at_bright_positions_only(by: str) -> None:
    module, layer = identity()
    net = toys.plain_network(module, 8, channels=2)
    here, other = activations(2, 8, 8), activations(2, 8, 8, seed=1)
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., :8] = 1  # the left half of an image twice as large
    whole = by in STATISTICS  # then the other image counts as a whole
    masked = match(layer, other, by, mask).bind(net).score({"0": here}, here)  # type: ignore[arg-type]
    there = other if whole else other[..., :4]
    cut = match(layer, there, by).bind(net).score({"0": here[..., :4]}, here)  # type: ignore[arg-type]
    torch.testing.assert_close(masked, cut, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("by", STATISTICS)
def test_the_other_image_may_have_a_mask_too(by: str) -> None:
    module, layer = identity()
    net = toys.plain_network(module, 8, channels=2)
    here, other = activations(2, 8, 8), activations(2, 8, 8, seed=1)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:6] = 0.5
    masked = match(layer, other, by, image_mask=mask).bind(net)  # type: ignore[arg-type]
    cut = match(layer, other[..., 2:6], by).bind(net)  # type: ignore[arg-type]
    found, wanted = (one.score({"0": here}, here) for one in (masked, cut))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)


def test_the_other_image_has_no_mask_where_positions_are_compared() -> None:
    with pytest.raises(ConvscopeError, match=r"^match: by='l2' compares the same positions of"):
        match("act", torch.rand(1, 3, 8, 8), image_mask=torch.ones(1, 1, 8, 8))


def test_a_sum_of_terms_is_a_blend() -> None:
    """Up to a constant it is the distance to the mean of what the images give."""
    module, layer = identity()
    net = toys.plain_network(module, 8, channels=2)
    one, two = activations(2, 8, 8, seed=1), 2 * activations(2, 9, 5, seed=2)
    blend = 0.7 * match(layer, one, "gram") + 0.3 * match(layer, two, "gram")
    grams = [STATISTICS["gram"](image, None)[0] for image in (one, two)]
    shares = [w / g.square().sum() for w, g in zip((0.7, 0.3), grams, strict=True)]
    mean = (shares[0] * grams[0] + shares[1] * grams[1]) / sum(shares)
    constants = []
    for seed in (3, 4):
        here = activations(2, 8, 8, seed)
        apart = (STATISTICS["gram"](here, None)[0] - mean).square().sum() * sum(shares)
        constants.append(blend.bind(net).score({"0": here}, here) + apart)
    torch.testing.assert_close(constants[0], constants[1], rtol=1e-10, atol=0)


def test_binding_runs_each_image_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net = toys.network(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3)), 8)
    here, one, two = torch.rand(3, 1, 3, 8, 8).unbind()
    names = [Target(name) for name in "012"]
    alone = sum(match(name, image, "gram").bind(net).read(net, here)[1]
                for name in names for image in (one, two))  # fmt: skip
    seen: list[Tensor] = []
    run = type(net).activations

    def watched(net: Network, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        seen.append(image)
        return run(net, image, layers)

    with monkeypatch.context() as patch:
        patch.setattr(type(net), "activations", watched)
        pairs = [weighted(tuple((1.0, match(n, i, "gram")) for n in names)) for i in (one, two)]
        bound = (pairs[0] + 2 * pairs[1] - pairs[1]).bind(net)
    assert len(seen) == 2
    assert seen[0] is one
    assert seen[1] is two
    torch.testing.assert_close(bound.read(net, here)[1], alone)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_by_finite_differences(layout: torch.memory_format) -> None:
    first = activations(3, 4, 5)
    here = torch.cat([first, first.flip(1)]).contiguous(memory_format=layout).requires_grad_()
    there = activations(3, 4, 5, seed=1)
    skew = torch.linspace(-1, 2, 9, dtype=torch.float64)  # of no symmetric matrix
    found = statistics.relative_error(here, there)
    wanted = ((here - there) ** 2).flatten(1).sum(1) / (there**2).sum()
    torch.testing.assert_close(found, wanted)
    assert torch.autograd.gradcheck(lambda x: statistics.relative_error(x, there), here)
    assert torch.autograd.gradcheck(lambda x: STATISTICS["gram"](x, None)[0] @ skew, here)
    (gradient,) = torch.autograd.grad(STATISTICS["gram"](here, None)[0].sum(), here)
    assert gradient.is_contiguous(memory_format=layout)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(1, 1, 8, 8), r"^match: the mask is 0 everywhere$"),
        (torch.ones(8, 8), r"^match: a mask is \(1, 1, H, W\), not \(8, 8\)$"),
        (torch.ones(2, 1, 8, 8), r"^match: a mask is \(1, 1, H, W\), not \(2, 1, 8, 8\)$"),
    ],
)
def test_a_wrong_mask_is_one_line(mask: Tensor, message: str) -> None:
    module, layer = identity()
    net, here = toys.plain_network(module, 8, channels=2), activations(2, 8, 8)
    with pytest.raises(ConvscopeError, match=message):
        match(layer, here, "gram", mask).bind(net).score({"0": here}, here)


def test_a_mask_needs_maps() -> None:
    net = toys.network(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), 8)
    photo = torch.rand(1, 3, 8, 8)
    bound = match(Target("1"), photo, "gram", torch.ones(1, 1, 8, 8)).bind(net)
    with pytest.raises(ConvscopeError, match=r"^1 has no feature maps, which a mask needs$"):
        bound.read(net, photo)
