"""Checks of attributions: numbers by hand, and verdicts on maps whose worth is known."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

import convscope as cs
from convscope import replay
from convscope.attribution.gradients import gradient
from convscope.attribution.question import ask
from convscope.files import read_provenance
from convscope.runs import catalog, registry
from convscope.runs.options import Seed, TargetName
from convscope.runs.registry import technique
from convscope.trust.checks import check
from convscope.trust.curves import area, curves, moved_at_random
from convscope.trust.questions import CASCADE, OTHER_METHODS, SIMILAR
from convscope.types.frames import Frame
from convscope.types.panels import Bars, Curves, HeatMap, Sheet
from tests.helpers import toys
from tests.helpers.networks import own_network, own_photograph


class Sums(nn.Module):
    """Maps of one channel, the image itself; two classes, one the sum of it times `weights`."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.maps = nn.Identity()
        self.register_buffer("weights", weights)

    def forward(self, x: Tensor) -> Tensor:
        total = (self.maps(x) * self.weights).flatten(1).sum(1)
        return torch.stack([total, torch.zeros_like(total)], 1)


@pytest.fixture
def sums() -> cs.Network:
    """4 x 4 gray pixels of weight 0 to 15, black where there are none: its mean is 0."""
    module = Sums(torch.arange(16.0).view(1, 1, 4, 4)).double()
    module.register_parameter("unused", nn.Parameter(torch.zeros(1).double()))
    return cs.Network(module, mean=[0.0], std=[1.0], input_size=4)


WHITE = torch.ones(1, 1, 4, 4)


# --------------------------------------------------------------------------- its arithmetic


def test_deletion_and_insertion_by_hand(sums: cs.Network) -> None:
    """Four pixels a step, the heaviest first: of 120 there remain 66, 28, 6 and 0. A white image is
    as white when it is blurred, so insertion changes nothing."""
    question = ask(sums, 0.1 * WHITE, 0)
    heatmap = torch.arange(16.0).view(4, 4)
    falls, rises = curves(question, heatmap, steps=4)
    logits = [0.1 * value for value in (120, 66, 28, 6, 0)]
    assert falls == pytest.approx([1 / (1 + np.exp(-logit)) for logit in logits])
    assert rises == pytest.approx([falls[0]] * 5)
    backwards, _ = curves(question, -heatmap, steps=4)
    logits = [0.1 * value for value in (120, 114, 92, 54, 0)]
    assert backwards == pytest.approx([1 / (1 + np.exp(-logit)) for logit in logits])
    assert area(falls) < area(backwards)


def test_insertion_goes_from_a_blurred_photo_to_the_photo() -> None:
    """A network of one weight: its logit is that pixel's value."""
    weights = torch.zeros(1, 1, 32, 32)
    weights[..., 20, 20] = 1
    net = cs.Network(Sums(weights).double(), mean=[0.0], std=[1.0], input_size=32)
    photo = torch.zeros(1, 1, 32, 32).double()
    photo[..., 20, 20] = 1
    heatmap = torch.zeros(32, 32)
    heatmap[20, 20] = 1
    blurred = gaussian_filter(photo[0, 0].numpy(), 2, mode="nearest", truncate=3)[20, 20]
    falls, rises = curves(ask(net, photo, 0), heatmap, steps=8)

    def probability(logit: float) -> float:
        return float(1 / (1 + np.exp(-logit)))

    # After the first of eight parts the pixel is gone, or there.
    assert falls == pytest.approx([probability(1)] + [0.5] * 8)
    assert rises == pytest.approx([probability(blurred)] + [probability(1)] * 8)


def test_a_channels_score_counts_in_parts_of_the_photos(own: cs.Network, own_photo: Tensor) -> None:
    question = ask(own, own_photo, "stem:2")
    score = float(question.score(question.inputs))
    falls, rises = curves(question, torch.rand(32, 32), steps=5, batch_size=2)
    assert falls[0] == pytest.approx(1)
    assert rises[-1] == pytest.approx(1)
    gray = float(question.score(torch.full_like(question.inputs, 0.5)))
    assert falls[-1] == pytest.approx(gray / score, rel=1e-5)


def test_equal_pixels_come_in_a_random_order(sums: cs.Network) -> None:
    """A map that says nothing removes weight evenly, and not from the top left."""
    falls, _ = curves(ask(sums, 0.1 * WHITE, 0), torch.zeros(4, 4), steps=16)
    left = np.log(np.array(falls) / (1 - np.array(falls))) / 0.1
    taken = -np.diff(left)
    assert sorted(taken.round().tolist()) == list(range(16))
    assert taken.round().tolist() != list(range(16))
    assert abs(np.corrcoef(taken, np.arange(16))[0, 1]) < 0.6


