"""Networks that do not take every image size, each with a rule of its own that is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.network.sizes import Size
from tests.helpers import sizes, toys

Case = tuple[Callable[[], nn.Module], int | tuple[int, int], Size, list[Size]]
CASES: dict[str, Case] = {
    "dense, larger": (sizes.Fixed, 16, (64, 64), [(16, 16)]),
    "dense, smaller": (sizes.Fixed, 16, (8, 8), [(16, 16)]),
    "dense, wider": (sizes.Fixed, 16, (8, 20), [(16, 16)]),
    "skips": (sizes.Skips, 16, (22, 25), [(20, 24), (24, 28)]),
    "skips, narrow": (sizes.Skips, 16, (2, 30), [(4, 32)]),
    "positions": (sizes.Embedded, (16, 24), (20, 24), [(16, 24)]),
    "windows": (sizes.Windows, 28, (35, 40), [(28, 28), (42, 42)]),
    "windows, small": (sizes.Windows, 28, (9, 40), [(14, 42)]),
    "small": (sizes.Small, 32, (6, 40), [(16, 48)]),
    "square": (sizes.Square, 32, (41, 20), [(16, 16), (48, 48)]),
    "bounded": (sizes.Bounded, 16, (50, 64), [(16, 16)]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_nearest_sizes(name: str) -> None:
    make, own, size, expected = CASES[name]
    net = cs.Network(make(), mean=toys.MEAN, std=toys.STD, input_size=own)
    assert not net.sizes.takes(size, {""})
    assert net.sizes.near(size, {""}) == expected
    assert all(net.sizes.takes(one, {""}) for one in expected)
    assert net.sizes.near(net.input_size, {""}) == [net.input_size]
    words = " and ".join(f"{rows}x{columns}" for rows, columns in expected)
    with pytest.raises(cs.ConvscopeError, match=rf"takes images of {words} pixels, but not of"):
        net.activations(torch.rand(2, 3, *size), {""})


def test_a_size_is_tried_once_and_no_deeper_than_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = sizes.Fixed()
    net = toys.network(module)
    seen: list[Size] = []
    reader = net.sizes.reader
    read = reader.read

    def note(x: Tensor, *args: object, **words: object) -> dict[str, Tensor]:
        seen.append((x.shape[-2], x.shape[-1]))
        return read(x, *args, **words)  # type: ignore[arg-type]

    monkeypatch.setattr(reader, "read", note)
    for _ in range(2):
        assert net.sizes.takes((16, 16), {""})  # its own: nothing to try
        assert net.sizes.takes((40, 8), {"act"})
        assert not net.sizes.takes((40, 8), {"hidden"})
    assert seen == [(40, 8), (40, 8)]


def test_values_at_another_size_are_the_modules() -> None:
    module = toys.randomized(sizes.Skips()).eval()
    net, images = toys.network(module), torch.rand(2, 3, 12, 20)
    with torch.no_grad():
        expected = module(toys.normalized(images))
        torch.testing.assert_close(net.activations(images, {""})[""], expected)


def test_units_that_are_others_at_another_size() -> None:
    flattened = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.AdaptiveAvgPool1d(6))
    net, images = toys.network(flattened), torch.rand(1, 3, 20, 20)
    # A unit of the flattened maps is a place: 4 x 16 x 16 of them, or 4 x 20 x 20.
    assert not net.sizes.takes((20, 20), {"1"})
    assert net.sizes.takes((20, 20), {"0", ""})
    assert net.activations(images, {"1"})["1"].shape == (1, 1600)
    recipe = cs.Recipe(start=cs.starts.photo(images), objective=cs.objectives.activation("1:7"))
    with pytest.raises(cs.ConvscopeError, match=r"'1' has 1024 values .*16x16.* 1600 for 20x20"):
        cs.ascend(net, recipe).result()


def test_what_is_tried_changes_nothing() -> None:
    """Tokens are traced at each size; class scores and their own size stay as they were."""
    net = toys.network(toys.randomized(sizes.Tokens()), 16)
    images = torch.rand(2, 3, 16, 16)
    before = net.by_channel("mlp", net.activations(images, {"mlp"})["mlp"])
    assert net.sizes.takes((8, 12), {"mlp", "fc"})
    assert not net.sizes.takes((3, 12), {"mlp"})
    small = net.activations(images[..., :8, :12], {"mlp", "fc"})
    assert net.by_channel("mlp", small["mlp"]).shape == (2, 5, 2, 3)
    assert net.by_channel("fc", small["fc"]).shape == (2, 3)
    after = net.by_channel("mlp", net.activations(images, {"mlp"})["mlp"])
    assert torch.equal(before, after)


def test_an_error_that_the_size_has_not_caused_is_the_modules_own() -> None:
    class Single(sizes.Skips):
        def forward(self, x: Tensor) -> Tensor:
            if len(x) == 3:
                raise RuntimeError("no three images")
            return super().forward(x)

    net = toys.network(Single())
    with pytest.raises(RuntimeError, match="no three images"):
        net.activations(torch.rand(3, 3, 20, 20), {""})


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_too_little_memory_is_not_taken_for_a_size(error: Exception) -> None:
    class Large(sizes.Skips):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[-1] > 100:
                raise error
            return super().forward(x)

    net = toys.network(Large())
    with pytest.raises(type(error)):
        net.activations(torch.rand(1, 3, 8, 104), {""})
    with pytest.raises(type(error)):
        net.sizes.takes((8, 104), {""})
