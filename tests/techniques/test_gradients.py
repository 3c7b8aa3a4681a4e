"""Saliency and its means over copies, integrated gradients, guided backpropagation, deconvnet."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

import convscope as cs
from convscope.attribution.baselines import baseline_images
from convscope.network.units import strongest_units
from convscope.runs import registry
from convscope.types.frames import Frame
from convscope.types.panels import Grid, HeatMap
from tests.helpers import toys
from tests.helpers.networks import Own, own_network, own_photograph

MEAN, STD = 0.5, 0.25


def assert_close(ours: Any, theirs: Any, error: float) -> None:
    """A relative error, at the worst place."""
    assert np.abs(ours - theirs).max() <= error * np.abs(theirs).max()


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
    expected = by_autograd(SCORES[target], own.preprocess(own_photo))[0].numpy()
    result = cs.saliency(own, own_photo, target=target).result()
    assert result.gradient is not None
    assert result.heatmap is not None
    error = np.linalg.norm(result.gradient - expected) / np.linalg.norm(expected)
    assert error < 1e-4
    np.testing.assert_array_equal(result.heatmap, np.abs(result.gradient).max(0))


def test_without_a_target_the_top_class(own: cs.Network, own_photo: Tensor) -> None:
    top = own.predict(own_photo, 1)[0].index
    for technique in (cs.saliency, cs.guided_backprop):
        free = technique(own, own_photo).result()
        named = technique(own, own_photo, target=top).result()
        np.testing.assert_array_equal(free.gradient, named.gradient)
        assert free.summary["target"] == named.summary["target"] == f"class {top}"


def test_the_map_lies_on_what_the_network_saw(own: cs.Network, own_photo: Tensor) -> None:
    (frame,) = registry.get("saliency").run(own, own_photo, target=1).frames()
    alone, over = (panel for panel in frame.panels if isinstance(panel, HeatMap))
    assert alone.photo is None
    assert over.photo is not None
    assert torch.equal(over.photo, own_photo[0])
    # 40 x 48 becomes 32 x 38, of which 3 columns are cut on either side.
    assert over.box == pytest.approx((0, 3 * 48 / 38, 40, 32 * 48 / 38))
    # Alone it is as it is; over the photo the flicker is smoothed away.
    assert frame.heatmap is not None
    assert torch.equal(alone.values, frame.heatmap[0])
    smooth = gaussian_filter(frame.heatmap[0].double().numpy(), 4, mode="nearest", truncate=3)
    np.testing.assert_allclose(over.values, smooth, rtol=1e-4)
    assert "smoothed over 4 pixels" in over.caption


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
    "guided_backprop": [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]],
    "deconvnet": [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]],
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


@pytest.mark.parametrize("name", ["guided_backprop", "deconvnet"])
def test_copies_without_noise_change_nothing(own: cs.Network, own_photo: Tensor, name: str) -> None:
    technique = registry.get(name)
    once = technique.run(own, own_photo, target="blocks:3").result().gradient
    often = technique.run(own, own_photo, target="blocks:3", samples=3, noise=0).result().gradient
    assert once is not None
    assert_close(often, once, 1e-5)


def test_smoothgrad_without_noise_is_saliency(own: cs.Network, own_photo: Tensor) -> None:
    once = cs.saliency(own, own_photo, target=1).result()
    often = cs.smoothgrad(own, own_photo, target=1, samples=5, noise=0, batch_size=2).result()
    assert_close(often.gradient, once.gradient, 1e-5)
    assert_close(often.heatmap, once.heatmap, 1e-5)
    assert often.score == pytest.approx(once.score)


@pytest.mark.parametrize("name", ["smoothgrad", "guided_backprop"])
def test_noisy_copies_are_averaged(own: cs.Network, name: str) -> None:
    """Against copies made here, whose values stay in [0, 1]: two means over chance meet."""
    seen = 0.35 + 0.3 * own.preprocess(own_photograph())
    generator = torch.Generator().manual_seed(5)
    shape = (2, 300, *seen.shape[1:])
    copies = seen + 0.1 * torch.randn(shape, generator=generator).clamp(-3.4, 3.4)
    single = registry.get({"smoothgrad": "saliency"}.get(name, name))
    means = [single.run(own, half, target=1).result().gradient.mean(0) for half in copies]  # type: ignore[union-attr]
    options: Any = {"target": 1, "samples": 300, "noise": 0.1, "seed": 5, "batch_size": 100}
    result = registry.get(name).run(own, seen, **options).result()

    def distance(one: Any, other: Any) -> float:
        return float(np.linalg.norm(one - other) / np.linalg.norm(means[0]))

    apart = distance(*means)
    assert apart < 0.5 * distance(means[0], single.run(own, seen, target=1).result().gradient)
    assert all(distance(result.gradient, mean) < 1.2 * apart for mean in means)
    assert result.image is not None
    np.testing.assert_array_equal(result.image[0], seen[0].permute(1, 2, 0))


class Powers(nn.Module):
    """Scores are sums over the pixels: of their squares, and of their cubes."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x.square().flatten(1).sum(1), (x**3).flatten(1).sum(1)], 1)


