"""Methods and targets side by side."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import convscope as cs
from convscope.runs import registry
from convscope.trust import methods
from convscope.types.frames import Frame
from convscope.types.panels import Bars, HeatMap, Picture, Sheet
from tests.helpers import toys

QUICK: dict[str, Any] = {"methods": ("saliency", "gradcam", "guided_backprop")}


def frames(net: cs.Network, photo: Tensor, **options: Any) -> list[Frame]:
    return list(registry.get("compare").run(net, photo, **{**QUICK, **options}).frames())


def sheet(frame: Frame) -> Sheet:
    (found,) = [panel for panel in frame.panels if isinstance(panel, Sheet)]
    return found


def test_a_row_is_a_target_and_a_column_a_method(own: cs.Network, own_photo: Tensor) -> None:
    targets: tuple[str | int, ...] = (1, "head:2", 0)
    frame = frames(own, own_photo, target=targets)[-1]
    table = sheet(frame)
    assert table.columns == 3
    assert table.rows == ("class 1", "head:2", "class 0")
    assert list(frame.arrays) == ["saliency", "gradcam", "guided_backprop"]
    assert frame.summary["targets"] == ["class 1", "head:2", "class 0"]
    for row, target in enumerate(targets):
        for column, method in enumerate(frame.arrays):
            alone = methods.attribute(own, own_photo, method, target)
            assert alone.heatmap is not None
            assert torch.equal(frame.arrays[method][row], alone.heatmap[0])
            shown = table.maps[3 * row + column]
            drawn = methods.over_photo(alone, own_photo[0], own.box(own_photo))
            assert torch.equal(shown.values, drawn.values)
            assert shown.box == own.box(own_photo)
            assert shown.signed == drawn.signed


def test_a_column_has_one_scale(own: cs.Network, own_photo: Tensor) -> None:
    frame = frames(own, own_photo, target=(0, 1, 2))[-1]
    maps = sheet(frame).maps
    for column, clip in enumerate((0.995, 1, 0.995)):  # saliency, gradcam, guided: two flicker
        tiles = maps[column::3]
        (top,) = {tile.top for tile in tiles}
        sizes = [np.quantile(tile.values.abs(), clip, method="nearest") for tile in tiles]
        assert top == pytest.approx(max(sizes))
        assert len({float(tile.values.abs().max()) for tile in tiles}) > 1
    assert len({tile.top for tile in maps}) == 3


def test_how_alike_the_rows_are(own: cs.Network, own_photo: Tensor) -> None:
    """Of the first row and the one least like it."""
    frame = frames(own, own_photo, target=(0, 1, 2))[-1]
    (bars,) = [panel for panel in frame.panels if isinstance(panel, Bars)]
    alike: Any = frame.summary["similarity"]
    for method, maps in frame.arrays.items():
        expected = min(methods.similarity(maps[0], other) for other in maps[1:])
        assert alike[method] == pytest.approx(expected)
    assert bars.values == tuple(alike.values())
    assert bars.names == ("Saliency map", "Grad-CAM", "Guided backpropagation")
    same = frames(own, own_photo, target=(1, 1))[-1]
    assert list(same.summary["similarity"].values()) == pytest.approx([1, 1, 1])


def test_without_targets_the_two_top_classes(own: cs.Network, own_photo: Tensor) -> None:
    top = [one.label for one in own.predict(own_photo, 2)]
    assert frames(own, own_photo)[-1].summary["targets"] == top


def test_one_target_has_nothing_to_be_like(own: cs.Network, own_photo: Tensor) -> None:
    frame = frames(own, own_photo, target=("blocks:3",))[-1]
    assert frame.summary["similarity"] == {}
    assert not any(isinstance(panel, Bars) for panel in frame.panels)


def test_a_column_at_a_time(own: cs.Network, own_photo: Tensor) -> None:
    run = frames(own, own_photo)
    assert [sheet(frame).columns for frame in run] == [1, 2, 3]
    assert [frame.step for frame in run] == [1, 2, 3]
    assert {frame.steps for frame in run} == {3}


def test_each_photograph_has_its_own_rows(own: cs.Network, own_photo: Tensor) -> None:
    other = own_photo.flip(2, 3)
    frame = frames(own, own_photo, target=(1, 0), beside=other)[-1]
    assert sheet(frame).rows == (
        "photograph 1: class 1",
        "photograph 1: class 0",
        "photograph 2: class 1",
        "photograph 2: class 0",
    )
    assert frame.summary["photographs"] == ["photograph 1"] * 2 + ["photograph 2"] * 2
    assert frame.summary["targets"] == ["class 1", "class 0"] * 2
    for row, (image, target) in enumerate([(own_photo, 1), (own_photo, 0), (other, 1), (other, 0)]):
        alone = methods.attribute(own, image, "saliency", target)
        assert alone.heatmap is not None
        assert torch.equal(frame.arrays["saliency"][row], alone.heatmap[0])
        shown = sheet(frame).maps[3 * row]
        assert shown.photo is not None
        assert torch.equal(shown.photo, image[0])


def test_without_targets_the_top_class_of_each_photograph(
    own: cs.Network, own_photo: Tensor, tmp_path: Path
) -> None:
    """Named by their files; the file is opened again when the picture is replayed."""
    paths = [tmp_path / "cat.png", tmp_path / "dog.png"]
    for path, image in zip(paths, (own_photo, 1 - own_photo), strict=True):
        Image.fromarray((255 * image[0]).byte().permute(1, 2, 0).numpy()).save(path)
    cat, dog = map(cs.open_image, paths)
    run = cs.compare(own, cat, beside=(dog, str(paths[0])), **QUICK)
    top = [own.predict(one, 1)[0].label for one in (cat, dog, cat)]
    frame = list(run.frames())[-1]
    assert frame.summary["targets"] == top
    parameters: Any = run.provenance["parameters"]
    assert parameters["beside"] == (str(paths[1]), str(paths[0]))
    assert sheet(frame).rows[2] == f"photograph 3: {top[2]}"  # two have the same name
    two = frames(own, cat, beside=dog)[-1]
    assert sheet(two).rows == (f"cat.png: {top[0]}", f"dog.png: {top[1]}")


def test_a_method_that_fails_is_skipped_and_the_others_are_shown(own_photo: Tensor) -> None:
    """The toy has another head than CAM explains, and predict is no attribution."""
    net = cs.Network(toys.Toy(), mean=[0.0], std=[1 / 16], input_size=4)
    wanted = ("cam", "saliency", "predict", "occlusion", "gradcam")
    run = cs.compare(net, toys.TOY_IMAGE / 16, methods=wanted)
    result = run.result()
    assert list(result.arrays) == ["saliency", "gradcam"]
    skipped: Any = result.summary["skipped"]
    assert list(skipped) == ["cam", "predict", "occlusion"]
    assert "there is more than a mean" in skipped["cam"]
    assert "predict is no attribution" in skipped["predict"]
    assert "a patch of 56 pixels hides more than the image" in skipped["occlusion"]
    for frame in run:  # the first has nothing to compare yet
        frame.picture.load()
    first = next(iter(run.frames()))
    (panel,) = first.panels
    assert isinstance(panel, Picture)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "all": ({"methods": ("predict",)}, r"compare: predict is no attribution"),
    "unknown method": ({"methods": ("saliency", "gradcm")}, r"unknown technique 'gradcm'; did you"),
    "unknown target": ({"target": ("nothing",)}, r"unknown class or layer 'nothing'"),
    "no method": ({"methods": ()}, r"methods: .* at least 1 item"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refusals(own: cs.Network, own_photo: Tensor, kind: str) -> None:
    options, message = REFUSED[kind]
    with pytest.raises(cs.ConvscopeError, match=message) as raised:
        cs.compare(own, own_photo, **options).result()
    assert "\n" not in str(raised.value)


def test_other_photographs_that_are_none(own: cs.Network, own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"no image at .*nothing\.png"):
        frames(own, own_photo, beside="nothing.png")
    with pytest.raises(cs.ConvscopeError, match="beside takes one image at a time, not 2"):
        frames(own, own_photo, beside=torch.cat([own_photo] * 2))


def test_several_photographs_are_refused(own: cs.Network, own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match="compare takes one image at a time, not 2"):
        cs.compare(own, torch.cat([own_photo] * 2)).result()


def test_all_methods_at_once(own: cs.Network, own_photo: Tensor) -> None:
    result = cs.compare(own, own_photo, methods=tuple(methods.names()), target=(0, 2)).result()
    assert list(result.summary["skipped"]) == ["occlusion"]
    assert set(result.arrays) == set(methods.names()) - {"occlusion"}
    assert all(np.isfinite(maps).all() for maps in result.arrays.values())
    assert min(result.picture.size) > 100
    frame = list(registry.get("compare").run(own, own_photo, target=(0,)).frames())[-1]
    assert all(isinstance(tile, HeatMap) and tile.photo is not None for tile in sheet(frame).maps)


def test_a_row_for_each_network(own: cs.Network, own_photo: Tensor) -> None:
    """The first one names the class; maps of another size are shown at that of the first."""
    size = own.input_size[0]
    settings: Any = {"mean": own.mean, "std": own.std}
    other = cs.Network(
        toys.randomized(copy.deepcopy(own.module)), **settings, input_size=size, name="other"
    )
    larger = cs.Network(own.module, **settings, input_size=size + 8, name="larger")
    frame = frames(own, own_photo, nets=(other, larger), methods=("saliency",))[-1]
    top = own.predict(own_photo, 1)[0].index
    names = [own.name, "other", "larger"]
    assert frame.summary["networks"] == names
    assert sheet(frame).rows == tuple(f"{name}: class {top}" for name in names)
    maps = frame.arrays["saliency"]
    for row, net in enumerate((own, other, larger)):
        found = methods.attribute(net, own_photo, "saliency", top).heatmap
        assert found is not None
        if net is larger:
            assert found.shape[-2:] != maps.shape[-2:]
            resize = torch.nn.Upsample(maps.shape[-2:], mode="bilinear")
            found = resize(found[None])[0]
        torch.testing.assert_close(maps[row], found[0], rtol=1e-4, atol=1e-6)
