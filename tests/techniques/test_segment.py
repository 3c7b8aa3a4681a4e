"""Segmentation: what is cut out of photographs whose object is known to the pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion
from torch import Tensor

import convscope as cs
from convscope.runs import registry
from convscope.techniques import segment as room
from convscope.types.frames import Frame
from convscope.types.panels import HeatMap, Picture


def disk(height: int, width: int, row: float, column: float, radius: float) -> Tensor:
    rows, columns = torch.arange(height)[:, None] + 0.5, torch.arange(width) + 0.5
    return torch.hypot(rows - row, columns - column) < radius


def painted(inside: Tensor, noise: float = 0.04) -> Tensor:
    """An orange thing on blue, both a little noisy: (1, 3, H, W)."""
    chance = torch.Generator().manual_seed(0)
    thing, ground = torch.tensor([0.9, 0.6, 0.2]), torch.tensor([0.2, 0.3, 0.6])
    photo = torch.where(inside, thing.view(3, 1, 1), ground.view(3, 1, 1))
    return (photo + noise * torch.randn(photo.shape, generator=chance)).clamp(0, 1)[None]


def blob(row: float, column: float, spread: float) -> Tensor:
    """A map (32, 32) that is highest at one place."""
    rows, columns = torch.arange(32)[:, None], torch.arange(32)
    return torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / spread)


def pointing(monkeypatch: pytest.MonkeyPatch, *maps: Tensor) -> list[tuple[str, Any]]:
    """Every attribution is the next of these maps; what was asked for is noted."""
    asked: list[tuple[str, Any]] = []

    def attribute(net: cs.Network, image: Tensor, method: str, target: Any, **words: Any) -> Frame:
        asked.append((method, words))
        return Frame(heatmap=maps[(len(asked) - 1) % len(maps)][None])

    monkeypatch.setattr(room, "attribute", attribute)
    return asked


def overlap(ours: Any, theirs: Tensor) -> float:
    """Intersection over union."""
    one, other = np.asarray(ours, bool), theirs.numpy()
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("size", [(90, 90), (80, 140), (160, 96)])
def test_a_disk_is_found_from_a_blob_near_its_middle(
    own: cs.Network, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """The map says where, roughly; the outline comes from the colors."""
    height, width = size
    inside = disk(height, width, height / 2 + 4, width / 2 - 3, 25)
    asked = pointing(monkeypatch, blob(17, 15, 30))
    result = cs.segment(own, painted(inside), methods=("smoothgrad", "gradcam"), seed=5).result()
    assert overlap(result.arrays["mask"][0], inside) > 0.95
    part = result.arrays["mask"].mean()
    assert result.summary["fraction_of_image"] == pytest.approx(part)
    # Only methods that leave something to chance are told the seed.
    assert asked == [("smoothgrad", {"seed": 5}), ("gradcam", {})]


def test_a_large_photo_is_cut_at_its_own_size(
    own: cs.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Larger than GrabCut's own size, and the object half outside of what the network sees."""
    inside = disk(400, 1200, 200, 480, 150)
    pointing(monkeypatch, blob(16, 6, 60))
    result = cs.segment(own, painted(inside), methods=("saliency",)).result()
    assert result.arrays["mask"].shape == (1, 400, 1200)
    assert overlap(result.arrays["mask"][0], inside) > 0.95