@pytest.fixture
def powers() -> cs.Network:
    return toys.plain_network(Powers(), 16)


def test_noise_averages_out(powers: cs.Network) -> None:
    """The gradient of a square is linear: noise of deviation 0.5 times the slope 2, over the root
    of how many copies."""
    image = toys.images(1)
    for samples in (2, 8, 32):
        run: Any = cs.smoothgrad(powers, image, target=0, samples=samples, noise=0.5, batch_size=4)
        added = run.result().gradient - 2 * image[0].numpy()
        assert added.std() == pytest.approx(samples**-0.5, rel=0.1)


def test_noise_has_the_deviation_that_was_asked_for(powers: cs.Network) -> None:
    """The mean slope 3 x^2 of a cube under noise is 3 (x^2 + noise^2)."""
    image = toys.images(1)
    result = cs.smoothgrad(powers, image, target=1, samples=64, noise=0.3).result()
    added = result.gradient / 3 - image[0].numpy() ** 2
    assert added.mean() == pytest.approx(0.3**2, rel=0.05)


def test_what_is_explained_is_the_top_class_of_the_photograph_itself(own: cs.Network) -> None:
    images = torch.cat([toys.images(1, 32, seed=s) * s / 4 for s in range(5)])
    tops = own.logits(images).argmax(1).tolist()
    assert len(set(tops)) > 1
    noisy: dict[str, Any] = {"samples": 2, "noise": 1.0}
    for technique in (cs.guided_backprop, cs.smoothgrad):
        free = technique(own, images, **noisy).result()
        named = technique(own, images, target=tuple(tops), **noisy).result()
        np.testing.assert_array_equal(free.gradient, named.gradient)
        assert list(free.summary["target"]) == [f"class {top}" for top in tops]


# ------------------------------------------------------------------- shares of the score


class Linear(nn.Module):
    """Scores that are weighted sums of the pixels, and a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.all = nn.Linear(3 * 16 * 16, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.all(x.flatten(1))
        return out


BASELINES = ["mean", "image", "gray", "black", "blur", "noise"]


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("name", ["input_x_gradient", "integrated_gradients"])
def test_shares_of_a_linear_score_add_up_to_it(name: str, baseline: str) -> None:
    module = toys.randomized(Linear())
    net, image = toys.network(module), toys.images(2)
    result = registry.get(name).run(net, image, target=2, baseline=baseline).result()
    empty = baseline_images(net, image, baseline)
    both = net.logits(torch.cat([image, empty]))[:, 2].view(2, 2)
    np.testing.assert_allclose(result.heatmap.sum((1, 2)), both[0] - both[1], rtol=1e-3, atol=1e-4)  # type: ignore[union-attr]
    # By hand: each pixel's weights, in the units of the image, times how far it is.
    weights = net.parameter("all")[2].view(1, 3, 16, 16) / torch.tensor(toys.STD).view(1, 3, 1, 1)
    expected = (weights * (image - empty)).sum(1).numpy()
    assert_close(result.heatmap, expected, 1e-4)


@pytest.mark.parametrize("baseline", BASELINES)
def test_integrated_gradients_of_cubes_are_exact(powers: cs.Network, baseline: str) -> None:
    """Two Gauss-Legendre points integrate the slope of a cube: a pixel's share is x^3 - b^3."""
    image = toys.images(1)
    options: Any = {"target": 1, "baseline": baseline, "steps": 2}
    result = cs.integrated_gradients(powers, image, **options).result()
    expected = (image**3 - baseline_images(powers, image, baseline) ** 3).sum(1)[0].numpy()
    assert_close(result.heatmap, expected, 1e-4)
    assert abs(result.summary["gap"]) < 1e-4


def test_integrated_gradients_are_complete() -> None:
    """The sum over pixels is the difference in score, but for the gap, which more steps close."""
    net, photo = own_network(dtype=torch.float64), own_photograph()
    seen = net.preprocess(photo)
    wanted = float((net.logits(seen) - net.logits(torch.zeros_like(seen)))[0, 1])
    gaps = []
    for steps in (4, 32, 256):
        options: Any = {"target": 1, "steps": steps, "baseline": "black", "batch_size": 64}
        result = cs.integrated_gradients(net, photo, **options).result()
        gap: Any = result.summary["gap"]
        assert result.heatmap.sum() == pytest.approx(wanted + gap * abs(wanted), rel=1e-9)
        gaps.append(abs(gap))
    assert gaps[0] > 10 * gaps[1]
    assert max(gaps[1:]) < 1e-3


