"""What all attributions share: the score that is asked about, many images, images that say nothing.

What holds for every technique, whatever it does, is in `test_common`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

import convscope as cs
from convscope.attribution import gradients
from convscope.attribution.baselines import baseline_images
from convscope.attribution.copies import generators, noisy_copies
from convscope.attribution.panels import map_panels
from convscope.attribution.question import ask
from convscope.runs import registry
from convscope.trust import methods
from convscope.types.panels import HeatMap, MapStyle
from convscope.types.targets import Target
from tests.helpers import toys
from tests.helpers.networks import own_network

# Quick, and where it matters such that chance and batches play their part.
OPTIONS: dict[str, dict[str, Any]] = {
    "guided_backprop": {"samples": 3, "noise": 0.3},
    "guided_gradcam": {"samples": 3, "noise": 0.3},
    "integrated_gradients": {"steps": 5},
    "occlusion": {"patch": 12, "stride": 10, "baseline": "noise"},
    "random_occlusion": {"count": 7},
    "smoothgrad": {"samples": 5, "noise": 0.3},
}
ONE_AT_A_TIME = {"random_occlusion"}


@pytest.fixture
def four() -> Tensor:
    """Four images with more than one top class among them."""
    return torch.cat([toys.images(1, 32, seed=s) * s / 3 for s in range(4)])


def run(name: str, net: cs.Network, image: Tensor, **options: Any) -> cs.Result:
    return registry.get(name).run(net, image, **{**OPTIONS.get(name, {}), **options}).result()


def numbers(result: cs.Result) -> dict[str, Any]:
    named = {n: getattr(result, n) for n in ("gradient", "heatmap", "score")}
    return {n: a for n, a in (named | result.arrays).items() if a is not None}


def assert_same(one: cs.Result, other: cs.Result, error: float = 1e-4) -> None:
    """But for rounding."""
    for name, value in numbers(one).items():
        expected = numbers(other)[name]
        largest = np.abs(expected).max()
        np.testing.assert_allclose(value, expected, rtol=error, atol=error * largest, err_msg=name)
    assert str(one.summary.get("target")) == str(other.summary.get("target"))


# --------------------------------------------------------------------------- many at a time


@pytest.mark.parametrize("name", methods.names())
def test_the_size_of_batches_does_not_matter(name: str, four: Tensor) -> None:
    net = own_network(dtype=torch.float64)
    images = four[:1] if name in ONE_AT_A_TIME else four
    one, two, many = (run(name, net, images, target=1, batch_size=b) for b in (1, 2, 64))
    assert_same(one, many, 1e-9)
    assert_same(two, many, 1e-9)


@pytest.mark.parametrize("name", methods.names())
def test_where_memory_is_short_the_result_is_the_same(
    name: str, four: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever batch fails, and the frames are as many."""
    net = own_network(dtype=torch.float64)
    images = four[:1] if name in ONE_AT_A_TIME else four
    technique = registry.get(name).run(net, images, target=1, **OPTIONS.get(name, {}))
    plenty, frames = technique.result(), len(list(technique))
    plain, failed = net.activations, []

    def short(image: Tensor, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        if len(image) > 2:
            failed.append(len(image))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(image, *args, **kwargs)

    monkeypatch.setattr(net, "activations", short)
    again = registry.get(name).run(net, images, target=1, **OPTIONS.get(name, {}))
    assert_same(again.result(), plenty, 1e-9)
    assert len(list(again)) == frames
    assert failed


@pytest.mark.parametrize("name", [n for n in methods.names() if n not in ONE_AT_A_TIME])
def test_several_images_are_explained_as_each_alone(name: str, four: Tensor) -> None:
    net = own_network(dtype=torch.float64)
    targets = (2, 0, 2, 1)
    together = run(name, net, four, target=targets)
    assert together.summary["target"] == [f"class {t}" for t in targets]
    assert len(together.summary["score"]) == 4
    together.picture.load()
    for i, target in enumerate(targets):
        alone = run(name, net, four[i : i + 1], target=target)
        for field, value in numbers(alone).items():
            if field == "coverage":
                continue
            expected = np.asarray(value)
            found = np.asarray(numbers(together)[field])[i]
            expected = expected[0] if field in alone.arrays else expected
            atol = 1e-9 * np.abs(expected).max()
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=atol)