def test_crumbs_are_dropped_and_small_holes_filled(
    own: cs.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thing of 11000 pixels pieces and holes of 80; not those of 1250."""
    big, second = disk(200, 200, 110, 80, 65), disk(200, 200, 40, 165, 20)
    hole = disk(200, 200, 130, 60, 20)
    crumbs = disk(200, 200, 20, 60, 5) | disk(200, 200, 180, 180, 5)
    small = disk(200, 200, 80, 90, 5) | disk(200, 200, 130, 110, 5)
    whole = ((big & ~hole) | second | crumbs) & ~small
    pointing(monkeypatch, F.interpolate(whole[None, None].float(), (32, 32), mode="area")[0, 0])
    found = cs.segment(own, painted(whole), methods=("saliency",)).result().arrays["mask"][0]
    assert overlap(found, (big & ~hole) | second) > 0.95
    assert not found[crumbs.numpy()].any()
    assert found[small.numpy()].all()


def test_the_cutout_is_the_photo_and_the_mask(
    own: cs.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = disk(60, 60, 30, 30, 18)
    photo = painted(inside)
    pointing(monkeypatch, blob(16, 16, 40))
    *_, frame = registry.get("segment").run(own, photo).frames()
    mask, cutout = frame.arrays["mask"][0], frame.arrays["cutout"][0]
    assert torch.equal(cutout[3], mask.float())
    assert torch.equal(cutout[:3], photo[0])
    seeds, outline, cut = frame.panels
    assert isinstance(seeds, HeatMap)
    assert isinstance(outline, Picture)
    assert isinstance(cut, Picture)
    assert torch.equal(cut.rgb[:, mask], photo[0][:, mask])
    ground = cut.rgb[:, ~mask]
    assert torch.equal(ground[0], ground[2]), "gray squares"
    changed = (outline.rgb != photo[0]).any(0)
    edge = mask & ~torch.from_numpy(binary_erosion(mask.numpy()))
    assert changed.any()
    assert (changed & edge).sum() > 0.9 * edge.sum()
    assert changed.float().mean() < 0.2


def test_a_cutout_is_saved_with_its_transparency(
    own: cs.Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inside = disk(60, 60, 30, 30, 18)
    photo = painted(inside)
    pointing(monkeypatch, blob(16, 16, 40))
    run = cs.segment(own, photo, show="cutout")
    mask = run.result().arrays["mask"][0]
    with Image.open(run.save(tmp_path / "cutout.png")) as picture:
        assert picture.mode == "RGBA"
        pixels = np.asarray(picture)
    np.testing.assert_array_equal(pixels[..., 3], 255 * mask)
    expected = (photo[0].permute(1, 2, 0) * 255).round().byte().numpy()
    np.testing.assert_array_equal(pixels[mask][:, :3], expected[mask])
    with Image.open(cs.segment(own, photo, show="mask").save(tmp_path / "mask.png")) as picture:
        np.testing.assert_array_equal(np.asarray(picture)[..., 0], 255 * mask)


def test_the_evidence_is_the_mean_over_the_methods(
    own: cs.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method counts by its shape, not by its scale. A ramp stays one when it is smoothed, but
    for its ends; its highest hundredth is 1."""
    across, down = torch.arange(32.0).expand(32, 32), torch.arange(32.0)[:, None].expand(32, 32)
    pointing(monkeypatch, across, 1e6 * down)
    photo = painted(disk(32, 32, 24, 24, 6))
    *_, frame = registry.get("segment").run(own, photo, methods=("saliency", "gradcam")).frames()
    assert frame.heatmap is not None
    found = frame.heatmap[0]
    assert float(found.max()) == pytest.approx(1)
    torch.testing.assert_close(found, found.T)
    expected = (torch.arange(32.0) + torch.arange(32.0)[:, None]) / 2 / 31
    torch.testing.assert_close(found[6:-6, 6:-6], expected[6:-6, 6:-6], rtol=0, atol=0.03)


def test_a_map_at_a_small_part_leaves_half_of_the_photo_open(
    own: cs.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The map is high only at the middle of a thing that fills half of the photograph. No more
    than half is surely background, so the colors of its rim can count as the thing's."""
    inside = disk(96, 96, 48, 48, 38)
    pointing(monkeypatch, blob(16, 16, 40))
    found = cs.segment(own, painted(inside), methods=("saliency",)).result().arrays["mask"][0]
    assert overlap(found, inside) > 0.9


def test_the_class_activation_map_counts_as_much_as_the_gradient(
    own: cs.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two things of one color apart from each other: one where both maps are high, one where
    neither is."""
    both, neither = disk(96, 96, 48, 26, 16), disk(96, 96, 48, 74, 16)
    middle = blob(16, 26 / 3, 25)
    asked = pointing(monkeypatch, middle, middle)
    result = cs.segment(own, painted(both | neither)).result()
    assert [name for name, _ in asked] == ["smoothgrad", "gradcam"]
    assert result.arrays["mask"][0][both.numpy()].mean() > 0.95


def test_what_is_asked_about_is_explained(own: cs.Network, own_photo: Tensor) -> None:
    quick: dict[str, Any] = {"methods": ("saliency",), "iterations": 1}
    top = own.predict(own_photo, 1)[0]
    summary = cs.segment(own, own_photo, **quick).result().summary
    assert summary["target"] == top.label
    assert summary["score"] == pytest.approx(float(own.logits(own_photo).max()), rel=1e-5)
    named = cs.segment(own, own_photo, target="blocks:3", **quick).result()
    assert named.summary["target"] == "blocks:3"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown method": ({"methods": ("smoothgradd",)}, r"unknown technique 'smoothgradd'; did you"),
    "no attribution": (
        {"methods": ("deepdream",)},
        r"deepdream is no attribution; use one of cam",
    ),
    "no method": ({"methods": ()}, r"methods: value should have at least 1 item"),
    "upside down": (
        {"foreground": 0.1},
        r"background \(0.2\) must be less than foreground \(0.1\)",
    ),
    "no rounds": ({"iterations": 0}, r"iterations: input should be greater than or equal to 1"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refusals(own: cs.Network, own_photo: Tensor, kind: str) -> None:
    options, message = REFUSED[kind]
    with pytest.raises(cs.ConvscopeError, match=message) as raised:
        cs.segment(own, own_photo, **options).result()
    assert "\n" not in str(raised.value)


def test_a_map_without_any_order_is_refused(
    own: cs.Network, own_photo: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointing(monkeypatch, torch.zeros(32, 32))
    with pytest.raises(
        cs.ConvscopeError, match=r"\(40 x 48\) is too small or too plain, or the map"
    ):
        cs.segment(own, own_photo).result()


def test_several_photographs_are_refused(own: cs.Network, own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match="segment takes one image at a time, not 2"):
        cs.segment(own, torch.cat([own_photo] * 2)).result()


# Outlines of objects in the photographs that are always there, drawn by hand: x, y in pixels.
OUTLINES: dict[str, tuple[str | None, list[tuple[int, int]]]] = {
    "chelsea": (
        None,
        [(15, 70), (40, 45), (60, 20), (70, 0), (375, 0), (378, 20), (376, 60), (350, 80)]
        + [(362, 110), (362, 150), (360, 180), (345, 215), (320, 245), (290, 275), (240, 283)]
        + [(180, 290), (150, 299), (25, 299), (30, 270), (30, 200), (45, 150), (40, 110)],
    ),
    "coffee": (
        "espresso",
        [(172, 115), (176, 80), (195, 50), (230, 28), (280, 18), (330, 22), (370, 40), (395, 70)]
        + [(402, 100), (400, 145), (385, 190), (365, 225), (340, 245), (300, 255), (255, 252)]
        + [(250, 285), (235, 305), (205, 308), (198, 290), (210, 260), (215, 240), (190, 205)]
        + [(178, 165)],
    ),
    "rocket": (
        "missile",
        [(309, 395), (311, 160), (313, 145), (319, 132), (325, 132), (331, 145), (333, 160)]
        + [(334, 200), (333, 405), (309, 405)],
    ),
}


@pytest.mark.parametrize("name", OUTLINES)
def test_the_segment_of_a_cat_is_the_cat(net: cs.Network, name: str) -> None:
    """The overlap with hand-drawn outlines. By ranks of the maps they were .18, .65 and .08."""
    target, outline = OUTLINES[name]
    photo = cs.open_image(f"sample:{name}")
    drawn = Image.new("L", (photo.shape[3], photo.shape[2]))
    ImageDraw.Draw(drawn).polygon(outline, fill=1)
    found = cs.segment(net, photo, target=target).result().arrays["mask"][0]
    assert overlap(found, torch.from_numpy(np.asarray(drawn, bool))) > 0.55
