"""Runs and results: what is independent of any technique."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import convscope as cs
from convscope.files import images, read_provenance
from convscope.runs.run import Run
from convscope.runs.saving import save_run
from convscope.types.frames import Frame
from convscope.types.panels import Picture


def gray(value: float) -> Tensor:
    return torch.full((1, 3, 8, 8), value)


def counting(steps: int, fail_at: int = 0) -> Any:
    """Frames whose picture is as gray as they are late."""

    def begin() -> Iterator[Frame]:
        for step in range(1, steps + 1):
            if step == fail_at:
                raise cs.ConvscopeError("enough")
            image = gray(step / steps)
            yield Frame(panels=(Picture(image[0]),), image=image, step=step, steps=steps)

    return begin


def run_of(begin: Any, net: cs.Network, image: Tensor | None = None, **parameters: Any) -> Run:
    return Run("counting", begin, net, image, parameters)


# ------------------------------------------------------------------------------------ arrays


def test_arrays_are_numpy_without_the_batch(own: cs.Network) -> None:
    frame = Frame(
        image=torch.rand(1, 3, 4, 5),
        gradient=torch.rand(1, 3, 4, 5),
        heatmap=torch.rand(1, 4, 5),
        score=torch.tensor([2.5]),
        arrays={"codes": torch.arange(3)},
        panels=(Picture(torch.zeros(3, 2, 2)),),
    )
    result = run_of(lambda: iter([frame]), own).result()
    assert frame.image is not None
    assert frame.gradient is not None
    assert frame.heatmap is not None
    assert result.image is not None
    assert result.gradient is not None
    assert result.heatmap is not None
    np.testing.assert_array_equal(result.image[0, 1, 2], frame.image[0, :, 1, 2])
    assert result.image.shape == (1, 4, 5, 3)
    np.testing.assert_array_equal(result.gradient, frame.gradient[0])
    np.testing.assert_array_equal(result.heatmap, frame.heatmap[0])
    assert result.score == 2.5
    assert isinstance(result.score, float)
    np.testing.assert_array_equal(result.arrays["codes"], [0, 1, 2])
    assert "heatmap" in repr(result)
    assert "codes" in repr(result)


def test_several_images_keep_their_batch(own: cs.Network) -> None:
    frame = Frame(
        gradient=torch.rand(2, 3, 4, 5), heatmap=torch.rand(2, 4, 5), score=torch.tensor([1.0, 2.0])
    )
    result = run_of(lambda: iter([frame]), own).result()
    assert result.gradient is not None
    assert result.heatmap is not None
    assert result.gradient.shape == (2, 3, 4, 5)
    assert result.heatmap.shape == (2, 4, 5)
    np.testing.assert_array_equal(result.score, [1, 2])


def test_what_a_frame_has_not_is_none(own: cs.Network) -> None:
    result = run_of(lambda: iter([Frame()]), own).result()
    assert (result.image, result.gradient, result.heatmap, result.score) == (None,) * 4
    assert result.arrays == {}
    with pytest.raises(cs.ConvscopeError, match="nothing to show"):
        _ = result.picture


# ------------------------------------------------------------------------------------- going


def test_a_run_without_frames_says_so(own: cs.Network, tmp_path: Path) -> None:
    run = run_of(lambda: iter([]), own)
    for ask in (run.result, lambda: run.save(tmp_path / "a.png"), lambda: run.save("a.gif")):
        with pytest.raises(cs.ConvscopeError, match="gave no frame"):
            ask()
    assert list(tmp_path.iterdir()) == []


def test_the_result_is_computed_once(own: cs.Network) -> None:
    begun = []

    def begin() -> Iterator[Frame]:
        begun.append(1)
        yield from counting(3)()

    run = run_of(begin, own)
    assert run.result() is run.result()
    assert run.result().step == 3
    assert len(begun) == 1


def test_an_error_on_the_way_reaches_the_caller(own: cs.Network, tmp_path: Path) -> None:
    run = run_of(counting(5, fail_at=3), own)
    seen: list[int] = []
    with pytest.raises(cs.ConvscopeError, match="enough"):
        seen.extend(r.step for r in run)
    with pytest.raises(cs.ConvscopeError, match="enough"):
        run.save(tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------ saving


def levels(file: Path) -> list[int]:
    """The gray of each frame of an animation."""
    with Image.open(file) as picture:
        found = []
        for i in range(getattr(picture, "n_frames", 1)):
            picture.seek(i)
            found.append(int(np.asarray(picture.convert("L"))[4, 4]))
    return found


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_an_animation_holds_every_step_of_a_short_run(
    own: cs.Network, tmp_path: Path, suffix: str
) -> None:
    file = run_of(counting(5), own).save(tmp_path / f"a.{suffix}")
    expected = [round(255 * step / 5) for step in range(1, 6)]
    assert np.abs(np.subtract(levels(file), expected)).max() <= 2


def test_a_long_run_is_thinned_evenly_and_keeps_its_ends(own: cs.Network, tmp_path: Path) -> None:
    file = save_run(run_of(counting(51), own), tmp_path / "a.gif", limit=6)
    expected = [round(255 * step / 51) for step in (1, 11, 21, 31, 41, 51)]
    assert np.abs(np.subtract(levels(file), expected)).max() <= 2


def test_what_is_left_of_a_long_run_is_evenly_spaced(own: cs.Network, tmp_path: Path) -> None:
    file = save_run(run_of(counting(20), own), tmp_path / "a.gif", limit=12)
    expected = [round(255 * step / 20) for step in (1, *range(2, 21, 2))]
    assert np.abs(np.subtract(levels(file), expected)).max() <= 2


def test_a_film_holds_every_step(own: cs.Network, tmp_path: Path) -> None:
    import av

    file = run_of(counting(70), own).save(tmp_path / "a.mp4")
    assert read_provenance(file)["technique"] == "counting"
    with av.open(str(file)) as opened:
        found = [int(frame.to_ndarray(format="gray8")[4, 4]) for frame in opened.decode(video=0)]
    expected = [255 * min(step, 70) / 70 for step in range(1, 70 + 26)]
    assert np.abs(np.subtract(found, expected)).max() <= 4


def test_a_run_broken_off_ends_with_its_last_frame(own: cs.Network, tmp_path: Path) -> None:
    steps = iter(run_of(counting(51), own))
    first = [next(steps) for _ in range(14)]
    file = save_run(first, tmp_path / "a.gif", limit=6)
    expected = [round(255 * step / 51) for step in (1, 11, 14)]
    assert np.abs(np.subtract(levels(file), expected)).max() <= 2


def test_a_still_picture_is_the_last_frame(own: cs.Network, tmp_path: Path) -> None:
    file = run_of(counting(4), own).save(tmp_path / "a.png")
    assert levels(file) == [255]


def test_a_result_saves_itself_and_not_the_run(own: cs.Network, tmp_path: Path) -> None:
    first = next(iter(run_of(counting(4), own)))
    assert levels(first.save(tmp_path / "a.gif")) == [64]


def test_a_folder_that_is_not_there(own: cs.Network, tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match="no folder"):
        run_of(counting(1), own).save(tmp_path / "nowhere" / "a.png")


# ------------------------------------------------------------------------------------ recipe


def test_recipe_says_where_everything_came_from(own: cs.Network, tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.png")
    photo = cs.open_image(tmp_path / "photo.png")
    recipe = run_of(counting(1), own, photo, rate=0.5).provenance
    assert recipe["technique"] == "counting"
    assert recipe["parameters"] == {"rate": 0.5}
    assert recipe["network"] == {"name": "Own", "own": True}
    assert recipe["image"] == images.source(photo)
    assert recipe["convscope"] == cs.__version__
    assert recipe["torch"] == torch.__version__
    assert json.loads(json.dumps(recipe)) == recipe


def test_an_image_of_unknown_origin(own: cs.Network, own_photo: Tensor) -> None:
    recipe = run_of(counting(1), own, own_photo).provenance
    assert (recipe["image"], recipe["takes_image"]) == (None, True)
    recipe = run_of(counting(1), own).provenance
    assert (recipe["image"], recipe["takes_image"]) == (None, False)


def test_a_loaded_network_is_known_by_how_it_was_loaded(net: cs.Network) -> None:
    recipe = run_of(counting(1), net).provenance
    expected = {"name": "efficientnet_lite0", "pretrained": True, "checkpoint": None}
    assert recipe["network"] == expected


# -------------------------------------------------------------------------------- notebooks


@pytest.mark.parametrize("inside", [True, False])
def test_show_displays_below_the_cell_only_in_a_notebook(
    own: cs.Network, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    displayed: list[object] = []
    opened: list[object] = []
    python, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    formatter = types.SimpleNamespace(active_types=["text/plain", *["text/html"] * inside])
    shell = types.SimpleNamespace(display_formatter=formatter)
    python.get_ipython = lambda: shell  # type: ignore[attr-defined]
    display.display = displayed.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(Image.Image, "show", lambda self: opened.append(self))
    result = run_of(counting(1), own).result()
    result.show()
    assert (displayed, opened) == (([result], []) if inside else ([], [result.picture]))


def test_a_terminal_shows_the_repr_and_computes_nothing(own: cs.Network) -> None:
    def begin() -> Iterator[Frame]:
        raise AssertionError("begun")
        yield

    with pytest.raises(NotImplementedError):  # IPython then shows the repr
        run_of(begin, own)._ipython_display_()
