"""Saliency, guided backpropagation, deconvnet."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope import registry
from convscope.types import Frame, Grid, HeatMap
from tests.conftest import Own

MEAN, STD = 0.5, 0.25


def by_autograd(score: Callable[[Own, Tensor], Tensor], seen: Tensor) -> Tensor:
    """The gradient of a score by the pixels, on the user's own module."""
    module = Own().eval()
    module.relu.inplace = False
    leaf = seen.clone().requires_grad_()
    score(module, (leaf - MEAN) / STD).backward()
    assert leaf.grad is not None
    return leaf.grad


def blocks(module: Own, x: Tensor) -> Tensor:
    result: Tensor = module.blocks(module.relu(module.norm(module.stem(x))))
    return result


SCORES: dict[str | int, Callable[[Own, Tensor], Tensor]] = {
    2: lambda m, x: m(x)[0, 2],
    "1": lambda m, x: m(x)[0, 1],
    "blocks:3@5,7": lambda m, x: blocks(m, x)[0, 3, 5, 7],
    "blocks:3": lambda m, x: blocks(m, x)[0, 3].max(),
    "blocks": lambda m, x: 0.5 * blocks(m, x).square().mean(),
}


@pytest.mark.parametrize("target", SCORES)
def test_saliency_is_the_gradient_of_what_the_target_names(
    own: cs.Network, own_photo: Tensor, target: str | int
) -> None:
    expected = by_autograd(SCORES[target], own.fit(own_photo))[0].numpy()
    result = cs.saliency(own, own_photo, target=target).result()
    assert result.gradient is not None
    assert result.heatmap is not None
    error = np.linalg.norm(result.gradient - expected) / np.linalg.norm(expected)
    assert error < 1e-4
    np.testing.assert_array_equal(result.heatmap, np.abs(result.gradient).max(0))


def test_without_a_target_the_top_class(own: cs.Network, own_photo: Tensor) -> None:
    top = own.predict(own_photo, 1)[0].index
    for technique in (cs.saliency, cs.guided):
        free = technique(own, own_photo).result()
        named = technique(own, own_photo, target=top).result()
        np.testing.assert_array_equal(free.gradient, named.gradient)
        assert free.figures["target"] == named.figures["target"] == f"class {top}"


def test_the_map_lies_on_what_the_network_saw(own: cs.Network, own_photo: Tensor) -> None:
    (frame,) = registry.get("saliency").run(own, own_photo, target=1)._begin()
    maps = [panel for panel in frame.panels if isinstance(panel, HeatMap)]
    over = [panel for panel in maps if panel.photo is not None]
    assert len(over) == 1
    assert torch.equal(over[0].photo, own_photo[0])  # type: ignore[arg-type]
    # 40 x 48 becomes 32 x 38, of which 3 columns are cut on either side.
    assert over[0].box == pytest.approx((0, 3 * 48 / 38, 40, 32 * 48 / 38))
    assert frame.heatmap is not None
    assert all(torch.equal(panel.values, frame.heatmap[0]) for panel in maps)


# --------------------------------------------------- a network worked out with pen and paper