def test_the_size_of_batches_does_not_matter(own: cs.Network, own_photo: Tensor) -> None:
    question, heatmap = ask(own, own_photo, 1), torch.rand(32, 32)
    one, many = (curves(question, heatmap, batch_size=b) for b in (1, 64))
    for left, right in zip(one, many, strict=True):
        assert len(left) == 33
        assert left == pytest.approx(right, rel=1e-5)


def test_area_by_trapezoids() -> None:
    assert area([1, 1, 1]) == pytest.approx(1)
    assert area([0, 1]) == pytest.approx(0.5)
    assert area([1, 0.5, 0, 0, 0]) == pytest.approx(0.25)
    line = np.random.default_rng(0).random(33)
    assert area(line.tolist()) == pytest.approx(trapezoid(line, np.linspace(0, 1, 33)), rel=1e-5)


def test_a_map_moved_at_random_is_the_same_values_elsewhere() -> None:
    heatmap = torch.rand(9, 14, generator=torch.Generator().manual_seed(0))
    moved = moved_at_random(heatmap, 20, seed=3)
    assert len(moved) == 20
    neighbors = {frozenset(pair) for pair in _pairs(heatmap)}
    for other in moved:
        assert torch.equal(other.flatten().sort().values, heatmap.flatten().sort().values)
        assert {frozenset(pair) for pair in _pairs(other)} == neighbors, "as fine or coarse"
    assert len({tuple(other.flatten().tolist()) for other in moved}) == 20
    again = moved_at_random(heatmap, 20, seed=3)
    assert all(torch.equal(one, other) for one, other in zip(moved, again, strict=True))
    assert not torch.equal(moved[0], moved_at_random(heatmap, 1, seed=4)[0])


def _pairs(heatmap: Tensor) -> Iterator[tuple[float, float]]:
    """Values side by side, around the edges too."""
    for axis in (0, 1):
        other = heatmap.roll(1, axis)
        yield from zip(heatmap.flatten().tolist(), other.flatten().tolist(), strict=True)


# ------------------------------------------------------------------------------ what it shows


def checked(net: cs.Network, photo: Tensor, name: str, **options: Any) -> list[Frame]:
    return list(check(registry.get(name).run(net, photo, **options)).frames())


def test_steps_count_the_technique_and_the_checks(own: cs.Network, own_photo: Tensor) -> None:
    run = check(cs.smoothgrad(own, own_photo, samples=6, batch_size=2))
    results = list(run)
    alone = list(cs.smoothgrad(own, own_photo, samples=6, batch_size=2))
    assert len(results) == len(alone) + 1 + len(CASCADE) + 2
    assert [result.step for result in results] == list(range(1, len(results) + 1))
    assert {result.steps for result in results} == {len(results)}
    for result, plain in zip(results, alone, strict=False):
        np.testing.assert_array_equal(result.heatmap, plain.heatmap)
    for result in results:
        np.testing.assert_array_equal(results[-1].image, result.image)
        result.picture.load()


def test_numbers_are_complete_and_grow(own: cs.Network, own_photo: Tensor) -> None:
    """Also: the numbers of a frame do not change when the next one is made."""
    frames = checked(own, own_photo, "saliency", target=1)
    again = check(cs.saliency(own, own_photo, target=1)).frames()
    before = [copy.deepcopy(frame.summary) for frame in again]
    assert [frame.summary for frame in frames] == before
    found = [frame.summary.get("check", {}) for frame in frames]
    assert [len(one.get("random_weights", {})) for one in found] == [0, 0, 1, 2, 3, 4, 4, 4]
    last: Any = found[-1]
    assert set(last) == {
        "deletion", "insertion", "deletion_moved", "insertion_moved", "random_weights",
        "other_target", "other_methods", "findings", "passed",
    }  # fmt: skip
    assert list(last["random_weights"]) == list(CASCADE)
    assert list(last["other_methods"]) == [name for name in OTHER_METHODS if name != "saliency"]
    (rival,) = last["other_target"]
    ranked = own.logits(own_photo)[0].argsort(descending=True).tolist()
    assert rival == f"class {next(c for c in ranked if c != 1)}"
    assert frames[-1].summary["target"] == "class 1"
    assert all(isinstance(sentence, str) for sentence in last["findings"].values())
    assert list(last["findings"]) == [
        "insertion", "deletion", "random weights", "another target", "other methods",
    ]  # fmt: skip


