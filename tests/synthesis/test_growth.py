"""Growth against a plain loop over pixels and windows, and against answers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from benchmarks.patch_loop import patch_loop
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.synthesis import Order, free_places, grow, neighborhoods
from convscope.types import Array

ORDERS: tuple[Order, ...] = ("scanline", "onion")


def grown(
    sample: Tensor, image: Tensor, known: Tensor, window: int, order: Order, seed: int = 0
) -> Tensor:
    """The image (C, H, W), grown from all windows of the sample."""
    places = free_places(torch.zeros(sample.shape[1:], dtype=torch.bool), window).nonzero()
    sources = neighborhoods(sample, places, window)
    *_, chosen = grow(sources, image, known, order, seed)
    rows, columns = places[chosen.clamp_min(0)].permute(2, 0, 1)
    return torch.where(known, image, sample[:, rows, columns])


def started(sample: Tensor, side: int = 3, size: int = 12) -> tuple[Tensor, Tensor]:
    """An image whose corner is the corner of the sample, and where it is known."""
    image = torch.zeros(len(sample), size, size, dtype=torch.uint8)
    known = torch.zeros(size, size, dtype=torch.bool)
    known[:side, :side] = True
    image[:, :side, :side] = sample[:, :side, :side]
    return image, known


def checkerboard(size: int) -> Tensor:
    return ((torch.arange(size)[:, None] + torch.arange(size)) % 2 * 255).byte()[None]


def stripes(size: int) -> Tensor:
    """Diagonal stripes of a period of three pixels, in color."""
    shade = (torch.arange(size)[:, None] + torch.arange(size)) % 3 * 100
    return torch.stack([shade, 200 - shade, shade // 2]).byte()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("pattern", [checkerboard, stripes])
def test_a_regular_pattern_goes_on(order: Order, pattern: type) -> None:
    image, known = started(pattern(9))
    for seed in range(3):
        assert torch.equal(grown(pattern(9), image, known, 5, order, seed), pattern(12))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("levels", [2, 7, 256])
def test_it_is_the_plain_loop(order: Order, colors: int, levels: int) -> None:
    """With few levels, many windows are equally near."""
    chance = torch.Generator().manual_seed(levels)
    sample = torch.randint(levels, (colors, 11, 12), generator=chance).mul(255 // (levels - 1))
    sample = sample.byte()
    image, known = started(sample, size=14)
    known[8:, 9:12] = True  # a second part, so that fronts meet
    image[:, known] = sample[:, torch.arange(14)[:, None] % 11, torch.arange(14) % 12][:, known]
    expected = patch_loop(sample.numpy(), image.numpy(), known.numpy(), 5, order, seed=3)
    found = grown(sample, image, known, 5, order, seed=3)
    np.testing.assert_array_equal(found.numpy(), expected)


def test_scanline_may_begin_with_nothing() -> None:
    sample = torch.arange(49).view(1, 7, 7).byte()
    image, known = torch.zeros(1, 6, 6).byte(), torch.zeros(6, 6, dtype=torch.bool)
    expected = patch_loop(sample.numpy(), image.numpy(), known.numpy(), 3, "scanline", seed=1)
    found = grown(sample, image, known, 3, "scanline", seed=1)
    np.testing.assert_array_equal(found.numpy(), expected)
    assert set(found.flatten().tolist()) <= set(sample[:, 1:-1, 1:-1].flatten().tolist())


def test_seeds_differ_and_threads_do_not() -> None:
    sample = torch.randint(256, (3, 16, 16), generator=torch.Generator().manual_seed(0)).byte()
    image, known = started(sample)
    threads = torch.get_num_threads()
    first = grown(sample, image, known, 5, "onion", 1)
    try:
        torch.set_num_threads(3)
        assert torch.equal(first, grown(sample, image, known, 5, "onion", 1))
    finally:
        torch.set_num_threads(threads)
    assert not torch.equal(first, grown(sample, image, known, 5, "onion", 2))


def test_one_at_a_time_is_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = torch.randint(256, (3, 16, 16), generator=torch.Generator().manual_seed(0)).byte()
    image, known = started(sample)
    together = grown(sample, image, known, 5, "onion")
    monkeypatch.setattr("convscope.synthesis.growth.BATCH", 1)
    assert torch.equal(grown(sample, image, known, 5, "onion"), together)


def test_what_fits_badly_waits_for_better_neighbors() -> None:
    """A white image does not go on in a black sample before the limit has risen above 1."""
    sample = torch.zeros(1, 7, 7).byte()
    image = torch.full((1, 5, 5), 255).byte()
    known = torch.zeros(5, 5, dtype=torch.bool)
    known[2, 2] = True
    found = grown(sample, image, known, 3, "onion")
    assert int(found.sum()) == 255


def test_the_matrices_have_a_bound() -> None:
    places = torch.zeros(60_000, 2, dtype=torch.long)
    with pytest.raises(ConvscopeError, match=r"take 6\.\d gigabytes; use a limit of 18,"):
        neighborhoods(torch.zeros(3, 100, 100).byte(), places.repeat(1, 1), 61)


def window_of(pixels: Array, row: int, column: int) -> Array:
    return pixels[:, row - 2 : row + 3, column - 2 : column + 3]


def test_distances_are_whole_and_exact() -> None:
    chance = np.random.default_rng(0)
    sample = chance.integers(256, size=(3, 9, 9), dtype=np.uint8)
    places = torch.tensor([[2, 2], [3, 5], [6, 4]])
    sources = neighborhoods(torch.from_numpy(sample), places, 5)
    windows = chance.integers(256, size=(2, 25, 3))
    known = chance.random((2, 25)) < 0.5
    found = sources.distances(torch.from_numpy(windows), torch.from_numpy(known))
    weights = [int(weight) for weight in sources.weights]
    assert weights[12] == 2**16
    for one in range(2):
        for number, (row, column) in enumerate(places.tolist()):
            patch = window_of(sample, row, column).reshape(3, 25)
            expected = sum(
                weights[p] * (int(windows[one, p, c]) - int(patch[c, p])) ** 2
                for p in range(25)
                for c in range(3)
                if known[one, p]
            )
            assert int(found[one, number]) == expected == float(found[one, number])
