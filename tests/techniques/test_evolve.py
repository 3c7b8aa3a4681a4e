"""Evolution of fooling images, on small networks that are quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs
from convscope.ascent import resume_files
from convscope.types import Grid

SHARP = 20.0


def colors_net(classes: int = 3, **settings: Any) -> cs.Network:
    """A class for each color: the logits are 20 times the mean of red, green and blue."""
    head = nn.Linear(3, classes)
    with torch.no_grad():
        head.weight.copy_(SHARP * torch.eye(3)[torch.arange(classes) % 3])
        head.bias.zero_()
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    return cs.Network(module, mean=[0] * 3, std=[1] * 3, input_size=16, **settings)


def softmax(logits: Any) -> Any:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


@pytest.mark.parametrize("encoding", ["cppn", "direct", "gradient"])
def test_confidence_is_that_of_the_images_as_they_are_in_a_file(encoding: Any) -> None:
    result = cs.evolve(colors_net(), encoding=encoding, steps=30, offspring=8).result()
    assert result.image.shape == (3, 16, 16, 3)
    steps = result.image * 255
    np.testing.assert_allclose(steps, steps.round(), atol=1e-4)
    wanted = softmax(SHARP * result.image.mean((1, 2)))[np.arange(3), np.arange(3)]
    np.testing.assert_allclose(result.score, wanted, rtol=1e-4)
    np.testing.assert_allclose(result.arrays["confidence"], wanted, rtol=1e-4)
    assert result.summary["confidence"] == pytest.approx(np.median(wanted), rel=1e-4)
    assert result.summary["sure"] == (wanted > 0.9).sum()
    assert result.summary["evaluations"] == {"gradient": 90}.get(encoding, 240)


def test_it_becomes_sure_of_patterns() -> None:
    frames = list(cs.evolve(colors_net(), steps=60, offspring=8))
    medians = [frame.summary["confidence"] for frame in frames]
    assert medians == sorted(medians), "an elite is never lost"
    assert medians[-1] > 0.9 > medians[0]
    np.testing.assert_allclose(frames[-1].arrays["medians"], medians, rtol=1e-6)


def test_pixels_gain_much_more_slowly() -> None:
    net = colors_net()
    direct = cs.evolve(net, encoding="direct", steps=30, offspring=8).result()
    cppn = cs.evolve(net, steps=30, offspring=8).result()
    assert direct.summary["confidence"] < cppn.summary["confidence"]


def test_the_best_are_shown_first() -> None:
    result = cs.evolve(colors_net(9), steps=10, offspring=8, limit=4).result()
    confidence = result.arrays["confidence"]
    assert result.arrays["classes"].tolist() == list(range(9))
    best = sorted(confidence, reverse=True)[:4]
    np.testing.assert_array_equal(result.score, best)
    np.testing.assert_array_equal(confidence[result.arrays["shown"]], best)


def test_only_the_named_classes_evolve() -> None:
    net = colors_net(labels=["red", "green", "blue"])
    result = cs.evolve(net, target=("blue", 0, "blue"), steps=2, offspring=4).result()
    assert result.arrays["classes"].tolist() == [2, 0]
    (sheet,) = result.panels
    assert isinstance(sheet, Grid)
    assert [caption.split()[0] for caption in sheet.captions] == ["blue", "red"]
    assert result.summary["classes"] == 2


@pytest.mark.parametrize("encoding", ["cppn", "direct"])
def test_a_stopped_evolution_goes_on(encoding: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"encoding": encoding, "steps": 6, "offspring": 4, "seed": 3}
    whole = cs.evolve(colors_net(), **options).result()
    run, place = cs.evolve(colors_net(), **options), tmp_path / "a.png.resume"
    with resume_files.resumable(place, run.identity, resume=True):
        frames = run.frames()
        for _ in range(3):
            next(frames)
        frames.close()  # type: ignore[attr-defined]
    assert (place / "1.pt").exists()
    again = cs.evolve(colors_net(), **options)
    with resume_files.resumable(place, again.identity, resume=True):
        rest = list(again)
    assert [one.step for one in rest] == [4, 5, 6]
    np.testing.assert_array_equal(rest[-1].image, whole.image)
    np.testing.assert_array_equal(rest[-1].arrays["medians"], whole.arrays["medians"])

    other = cs.evolve(colors_net(), **{**options, "offspring": 5})
    with pytest.raises(cs.ConvscopeError, match="belongs to a run with other options") as told:
        other.save(tmp_path / "a.png", resume=True)
    assert "\n" not in str(told.value)


def test_one_class_is_enough() -> None:
    net = colors_net(1, output="multilabel")
    result = cs.evolve(net, steps=20, offspring=8).result()
    assert result.image.shape == (1, 16, 16, 3)
    assert result.summary["confidence"] > 0.9


def test_probabilities_stay_what_they_are() -> None:
    """A network that ends in a softmax is judged by that softmax, and not by one of it."""
    module = nn.Sequential(colors_net().module, nn.Softmax(1))
    net = cs.Network(module, mean=[0] * 3, std=[1] * 3, input_size=16)
    options: dict[str, Any] = {"steps": 5, "offspring": 4}
    one, other = (cs.evolve(x, **options).result() for x in (net, colors_net()))
    np.testing.assert_allclose(one.score, other.score, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"offspring": 0}, "offspring"),
        ({"steps": 0}, "steps"),
        ({"encoding": "pixels"}, "encoding"),
        ({"target": ()}, "target"),
        ({"target": "2:0"}, "2:0 is not a class of the main output"),
        ({"target": 9}, "9"),
    ],
)
def test_what_cannot_evolve(options: dict[str, Any], told: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=told) as error:
        cs.evolve(colors_net(), **options).result()
    assert "\n" not in str(error.value)


def test_a_network_without_classes_is_refused() -> None:
    with pytest.raises(cs.ConvscopeError, match="gives no class scores"):
        cs.evolve(cs.load("hog", input_size=32)).result()


def test_how_often_other_networks_recognize_the_images() -> None:
    """One has the same classes; another has red and green exchanged; NumPy counts."""
    net, turned = colors_net(), colors_net()
    weights = turned.module.get_parameter("2.weight")
    with torch.no_grad():
        weights.copy_(weights[[1, 0, 2]])
    turned = cs.Network(turned.module, mean=[0] * 3, std=[1] * 3, input_size=16)
    frames = list(cs.evolve(net, nets=(colors_net(), turned), steps=40, offspring=8))
    assert frames[-2].summary["recognized"] == {}
    result = frames[-1]
    means = result.image.mean((1, 2))
    for (name, share), order in zip(
        result.summary["recognized"].items(), ([0, 1, 2], [1, 0, 2]), strict=True
    ):
        seen = means[:, order].argmax(1)
        assert share == pytest.approx(np.mean(seen == result.arrays["shown"]))
        same = seen[:, None] == result.arrays["shown"]
        assert result.summary["chance"][name] == pytest.approx(same.mean())
    assert list(result.summary["recognized"].values()) == pytest.approx([1, 1 / 3])
