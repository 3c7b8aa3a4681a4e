from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import convscope as cs
from tests.conftest import own_photograph

RATE = 0.012


@pytest.fixture
def soft() -> Tensor:
    """A photograph far from black and white, so that nothing is clipped."""
    return 0.35 + 0.3 * own_photograph(60, 80)


def image(result: cs.Result) -> Tensor:
    assert result.image is not None
    return torch.from_numpy(result.image).permute(0, 3, 1, 2)


def test_a_step_changes_a_pixel_by_the_rate_on_average(own: cs.Network, soft: Tensor) -> None:
    for rate in (RATE, 2 * RATE):
        once = image(cs.deepdream(own, soft, octaves=1, steps=1, rate=rate).result())
        assert float((once - soft).abs().mean()) == pytest.approx(rate, rel=1e-3)


def test_the_layer_answers_more(own: cs.Network, soft: Tensor) -> None:
    def energy(photo: Tensor) -> float:
        with torch.no_grad():
            return float(
                own.activations(photo, {"relu.pre"})["relu.pre"].clamp_min(0).square().mean()
            )

    dreamt = image(cs.deepdream(own, soft, layer="relu.pre", octaves=1, steps=10).result())
    assert energy(dreamt) > 1.5 * energy(soft)


def test_octaves_grow_by_the_zoom_up_to_the_photographs_own_size(
    own: cs.Network, soft: Tensor
) -> None:
    frames = list(cs.deepdream(own, soft, octaves=3, zoom=1.25, steps=2))
    sizes = [tuple(image(r).shape[-2:]) for r in frames]
    # 60 x 80, over 1.25 and over 1.5625: 38.4 x 51.2.
    assert sizes == [(38, 51)] * 2 + [(48, 64)] * 2 + [(60, 80)] * 2
    assert [r.step for r in frames] == [1, 2, 3, 4, 5, 6]
    assert [r.figures["octave"] for r in frames] == [1, 1, 2, 2, 3, 3]


def test_detail_is_carried_up(own: cs.Network, soft: Tensor) -> None:
    *small, large = cs.deepdream(own, soft, octaves=2, zoom=1.5, steps=1, rate=0.1)
    dreamt = image(small[-1]) - torch.nn.functional.interpolate(
        soft, (40, 53), mode="bicubic", antialias=True
    )
    change = image(large) - soft
    shrunk = torch.nn.functional.interpolate(change, (40, 53), mode="bicubic", antialias=True)
    correlation = np.corrcoef(dreamt.flatten(), shrunk.flatten())[0, 1]
    assert correlation > 0.4


def test_colours_stay_colours(own: cs.Network) -> None:
    photo = (own_photograph(60, 80) * 3 - 1).clamp(0, 1)  # much black, much white
    for result in cs.deepdream(own, photo, octaves=1, steps=3, rate=0.2):
        assert 0 <= image(result).min() <= image(result).max() <= 1


def test_a_channel_and_a_class(own: cs.Network, soft: Tensor) -> None:
    for layer in ("blocks:3", "1"):
        result = cs.deepdream(own, soft, layer=layer, octaves=1, steps=1).result()
        assert float((image(result) - soft).abs().mean()) > RATE / 2


def test_a_photograph_too_small_for_the_octaves(own: cs.Network) -> None:
    with pytest.raises(cs.ConvscopeError, match="40 x 48 is too small for 4 octaves"):
        cs.deepdream(own, own_photograph(40, 48), octaves=4).result()


def test_an_unknown_layer(own: cs.Network, soft: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"unknown class or layer 'block'.*'blocks'"):
        cs.deepdream(own, soft, layer="block").result()