def test_a_pixel_as_in_the_baseline_has_no_share(own: cs.Network) -> None:
    photo = own_photograph(32, 32)
    photo[..., :16, :] = 0
    options: Any = {"target": 1, "steps": 8, "baseline": "black"}
    result: Any = cs.integrated_gradients(own, photo, **options).result()
    assert not result.heatmap[:16].any()
    assert result.heatmap[16:].all()


def test_a_mean_as_it_grows(own: cs.Network, own_photo: Tensor) -> None:
    """Each frame is the mean over the versions so far, and the score that of the photo itself."""
    options: Any = {"target": 1, "noise": 0.2, "batch_size": 2}
    frames = list(cs.smoothgrad(own, own_photo, samples=6, **options))
    assert [frame.step for frame in frames] == [1, 2, 3]
    logit = float(own.logits(own_photo)[0, 1])
    assert [frame.score for frame in frames] == [pytest.approx(logit)] * 3
    means = np.stack([np.asarray(frame.gradient) for frame in frames])
    parts = [means[0], 2 * means[1] - means[0], 3 * means[2] - 2 * means[1]]
    assert len({part.tobytes() for part in parts}) == 3
    sizes = [np.abs(part).sum() for part in parts]
    assert max(sizes) < 2 * min(sizes)


def test_colors(own: cs.Network, own_photo: Tensor) -> None:
    expected: dict[str, Any] = {"max": np.max, "absolute": np.sum, "signed": np.sum}
    for name in ("saliency", "smoothgrad"):
        for colors, over in expected.items():
            run = registry.get(name).run(own, own_photo, target=1, colors=colors)
            result: Any = run.result()
            gradient = result.gradient if colors == "signed" else np.abs(result.gradient)
            np.testing.assert_allclose(result.heatmap, over(gradient, axis=0), rtol=1e-5)


@pytest.mark.parametrize("name", ["saliency", "smoothgrad", "integrated_gradients"])
def test_a_saturated_score_says_so(name: str) -> None:
    module = ByHand(inplace=False)
    with torch.no_grad():
        module.conv.bias.fill_(-1000.0)  # type: ignore[union-attr]
    net = cs.Network(module, mean=[0.0], std=[1 / 16], input_size=4)
    *_, frame = registry.get(name).run(net, toys.TOY_IMAGE / 16, target=0).frames()
    assert not frame.heatmap.any()  # type: ignore[union-attr]
    assert "zero everywhere" in frame.panels[0].caption
    assert math.isfinite(frame.summary.get("gap", 0.0))


# -------------------------------------------------------------------------- a whole layer


@pytest.mark.parametrize("name", ["guided_backprop", "deconvnet"])
def test_a_layer_shows_its_outstanding_units_and_what_they_see(
    own: cs.Network, own_photo: Tensor, name: str
) -> None:
    (frame,) = registry.get(name).run(own, own_photo, target="blocks").frames()
    units = strongest_units(own, "blocks", own.read(own_photo, {"blocks"})["blocks"][0], 9)
    channels: Any = frame.summary["channels"]
    assert channels == [unit.channel for unit in units]
    places = [_place(caption) for caption in _grid(frame).captions[1::2]]
    assert places == [unit.position for unit in units]
    layer = own.layer("blocks")
    assert layer.rows is not None
    assert layer.columns is not None
    assert frame.gradient is not None
    for (row, column), gradient in zip(places, frame.gradient, strict=True):
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
        cs.guided_backprop(own, own_photo, target="head").result()


def test_a_layer_of_two_photographs(own: cs.Network, own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match="a whole layer needs a single image"):
        cs.guided_backprop(own, torch.cat([own_photo] * 2), target="blocks").result()


def test_default_network_against_its_own_unfolded_module(net: cs.Network, photo: Tensor) -> None:
    """Relative error below 1e-4, as promised."""
    import timm  # once `net` has made sure that it can be imported

    module = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    module.load_state_dict(net._prepared.plain.state_dict())
    leaf = net.preprocess(photo).clone().requires_grad_()
    module((leaf - 0.5) / 0.5)[0, 281].backward()
    assert leaf.grad is not None
    expected = leaf.grad[0].numpy()
    found = cs.saliency(net, photo, target=281).result().gradient
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 1e-4
