"""Occlusion by a square and by chance: maps worked out by hand, and by brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.runs import registry
from convscope.types.frames import Frame
from convscope.types.panels import Grid
from tests.helpers import toys

Array = np.ndarray[Any, np.dtype[Any]]


class Sums(nn.Module):
    """Score k is the sum of the pixels, each times its weight for k."""

    def __init__(self, size: tuple[int, int], scores: int = 3) -> None:
        super().__init__()
        chance = torch.Generator().manual_seed(0)
        self.weights = nn.Parameter(torch.randn(scores, 1, *size, generator=chance))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("kchw,nchw->nk", self.weights, x)


def sums(*size: int) -> tuple[cs.Network, Array, Tensor]:
    """A gray network of that size in float64, its weights (3, H, W), and an image."""
    module = Sums((size[0], size[-1])).double()
    net = cs.Network(module, mean=[0.0], std=[1.0], input_size=(size[0], size[-1]))
    image = torch.rand(1, 1, *net.input_size, generator=torch.Generator().manual_seed(1))
    return net, module.weights.detach()[:, 0].numpy(), image.double()


def frames(name: str, net: cs.Network, image: Tensor, **options: Any) -> list[Frame]:
    return list(registry.get(name).run(net, image, **options).frames())


# --------------------------------------------------------------------------------- a square


def test_a_map_worked_out_by_hand() -> None:
    """Four pixels in a row of weight 1, 2, 3, 4, white; two are hidden at a time."""
    net, _, _ = sums(2, 4)
    module = net._prepared.plain
    with torch.no_grad():
        module.weights[0, 0] = torch.tensor([[1.0, 2, 3, 4], [0, 0, 0, 0]])  # type: ignore[operator]
    image = torch.ones(1, 1, 2, 4).double()
    options: Any = {"target": 0, "patch": 2, "stride": 1, "baseline": "black"}
    result: Any = cs.occlusion(net, image, **options).result()
    # Hidden are 1 + 2, 2 + 3, 3 + 4: the inner pixels by two positions each.
    np.testing.assert_allclose(result.heatmap, [[3, 4, 6, 7]] * 2)
    np.testing.assert_array_equal(result.arrays["coverage"], [[1, 2, 2, 1]] * 2)
    assert result.score == pytest.approx(10)
    assert result.summary["highest"] == pytest.approx(7)
    assert result.summary["lowest"] == pytest.approx(3)
    # The last position lies flush with the edge: here it overlaps with the one before.
    result = cs.occlusion(net, image, **{**options, "patch": 2, "stride": 2}).result()
    np.testing.assert_allclose(result.heatmap, [[3, 3, 7, 7]] * 2)
    result = cs.occlusion(net, image, **{**options, "score": "logit"}).result()
    np.testing.assert_allclose(result.heatmap, [[7, 6, 4, 3]] * 2)


@pytest.mark.parametrize(
    ("size", "patch", "stride"),
    [((9, 9), 4, 3), ((9, 13), 4, 4), ((7, 7), 7, 1), ((10, 8), 3, 1), ((11, 7), 5, 2)],
)
@pytest.mark.parametrize("score", ["drop", "logit", "probability"])
def test_every_position_and_every_pixel_by_brute_force(
    size: tuple[int, int], patch: int, stride: int, score: str
) -> None:
    net, weights, image = sums(*size)
    pixels = image[0, 0].numpy()

    def read(shown: Array) -> float:
        logits = (weights * shown).sum((1, 2))
        exps = np.exp(logits - logits.max())
        return float(exps[1] / exps.sum() if score == "probability" else logits[1])

    total, coverage = np.zeros(size), np.zeros(size)
    starts = [sorted({*range(0, side - patch + 1, stride), side - patch}) for side in size]
    for top in starts[0]:
        for left in starts[1]:
            hidden = pixels.copy()
            hidden[top : top + patch, left : left + patch] = 0.5
            value = read(hidden)
            window = (slice(top, top + patch), slice(left, left + patch))
            total[window] += read(pixels) - value if score == "drop" else value
            coverage[window] += 1
    assert coverage.min() > 0
    options: Any = {
        "patch": patch,
        "stride": stride,
        "baseline": "gray",
        "score": score,
        "batch_size": 4,
    }
    result: Any = cs.occlusion(net, image, target=1, **options).result()
    np.testing.assert_allclose(result.heatmap, total / coverage, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(result.arrays["coverage"], coverage)
    assert result.score == pytest.approx(read(pixels))


def test_a_channel_is_read_by_its_strongest_unit() -> None:
    module = toys.randomized(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(1)))
    net, image = toys.network(module, 8), toys.images(1, 8)
    found = cs.occlusion(net, image, target="0:2", patch=4, stride=4, baseline="black").result()
    hidden = image.clone()
    hidden[..., :4, :4] = 0
    conv = module.get_submodule("0").requires_grad_(False)
    both = [conv(toys.normalized(i))[0, 2].max() for i in (image, hidden)]
    assert found.heatmap[0, 0] == pytest.approx(float(both[0] - both[1]), rel=1e-4)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "patch too large": (
        {"patch": 33},
        r"a patch of 33 pixels hides more than the image of 32 x 32",
    ),
    "the default patch": ({}, r"a patch of 56 pixels hides more than the image of 32 x 32"),
    "gaps": ({"patch": 4, "stride": 5}, r"a stride of 5 leaves gaps between patches of 4 pixels"),
    "stride of zero": ({"stride": 0}, r"stride: input should be greater than or equal to 1, not 0"),
    "patch of zero": ({"patch": 0}, r"patch: input should be greater than or equal to 1, not 0"),
    "no such fill": ({"baseline": "red"}, r"baseline: input should be 'mean', 'image', 'gray'"),
    "no probability": (
        {"patch": 8, "stride": 8, "target": "blocks:3", "score": "probability"},
        r"only classes have a probability: for blocks:3 use score='logit'",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refusals(own: cs.Network, own_photo: Tensor, kind: str) -> None:
    options, message = REFUSED[kind]
    with pytest.raises(cs.ConvscopeError, match=message) as raised:
        cs.occlusion(own, own_photo, **options).result()
    assert "\n" not in str(raised.value)


def test_frames_go_from_coarse_to_fine() -> None:
    """Of a linear network with a smooth map: what is still unknown is taken from nearby."""
    size = 40
    net, _, _ = sums(size)
    ramp = torch.linspace(0, 1, size, dtype=torch.float64)
    with torch.no_grad():
        smooth = torch.outer(torch.sin(3 * ramp), torch.cos(2 * ramp))
        net._prepared.plain.weights[0, 0] = smooth  # type: ignore[operator]
    image = torch.ones(1, 1, size, size).double()
    options: Any = {"target": 0, "patch": 8, "stride": 2, "baseline": "black", "batch_size": 4}
    run = frames("occlusion", net, image, **options)
    assert [frame.step for frame in run] == list(range(1, len(run) + 1))
    assert {frame.steps for frame in run} == {len(run)} == {-(-17 * 17 // 4)}
    final = run[-1].heatmap
    assert final is not None
    apart = [float((frame.heatmap - final).norm() / final.norm()) for frame in run]  # type: ignore[operator]
    # 3 x 3 positions, 8 apart, are known after the third frame.
    assert apart[2] < 0.35
    quarters = [max(apart[i:]) for i in (2, len(run) // 4, len(run) // 2, -1)]
    assert quarters == sorted(quarters, reverse=True)
    assert apart[-1] == 0
    assert all(frame.heatmap.isfinite().all() for frame in run)  # type: ignore[union-attr]


# --------------------------------------------------------------------------------- by chance


def covered(boxes: Array, size: tuple[int, int]) -> Array:
    """Masks (K, H, W), 1 where visible."""
    masks = np.ones((len(boxes), *size))
    for mask, (top, left, height, width) in zip(masks, boxes, strict=True):
        mask[top : top + height, left : left + width] = 0
    return masks


@pytest.mark.parametrize("score", ["probability", "logit"])
@pytest.mark.parametrize("baseline", ["mean", "gray", "noise"])
def test_boxes_by_brute_force(score: str, baseline: str) -> None:
    net, weights, image = sums(12, 9)
    options: Any = {
        "masks": "boxes",
        "count": 60,
        "size": 0.7,
        "baseline": baseline,
        "score": score,
    }
    result: Any = cs.random_occlusion(
        net, image, target=2, batch_size=7, seed=3, **options
    ).result()
    boxes, scores = result.arrays["boxes"], result.arrays["scores"]
    masks = covered(boxes, (12, 9))
    chance = torch.rand(1, 12, 9, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    empty = {"mean": 0.0, "gray": 0.5, "noise": chance[0].numpy()}[baseline]
    shown = masks * image[0, 0].numpy() + (1 - masks) * empty
    logits = np.einsum("khw,nhw->nk", weights, shown)
    exps = np.exp(logits - logits.max(1, keepdims=True))
    values = (exps / exps.sum(1, keepdims=True) if score == "probability" else logits)[:, 2]
    np.testing.assert_allclose(scores, values, rtol=1e-9)
    np.testing.assert_array_equal(result.arrays["on_top"], logits.argmax(1) == 2)
    assert result.summary["fraction_on_top"] == pytest.approx((logits.argmax(1) == 2).mean())
    for row, column in np.ndindex(12, 9):
        visible = masks[:, row, column] == 1
        expected = 0.0
        if visible.any() and not visible.all():
            expected = values[visible].mean() - values[~visible].mean()
        assert result.heatmap[row, column] == pytest.approx(expected, abs=1e-9)
    assert 0 < result.arrays["on_top"].mean() < 1


def test_boxes_are_of_random_size_and_place_inside_the_image() -> None:
    net, _, image = sums(40, 20)
    options: Any = {"masks": "boxes", "count": 400, "size": 0.5, "batch_size": 200}
    boxes = cs.random_occlusion(net, image, **options).result().arrays["boxes"]
    top, left, height, width = boxes.T
    assert (boxes >= 0).all()
    assert (top + height <= 40).all()
    assert (left + width <= 20).all()
    # A quarter of the largest side at least: 5 to 20 of 40 rows, 3 to 10 of 20 columns.
    assert (height.min(), height.max(), width.min(), width.max()) == (5, 20, 3, 10)
    assert (top.min(), (top + height).max(), left.min(), (left + width).max()) == (0, 40, 0, 20)


def test_soft_masks_by_the_formula_of_rise(monkeypatch: pytest.MonkeyPatch) -> None:
    """S = E[f(I * M) M] / E[M] (Petsiuk et al. 2018, equation 6), less the same while hidden.

    The masks are seen from outside: a white photo on black shows them to the network.
    """
    size = 14
    net, weights, _ = sums(size)
    shown: list[Tensor] = []
    plain = net.activations

    def watched(image: Tensor, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        shown.append(image.detach().clone())
        return plain(image, *args, **kwargs)

    monkeypatch.setattr(net, "activations", watched)
    white = torch.ones(1, 1, size, size).double()
    options: Any = {
        "count": 300,
        "cells": 4,
        "baseline": "black",
        "batch_size": 100,
        "score": "logit",
    }
    result: Any = cs.random_occlusion(net, white, target=0, **options).result()
    masks = torch.cat([s for s in shown if len(s) == 100])[:, 0].numpy()
    assert masks.shape == (300, size, size)
    scores = (masks * weights[0]).sum((1, 2))
    np.testing.assert_allclose(result.arrays["scores"], scores, rtol=1e-6)
    rise = np.einsum("n,nhw->hw", scores, masks) / masks.sum(0)
    hidden = np.einsum("n,nhw->hw", scores, 1 - masks) / (1 - masks).sum(0)
    np.testing.assert_allclose(result.heatmap, rise - hidden, rtol=1e-6, atol=1e-9)

    # RISE's masks: cells of half a chance, enlarged linearly by 14 / 4, rounded up, and shifted.
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert masks.mean() == pytest.approx(0.5, abs=0.03)
    assert np.abs(np.diff(masks, axis=1)).max() <= 1 / 4 + 1 / 8
    assert len({mask.tobytes() for mask in masks}) == 300
    # The map of a linear network follows its weights, as blurred as the masks are.
    coarse = masks.reshape(300, -1) - 0.5
    blurred = (coarse.T @ coarse @ weights[0].ravel()).reshape(size, size)
    assert np.corrcoef(blurred.ravel(), result.heatmap.ravel())[0, 1] > 0.99


def test_the_masks_of_highest_and_lowest_score_are_shown(own: cs.Network) -> None:
    image = toys.images(1, 32)
    *_, frame = frames("random_occlusion", own, image, masks="boxes", count=40, target=1)
    (grid,) = [panel for panel in frame.panels if isinstance(panel, Grid)]
    scores, boxes = frame.arrays["scores"], frame.arrays["boxes"]
    ranked = scores.sort(descending=True).values.tolist()
    said = [float(caption.partition(":")[0]) for caption in grid.captions]
    assert said == pytest.approx(ranked[:4] + ranked[-4:], rel=1e-2)
    best = int(scores.argmax())
    mask = torch.from_numpy(covered(boxes[[best]].numpy(), (32, 32))).float()
    torch.testing.assert_close(grid.tiles[0], mask * image[0] + (1 - mask) * 0.5)
    tops = [caption.partition(": ")[2] for caption in grid.captions]
    on_top = frame.arrays["on_top"][scores.argsort(descending=True)[[0, -1]]].tolist()
    assert [tops[0] == "class 1", tops[-1] == "class 1"] == on_top


def test_frames_are_the_map_of_the_masks_so_far(own: cs.Network, own_photo: Tensor) -> None:
    options: Any = {"target": 1, "batch_size": 8, "masks": "boxes"}
    many = frames("random_occlusion", own, own_photo, count=20, **options)
    assert [len(frame.arrays["scores"]) for frame in many] == [8, 16, 20]
    assert [len(frame.arrays["boxes"]) for frame in many] == [8, 16, 20]
    assert [frame.summary["masks"] for frame in many] == [8, 16, 20]
    final = many[-1].arrays["scores"]
    for frame in many:
        scores = frame.arrays["scores"]
        assert torch.equal(scores, final[: len(scores)])
        boxes = frame.arrays["boxes"].numpy()
        masks = torch.from_numpy(covered(boxes, (32, 32))).flatten(1).float()
        shown, hidden = masks.sum(0), (1 - masks).sum(0)
        means = scores @ masks / shown - scores @ (1 - masks) / hidden
        expected = torch.where((shown > 0) & (hidden > 0), means, 0)
        assert frame.heatmap is not None
        torch.testing.assert_close(frame.heatmap.flatten(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"target": "blocks:3"},
            r"only classes have a probability: for blocks:3 use score='logit'",
        ),
        ({"count": 1}, r"count: input should be greater than or equal to 2, not 1"),
        ({"size": 1.0}, r"size: input should be less than 1, not 1.0"),
        ({"masks": "rings"}, r"masks: input should be 'soft' or 'boxes', not 'rings'"),
    ],
)
def test_refusals_of_random_occlusion(
    own: cs.Network, own_photo: Tensor, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(cs.ConvscopeError, match=message):
        cs.random_occlusion(own, own_photo, **options).result()


def test_random_occlusion_of_a_channel(own: cs.Network, own_photo: Tensor) -> None:
    options: Any = {"target": "blocks:3", "score": "logit", "count": 8}
    result: Any = cs.random_occlusion(own, own_photo, **options).result()
    assert "on_top" not in result.arrays
    assert result.summary["fraction_on_top"] is None
    result.picture.load()