@pytest.mark.parametrize("name", [n for n in methods.names() if n not in ONE_AT_A_TIME])
def test_images_may_ask_about_units_of_different_layers(name: str, four: Tensor) -> None:
    if name == "cam":
        pytest.skip("explains classes only")
    net = own_network(dtype=torch.float64)
    options: dict[str, Any] = {}
    if "layer" in registry.get(name).model.model_fields:
        options = {"layer": "stem"}
    targets = ("blocks:3", 1, "blocks:5@2,3", "blocks:3")
    together = run(name, net, four, target=targets, **options)
    assert together.summary["target"] == ["blocks:3", "class 1", "blocks:5@2,3", "blocks:3"]
    alone = run(name, net, four[2:3], target="blocks:5@2,3", **options)
    kind = "gradient" if alone.heatmap is None else "heatmap"
    expected = getattr(alone, kind)
    atol = 1e-9 * np.abs(expected).max()
    np.testing.assert_allclose(getattr(together, kind)[2], expected, rtol=1e-9, atol=atol)
    assert np.any(expected)


@pytest.mark.parametrize("name", methods.names())
@pytest.mark.parametrize("targets", [(), (0, 1), (0, 1, 2, 1, 0)])
def test_another_number_of_targets_is_refused(
    own: cs.Network, own_photo: Tensor, name: str, targets: tuple[int, ...]
) -> None:
    message = f"{len(targets)} targets for 3 images: one each, or one"
    if not targets:
        message = f"{name}: target: an empty list names no target"
    if name in ONE_AT_A_TIME:
        message = f"{name} takes one image at a time, not 3"
    with pytest.raises(cs.ConvscopeError, match=message) as raised:
        run(name, own, torch.cat([own_photo] * 3), target=targets)
    assert "\n" not in str(raised.value)


BAD_TARGETS: dict[str, tuple[Any, str]] = {
    "no such class": (3, r"no class 3: Own has classes 0 to 2"),
    "no such layer": ("block", r"unknown class or layer 'block'; did you mean 'blocks'"),
    "no such channel": ("blocks:12", r"no channel 12: 'blocks' has channels 0 to 11"),
    "no such place": (
        "blocks:3@16,0",
        r"no position 16,0: the feature maps of 'blocks' are 16 x 16",
    ),
    "one of several": ((0, "blocks:12"), r"no channel 12: 'blocks' has channels 0 to 11"),
    "no name at all": (1.5, r"target: "),
}


@pytest.mark.parametrize("name", methods.names())
@pytest.mark.parametrize("kind", BAD_TARGETS)
def test_bad_targets_are_refused_before_anything_runs(
    own: cs.Network, own_photo: Tensor, name: str, kind: str
) -> None:
    target, message = BAD_TARGETS[kind]
    with pytest.raises(cs.ConvscopeError, match=message) as raised:
        count = 1 if name in ONE_AT_A_TIME else 2
        registry.get(name).run(own, torch.cat([own_photo] * count), target=target)
    assert "\n" not in str(raised.value)


class Maps(nn.Module):
    """No classifier: maps come out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 4, 3), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.act(self.conv(x))
        return maps


@pytest.mark.parametrize("name", methods.names())
def test_a_network_without_classes_wants_a_target(name: str) -> None:
    net, image = toys.network(toys.randomized(Maps()), 32), toys.images(1, 32)
    if name != "deconvnet":  # it takes a layer by itself
        with pytest.raises(cs.ConvscopeError, match=r"gives no class scores .* name a layer"):
            run(name, net, image)
    if name == "cam":
        return
    options: dict[str, Any] = {"score": "logit"} if name == "random_occlusion" else {}
    assert run(name, net, image, target="act:2", **options).summary["target"] == "act:2"


class Overflowing(nn.Module):
    """Not finite where the image is bright, whatever its layers are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.head = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.act(self.conv(x)).mean((2, 3)))
        return logits / (x.mean((1, 2, 3)) < 0.7).to(x)[:, None]


@pytest.mark.parametrize("name", methods.names())
def test_a_score_that_is_not_finite_is_an_error(name: str) -> None:
    net = toys.plain_network(toys.randomized(Overflowing()), 32)
    dark = run(name, net, torch.full((1, 3, 32, 32), 0.2), target=1)
    assert np.isfinite(dark.score)  # type: ignore[arg-type]
    message = "the score is not finite" if name != "cam" else "does not classify by the mean"
    with pytest.raises(cs.ConvscopeError, match=message) as raised:
        run(name, net, torch.full((1, 3, 32, 32), 0.9), target=1)
    assert "\n" not in str(raised.value)


# ------------------------------------------------------------------------------ the question