def test_panels_show_the_numbers(own: cs.Network, own_photo: Tensor) -> None:
    frame = checked(own, own_photo, "gradcam", target=1)[-1]
    found: Any = frame.summary["check"]
    plain = registry.get("gradcam").run(own, own_photo, target=1).frames()
    own_panels = len(next(iter(plain)).panels)
    rises, falls, bars, sheet = frame.panels[own_panels:]
    assert isinstance(rises, Curves)
    assert isinstance(falls, Curves)
    for panel, name in ((rises, "insertion"), (falls, "deletion")):
        areas = {what: area(list(line)) for what, line in panel.lines.items()}
        assert areas["map"] == pytest.approx(found[name], rel=1e-5)
        assert areas["map moved at random"] == pytest.approx(found[f"{name}_moved"], rel=1e-5)
        assert panel.faint == {"map moved at random"}
        assert name in panel.caption
        assert (panel.x[0], panel.x[-1], len(panel.x)) == (0, 1, 33)
    assert isinstance(bars, Bars)
    assert bars.values == (*found["other_target"].values(), *found["other_methods"].values())
    assert isinstance(sheet, Sheet)
    assert len(sheet.maps) == 1 + len(CASCADE)
    assert all(isinstance(tile, HeatMap) for tile in sheet.maps)


def test_a_channel_is_compared_with_the_next_one(own: cs.Network, own_photo: Tensor) -> None:
    maps = own.read(own_photo, {"blocks"})["blocks"][0]
    row, column = divmod(int(maps[11].argmax()), 16)
    rivals = {
        "blocks:3": "blocks:4",
        f"blocks:11@{row},{column}": f"blocks:0@{row},{column}",
        "stem:7": "stem:0",
    }
    for target, rival in rivals.items():
        last: Any = checked(own, own_photo, "saliency", target=target)[-1].summary["check"]
        assert list(last["other_target"]) == [rival]


def test_the_runs_own_options_are_kept(own: cs.Network, own_photo: Tensor) -> None:
    """At another layer another map is judged, on random networks and for the rival too."""
    first = checked(own, own_photo, "gradcam", target=1, layer="stem")[-1]
    sheet = first.panels[-1]
    assert isinstance(sheet, Sheet)
    again = own.randomized(CASCADE["half random"], 0)
    expected = cs.gradcam(again, own_photo, target=1, layer=("stem",)).result().heatmap
    np.testing.assert_array_equal(sheet.maps[3].values, expected)


def test_a_gradient_is_judged_by_its_largest_color(own: cs.Network, own_photo: Tensor) -> None:
    guided: Any = checked(own, own_photo, "guided_backprop", target=1)[-1].summary["check"]
    run = cs.guided_backprop(own, own_photo, target=1).result()
    heatmap = torch.from_numpy(np.abs(run.gradient).max(0))
    falls, _ = curves(ask(own, own_photo, 1), heatmap)
    assert guided["deletion"] == pytest.approx(area(falls))


# -------------------------------------------------------------------------------- its verdict


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two attributions: one that shows the photo whatever the network is, one that looks at it."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    monkeypatch.setattr(catalog, "_added", dict(catalog._added))

    @technique(title="Photo", paper="Nobody 2000", url="https://example.org", attribution=True)
    def fake_photo(
        net: cs.Network, image: Tensor, *, target: TargetName = None, seed: Seed = 0
    ) -> Iterator[Frame]:
        """Shows how bright the photo is, which no network has any part in."""
        question = ask(net, image, target)
        found = gradient(question)
        yield Frame(image=question.inputs, score=found.score, heatmap=question.inputs.mean(1))

    @technique(title="Share", paper="Nobody 2000", url="https://example.org", attribution=True)
    def fake_share(net: cs.Network, image: Tensor, *, target: TargetName = None) -> Iterator[Frame]:
        """Shows how much each pixel gives to the score of a linear network."""
        question = ask(net, image, target)
        found = gradient(question)
        share = ((question.inputs - 0.5) * found.gradient).sum(1)
        yield Frame(image=question.inputs, score=found.score, heatmap=share)


def judged(net: cs.Network, photo: Tensor, name: str) -> Any:
    return checked(net, photo, name, target=1)[-1].summary["check"]


@pytest.mark.usefixtures("fakes")
def test_a_map_that_ignores_the_network_is_found_out(own: cs.Network, own_photo: Tensor) -> None:
    found = judged(own, own_photo, "fake_photo")
    assert list(found["random_weights"].values()) == pytest.approx([1] * 4)
    assert list(found["other_target"].values()) == pytest.approx([1])
    findings = " ".join(found["findings"].values())
    assert "it shows the image more than what the network learned" in findings
    assert findings.count("much the same") == 2
    assert "agrees with those of 0 of 5 other methods" in findings