class ByHand(nn.Module):
    """Two 3 x 3 box filters with bias -50 and -75, ReLU, then sums of signs (+++++---), ReLU."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.relu = nn.ReLU(inplace)
        self.head = nn.Linear(8, 4, bias=False)
        self.last = nn.ReLU(inplace)
        with torch.no_grad():
            self.conv.weight.fill_(1.0)
            self.conv.bias.copy_(torch.tensor([-50.0, -75.0]))  # type: ignore[union-attr]
            self.head.weight.copy_(torch.tensor([1.0] * 5 + [-1.0] * 3).expand(4, -1))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.last(self.head(self.relu(self.conv(x)).flatten(1)))
        return result


TABLES = {
    "saliency": [[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]],
    "guided": [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]],
    "deconv": [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]],
}


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_the_gradient_of_a_network_worked_out_by_hand(name: str, inplace: bool) -> None:
    # Images lie in [0, 1]: this network is told to see them sixteen times as bright.
    net = cs.Network(ByHand(inplace), mean=[0.0], std=[1 / 16], input_size=4)
    image = torch.arange(16.0).view(1, 1, 4, 4) / 16
    result = registry.get(name).run(net, image, target=0).result()
    assert result.score == pytest.approx(54)
    assert result.gradient is not None
    np.testing.assert_allclose(result.gradient[0] / 16, TABLES[name], atol=1e-5)


# --------------------------------------------------------------------------- noisy copies


@pytest.mark.parametrize("name", ["guided", "deconv"])
def test_copies_without_noise_change_nothing(own: cs.Network, own_photo: Tensor, name: str) -> None:
    technique = registry.get(name)
    once = technique.run(own, own_photo, target="blocks:3").result().gradient
    often = technique.run(own, own_photo, target="blocks:3", samples=3, noise=0).result().gradient
    assert once is not None
    np.testing.assert_allclose(often, once, rtol=1e-5, atol=1e-9)  # type: ignore[arg-type]


def test_noisy_copies_are_averaged(own: cs.Network, own_photo: Tensor) -> None:
    generator = torch.Generator().manual_seed(5)
    seen = own.fit(own_photo)
    copies = [seen + 0.3 * torch.randn(seen.shape, generator=generator) for _ in range(4)]
    alone = [cs.guided(own, c.clamp(0, 1), target=1).result().gradient for c in copies]
    # Clamped, the copies are not quite those of the technique: the mean is close, each one is not.
    mean = np.mean(alone, axis=0)  # type: ignore[arg-type]
    result = cs.guided(own, own_photo, target=1, samples=4, noise=0.3, seed=5).result()

    def distance(other: Any) -> float:
        return float(np.linalg.norm(result.gradient - other) / np.linalg.norm(mean))

    assert distance(mean) < 0.5 * min(map(distance, alone))
    assert result.image is not None
    np.testing.assert_array_equal(result.image[0], seen[0].permute(1, 2, 0))


def test_what_is_explained_is_the_top_class_of_the_photograph_itself(
    own: cs.Network, own_photo: Tensor
) -> None:
    top = own.predict(own_photo, 1)[0].index
    noisy: dict[str, Any] = {"samples": 2, "noise": 1.0}
    free = cs.guided(own, own_photo, **noisy).result()
    named = cs.guided(own, own_photo, target=top, **noisy).result()
    np.testing.assert_array_equal(free.gradient, named.gradient)
    with pytest.raises(cs.ConvscopeError, match="name a target for several images"):
        cs.guided(own, torch.cat([own_photo] * 2), **noisy).result()


# -------------------------------------------------------------------------- a whole layer


@pytest.mark.parametrize("name", ["guided", "deconv"])
def test_a_layer_shows_its_outstanding_units_and_what_they_see(
    own: cs.Network, own_photo: Tensor, name: str
) -> None:
    (frame,) = registry.get(name).run(own, own_photo, target="blocks")._begin()
    maps = own.read(own_photo, {"blocks"})["blocks"][0].flatten(1)
    outstanding = ((maps.amax(1) - maps.mean(1)) / maps.std(1)).tolist()
    channels: Any = frame.figures["channels"]
    scores = [outstanding[c] for c in channels]
    assert scores == sorted(scores, reverse=True)
    assert max(outstanding) == scores[0]
    places = [_place(caption) for caption in _grid(frame).captions[1::2]]
    assert len(set(places)) == len(places), "each place once"
    layer = own.layer("blocks")
    assert layer.rows is not None
    assert layer.columns is not None
    assert frame.gradient is not None
    for channel, (row, column), gradient in zip(channels, places, frame.gradient, strict=True):
        assert divmod(int(maps[channel].argmax()), 16) == (row, column)
        rows, columns = (g.flatten().tolist() for g in _support(gradient))
        assert layer.rows.span(row)[0] <= rows[0]
        assert rows[-1] <= layer.rows.span(row)[1]
        assert layer.columns.span(column)[0] <= columns[0]
        assert columns[-1] <= layer.columns.span(column)[1]


def _grid(frame: Frame) -> Grid:
    (grid,) = [panel for panel in frame.panels if isinstance(panel, Grid)]
    return grid


def _place(caption: str) -> tuple[int, int]:
    match = re.search(r"(\d+),(\d+)$", caption)
    assert match is not None
    return int(match[1]), int(match[2])


def _support(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns where there is any gradient."""
    where = gradient.abs().amax(0) > 0
    return where.any(1).nonzero(), where.any(0).nonzero()


def test_a_layer_without_maps(own: cs.Network, own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match="head has no maps; name one of its channels"):
        cs.guided(own, own_photo, target="head").result()


def test_a_layer_of_two_photographs(own: cs.Network, own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match="one image at a time"):
        cs.guided(own, torch.cat([own_photo] * 2), target="blocks").result()


def test_default_network_against_its_own_unfolded_module(net: cs.Network, photo: Tensor) -> None:
    """Relative error below 1e-4, as promised."""
    import timm  # once `net` has made sure that it can be imported

    module = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    module.load_state_dict(net._prepared.plain.state_dict())
    leaf = net.fit(photo).clone().requires_grad_()
    module((leaf - 0.5) / 0.5)[0, 281].backward()
    assert leaf.grad is not None
    expected = leaf.grad[0].numpy()
    found = cs.saliency(net, photo, target=281).result().gradient
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 1e-4