def test_scores_are_of_what_the_target_names(own: cs.Network, four: Tensor) -> None:
    values = own.read(four, {"blocks", "", "head"})
    expected: dict[str | int, Tensor] = {
        2: values[""][:, 2],
        "blocks:3@5,7": values["blocks"][:, 3, 5, 7],
        "blocks:3": values["blocks"][:, 3].flatten(1).amax(1),
        "blocks": 0.5 * values["blocks"].flatten(1).square().mean(1),
        "head:1": values["head"][:, 1],
    }
    for target, score in expected.items():
        question = ask(own, four, target)
        torch.testing.assert_close(question.score(four), score)
        torch.testing.assert_close(gradients.gradient(question).score, score)
    question = ask(own, four, 2)
    torch.testing.assert_close(question.score(four, True), values[""].softmax(1)[:, 2])
    top = gradients.gradient(ask(own, four, None))
    torch.testing.assert_close(top.score, values[""].amax(1))


def test_the_top_class_is_that_of_the_photo(own: cs.Network, four: Tensor) -> None:
    tops = own.logits(four).argmax(1).tolist()
    question = ask(own, four, None)
    assert question.targets == (None,) * 4
    resolved = question.resolved()
    assert [one.channel for one in resolved.targets if one] == tops
    assert resolved.resolved() is resolved
    half = resolved[1:3]
    assert half.targets == resolved.targets[1:3]
    assert torch.equal(half.inputs, resolved.inputs[1:3])
    mixed = ask(own, four, ("blocks:3", 1, 2, 0)).resolved()
    assert mixed.targets[0] == Target("blocks", 3)


# ---------------------------------------------------------------------- what says nothing


@pytest.mark.parametrize("channels", [1, 3])
def test_images_that_say_nothing(channels: int) -> None:
    net = own_network(channels, torch.float64)
    seen = net.preprocess(toys.images(2, 32).double())
    expected = {
        "mean": np.full(seen.shape, 0.5),
        "image": np.broadcast_to(seen.numpy().mean((2, 3), keepdims=True), seen.shape),
        "gray": np.full(seen.shape, 0.5),
        "black": np.zeros(seen.shape),
        # A sixteenth of the image's side, out to three deviations.
        "blur": gaussian_filter(seen.numpy(), (0, 0, 2, 2), mode="nearest", truncate=3),
    }
    for baseline, values in expected.items():
        np.testing.assert_allclose(baseline_images(net, seen, baseline), values, rtol=1e-9)
    with pytest.raises(cs.ConvscopeError, match="unknown baseline 'grey'; did you mean 'gray'"):
        baseline_images(net, seen, "grey")  # codespell:ignore


def test_the_mean_is_the_training_images() -> None:
    net = toys.network(toys.Residual())
    found = baseline_images(net, toys.images(2), "mean")
    torch.testing.assert_close(found[1, :, 3, 4], torch.tensor(toys.MEAN))


def test_noise_to_hide_with(own: cs.Network) -> None:
    seen = toys.images(3, 32)
    found = baseline_images(own, seen, "noise", seed=4)
    assert torch.equal(found, baseline_images(own, seen, "noise", seed=4))
    assert not torch.equal(found, baseline_images(own, seen, "noise", seed=5))
    assert torch.equal(found[0], found[2]), "each image is hidden as it would be alone"
    assert 0 <= float(found.min()) < 0.01
    assert 0.99 < float(found.max()) <= 1
    assert float(found.mean()) == pytest.approx(0.5, abs=0.02)


def test_noisy_copies_have_noise_of_their_own() -> None:
    seen = toys.images(2, 32)
    copy = noisy_copies(seen, 0.2, 6, seed=1)
    added = torch.stack([torch.stack([copy(i, k) - seen[i] for k in range(6)]) for i in (0, 1)])
    torch.testing.assert_close(added[0], added[1], atol=1e-6, rtol=0)
    assert float(added[0].std()) == pytest.approx(0.2, rel=0.02)
    for k in range(1, 6):
        assert float((added[0, 0] * added[0, k]).mean()) == pytest.approx(0, abs=0.003)


def test_an_items_chance_is_its_own() -> None:
    generator = generators(5, seed=3)
    values = [torch.rand(2, generator=generator(k)).tolist() for k in range(5)]
    assert values[3] == torch.rand(2, generator=generator(3)).tolist()
    assert len({tuple(v) for v in values}) == 5


def test_a_photo_is_shown_whole_with_the_box_of_what_was_seen(own: cs.Network) -> None:
    photo = toys.images(2, 48)[..., :40, :]
    question = ask(own, photo, 1)
    heatmap = torch.rand(2, 32, 32)
    panels = map_panels(question, heatmap, MapStyle("units", signed=True), ["one", "two"])
    assert len(panels) == 2
    for i, panel in enumerate(panels):
        assert isinstance(panel, HeatMap)
        assert panel.photo is not None
        assert torch.equal(panel.photo, photo[i])
        assert panel.box == own.box(photo)
        assert torch.equal(panel.values, heatmap[i])
        assert panel.signed
        assert (panel.label, panel.caption) == ("units", ["one", "two"][i])