@pytest.mark.usefixtures("fakes")
def test_a_map_that_depends_on_the_network_passes() -> None:
    """A linear network, whose weights random ones do not resemble, and a photo just to its taste:
    every pixel gives to the score what its weight says."""
    module = nn.Sequential(nn.Flatten(1), nn.Linear(3 * 32 * 32, 4))
    toys.randomized(module, seed=5)
    net = cs.Network(module, mean=[0.5] * 3, std=[0.25] * 3, input_size=32)
    weights = net.parameter("1")[1].view(1, 3, 32, 32)
    found = judged(net, 0.5 + 0.02 * weights.sign(), "fake_share")
    assert all(abs(value) < SIMILAR for value in found["random_weights"].values())
    findings = " ".join(found["findings"].values())
    assert "it shows something of what the network learned" in findings
    assert "much the same" not in findings
    assert found["insertion"] > found["insertion_moved"]
    assert found["deletion"] < found["deletion_moved"]
    assert " sooner" in findings
    assert "no sooner" not in findings


# ------------------------------------------------------------------------------- and refusals


@pytest.mark.parametrize("name", ["predict", "compare", "segment"])
def test_only_attributions_are_judged(own: cs.Network, own_photo: Tensor, name: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=f"check judges attributions, and {name} is none"):
        check(registry.get(name).run(own, own_photo))


def test_a_technique_without_a_photo_is_not_judged(own: cs.Network) -> None:
    with pytest.raises(cs.ConvscopeError, match="check judges attributions, and class_image is n"):
        check(cs.class_image(own, target=1))


def test_two_photographs_are_not_judged(own: cs.Network, own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match="check judges the map of one image at a time"):
        check(cs.saliency(own, torch.cat([own_photo] * 2)))


@pytest.mark.parametrize("name", ["saliency", "gradcam", "guided_backprop", "deconvnet"])
def test_a_whole_layer_is_not_judged(own: cs.Network, own_photo: Tensor, name: str) -> None:
    with pytest.raises(cs.ConvscopeError, match="check judges no map of a whole layer: name a ch"):
        check(registry.get(name).run(own, own_photo, target="blocks"))


def test_the_layer_that_deconv_takes_by_itself_is_not_judged(
    own: cs.Network, own_photo: Tensor
) -> None:
    with pytest.raises(cs.ConvscopeError, match="check judges one map: name a class, a channel"):
        check(cs.deconvnet(own, own_photo)).result()


def test_a_silent_unit_is_not_judged() -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(1), nn.Linear(2 * 14 * 14, 3))
    toys.randomized(module)
    with torch.no_grad():
        module[0].bias.fill_(-1000.0)  # type: ignore[operator]
    net = toys.network(module)
    with pytest.raises(
        cs.ConvscopeError, match="the image does not activate 1:0: there is no score"
    ):
        check(cs.saliency(net, toys.images(1), target="1:0")).result()


# ------------------------------------------------------------------------------ its recipe


def test_a_checked_picture_is_made_again(
    own: cs.Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control's chance included: with another seed it would be another picture."""
    own.source = {"name": "own"}
    monkeypatch.setattr(replay, "load", lambda name, **_: {"own": own}[name])
    photo = cs.open_image("sample:chelsea")
    run = check(cs.gradcam(own, photo, target=1), seed=7)
    file = run.save(tmp_path / "a.png")
    assert read_provenance(file)["checked"] == 7
    again = replay.remake(file, trust=True)
    assert again.save(tmp_path / "b.png").read_bytes() == file.read_bytes()
    assert again.result().summary == run.result().summary
    file = cs.gradcam(own, photo, target=1).save(tmp_path / "c.png")
    unchecked = replay.remake(file, trust=True)
    assert "check" not in unchecked.result().summary


def test_the_seed_is_of_the_control_and_of_the_random_networks(
    own: cs.Network, own_photo: Tensor
) -> None:
    run = cs.gradcam(own, own_photo, target=1)
    zero, again, other = (check(run, seed=s).result().summary["check"] for s in (0, 0, 1))
    assert zero == again
    for name in ("deletion", "insertion", "other_methods"):
        assert zero[name] == other[name]
    for name in ("deletion_moved", "insertion_moved", "random_weights"):
        assert zero[name] != other[name]


def test_an_unchecked_run_says_so(own: cs.Network, own_photo: Tensor) -> None:
    assert cs.saliency(own, own_photo).provenance["checked"] is None
    assert check(cs.saliency(own, own_photo)).provenance["checked"] == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_networks_of_any_make(channels: int) -> None:
    net = own_network(channels, torch.float64)
    found: Any = check(cs.saliency(net, own_photograph())).result().summary["check"]
    assert all(np.isfinite(value) for value in found["random_weights"].values())
