"""Photographs in bands are those that are drawn whole, and blends of one style are that style."""

from __future__ import annotations

import pytest
import torch

from convscope import ConvscopeError
from convscope.stylization import StyleNetwork, draw, drawing
from tests.helpers.styles import NAMES, small_styles


def photograph(height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height)
    return torch.rand(1, 3, height, width, generator=generator)


@pytest.mark.parametrize("size", [(64, 48), (101, 67), (50, 199), (203, 18)])
def test_bands_give_what_the_whole_gives(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "BAND", 16 * size[1])  # four rows of the narrowest stage
    net, image = small_styles(), photograph(*size)
    weights = net.weights({"sea": 0.3, "moss": 0.7})
    exact = StyleNetwork(NAMES, 4, 2).double()
    exact.load_state_dict(net.state_dict())
    with torch.no_grad():
        expected = exact(image.double(), weights.double())
    torch.testing.assert_close(draw(net, image, weights), expected, atol=2e-5, rtol=0)
    banded = draw(net, image, weights, whole=0)
    torch.testing.assert_close(banded, expected, atol=2e-5, rtol=0)
    assert banded.shape == image.shape


@pytest.mark.parametrize("whole", [drawing.WHOLE, 0])
def test_a_blend_of_one_style_is_that_style_bit_for_bit(whole: int) -> None:
    net, image = small_styles(), photograph(40, 56)
    for row, name in enumerate(NAMES):
        lone = StyleNetwork([name], 4, 2).eval()
        state = net.state_dict()
        for key, value in state.items():
            if key.endswith(("gamma", "beta")):
                state[key] = value[row : row + 1]
        lone.load_state_dict(state)
        blended = draw(net, image, net.weights({**dict.fromkeys(NAMES, 0.0), name: 1.0}), whole)
        assert torch.equal(blended, draw(lone, image, lone.weights(name), whole))
        assert torch.equal(blended, draw(net, image, net.weights(name), whole))


def test_what_is_too_small_is_refused() -> None:
    net = small_styles()
    with pytest.raises(ConvscopeError, match="15 x 40 pixels is too small"):
        draw(net, photograph(15, 40), net.weights("sea"))


def test_what_the_memory_does_not_hold_is_refused_with_a_size_that_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = small_styles()
    monkeypatch.setattr(drawing, "BAND", 2**12)
    monkeypatch.setattr(drawing, "free_memory", lambda: 1_000_000)
    with pytest.raises(ConvscopeError, match="give a size of at most") as refused:
        draw(net, photograph(300, 400), net.weights("sea"), whole=0)
    fits = int(str(refused.value).split()[-1])
    assert 50 < fits < 400
    smaller = photograph(round(fits * 0.75), fits)
    assert draw(net, smaller, net.weights("sea"), whole=0).shape == smaller.shape
