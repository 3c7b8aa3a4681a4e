"""Styles, blends, strips and masks on a photograph, and the same on the frames of a video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

import convscope as cs
from tests.helpers.styles import NAMES, small_styles, style_file
from tests.helpers.videos import frames, make_video

PHOTO = torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(3))


# The toy network in float32 is up to 2.5e-6 away from itself in float64, in any order of its sums.
def assert_close(found: torch.Tensor, expected: torch.Tensor, atol: float = 4e-6) -> None:
    torch.testing.assert_close(found, expected, atol=atol, rtol=0)


def stylized(image: torch.Tensor = PHOTO, **options: Any) -> torch.Tensor:
    found = cs.stylize(image, checkpoint=style_file(), **options).result().image
    assert found is not None
    return torch.from_numpy(found).permute(0, 3, 1, 2)


def drawn(**weights: float) -> torch.Tensor:
    """The network itself in float64, its numbers in float16 as in its file, on `PHOTO`."""
    net = small_styles()
    for value in net.parameters():
        value.copy_(value.half())
    row = torch.tensor([[weights.get(name, 0.0) for name in NAMES]], dtype=torch.float64)
    with torch.no_grad():
        picture: torch.Tensor = net.double()(PHOTO.double(), row)
    return picture


def test_one_style() -> None:
    assert_close(stylized(style="fire"), drawn(fire=1))


def test_weights_of_a_blend_are_shares() -> None:
    expected = drawn(sea=0.7, moss=0.3)
    for style in ({"sea": 0.7, "moss": 0.3}, ("sea=7", "moss=3"), {"sea": 2.1, "moss": 0.9}):
        assert_close(stylized(style=style), expected)
    assert_close(stylized(style=("sea", "moss")), drawn(sea=0.5, moss=0.5))


def test_a_blend_of_one_style_is_that_style_bit_for_bit() -> None:
    alone = stylized(style="sea")
    for style in ({"sea": 0.3}, {"sea": 1, "fire": 0}, {"fire": 0.0, "sea": 7.0}):
        assert torch.equal(stylized(style=style), alone)


def test_a_sheet_has_every_style() -> None:
    results = list(cs.stylize(PHOTO, checkpoint=style_file()))
    assert len(results) == 3
    assert results[-1].summary == {"styles": list(NAMES), "height": 40, "width": 60}
    expected = torch.cat([drawn(**{name: 1}) for name in NAMES])
    assert_close(stylized(), expected)
    large = torch.rand(1, 3, 100, 1024)
    assert stylized(large).shape == (3, 3, 50, 512)


def test_a_sheet_of_chosen_styles() -> None:
    both = stylized(sheet=("moss", "sea"))
    assert_close(both, torch.cat([drawn(moss=1), drawn(sea=1)]))
    assert_close(stylized(sheet="fire"), drawn(fire=1))


def test_a_sheet_under_a_mask() -> None:
    mask = torch.zeros(40, 60)
    mask[:, 30:] = 1
    both = stylized(sheet=("sea", "moss"), outside="fire", mask=mask)
    for picture, name in zip(both, ("sea", "moss"), strict=True):
        assert_close(picture[None, ..., 34:], drawn(**{name: 1})[..., 34:])
        assert_close(picture[None, ..., :26], drawn(fire=1)[..., :26])


def test_a_strip_fades_from_one_style_to_another() -> None:
    strip = stylized(style="sea", fade_to="moss", pictures=3)
    expected = [drawn(sea=1), drawn(sea=0.5, moss=0.5), drawn(moss=1)]
    assert_close(strip, torch.cat(expected))


def test_a_mask_divides_two_styles() -> None:
    mask = torch.zeros(40, 60)
    mask[:, 30:] = 1
    both = stylized(style="sea", outside="fire", mask=mask)
    assert_close(both[..., :26], drawn(fire=1)[..., :26])
    assert_close(both[..., 34:], drawn(sea=1)[..., 34:])
    alone = stylized(style="sea", mask=np.asarray(mask))
    assert_close(alone[..., :26], PHOTO[..., :26])


def test_a_size() -> None:
    assert stylized(style="sea", size=48).shape == (1, 3, 32, 48)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style": "fir"}, "unknown style 'fir'; did you mean 'fire'"),
        ({"style": "x"}, "unknown style 'x'; there are 'sea', 'fire', 'moss'"),
        ({"style": {"sea": -1.0}}, "the weight of sea must be a number from 0 on"),
        ({"style": "sea=much"}, "the weight of sea must be a number from 0 on"),
        ({"style": {"sea": 0.0}}, "the weights of a blend are all 0"),
        ({"style": ()}, "the weights of a blend are all 0"),
        ({"style": "sea", "mask": torch.zeros(40, 61)}, "the mask of 40 x 61 pixels should be"),
        ({"style": "sea", "outside": "fire"}, "a style outside of a mask needs a mask"),
        ({"sheet": ("sea", "fir")}, "unknown style 'fir'; did you mean 'fire'"),
        ({"sheet": ()}, "name at least one style"),
        ({"style": "sea", "sheet": "fire"}, "give either a style or the styles of a sheet"),
        ({"fade_to": "sea"}, "name the style that the pictures fade from"),
    ],
)
def test_what_is_wrong_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=message):
        stylized(**options)


def test_a_checkpoint_of_something_else(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.pt")
    with pytest.raises(cs.ConvscopeError, match=r"a\.pt is no style network"):
        cs.stylize(PHOTO, style="sea", checkpoint=str(tmp_path / "a.pt")).result()


def test_every_frame_of_a_video_is_drawn(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", 4)
    run = cs.stylize_video(
        source, tmp_path / "b.mp4", style="sea", checkpoint=style_file(), steady=0
    )
    results = list(run)
    assert run.result() == tmp_path / "b.mp4"
    assert [result.step for result in results] == [1, 2, 3, 4]
    for pixels, result in zip(frames(source), results, strict=True):
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
        assert result.image is not None
        made = torch.from_numpy(result.image).permute(0, 3, 1, 2)
        assert_close(made, stylized(image, style="sea"), 0.51 / 255)
    with av.open(str(tmp_path / "b.mp4")) as film:
        assert len(film.streams.audio) == 1


def test_a_video_fades(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", 3, sound=None)
    options: dict[str, Any] = {"checkpoint": style_file(), "steady": 0.0}
    run = cs.stylize_video(source, tmp_path / "b.mp4", style="sea", fade_to="moss", **options)
    for pixels, result, style in zip(
        frames(source), run, ({"sea": 1}, {"sea": 1, "moss": 1}, {"moss": 1}), strict=True
    ):
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
        assert result.image is not None
        made = torch.from_numpy(result.image).permute(0, 3, 1, 2)
        assert_close(made, stylized(image, style=style), 0.51 / 255)


def test_a_steady_video_flickers_less(tmp_path: Path) -> None:
    random, still = np.random.default_rng(0), np.full((48, 64, 3), 120.0)
    still[12:36, 16:48] = 200
    with av.open(str(tmp_path / "a.mkv"), "w") as film:
        stream = film.add_stream("libx264", 25, options={"crf": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(10):
            noisy = np.clip(still + random.normal(0, 6, still.shape), 0, 255).astype(np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
        film.mux(stream.encode())

    def flicker(steady: float) -> float:
        target = tmp_path / f"{steady}.mp4"
        run = cs.stylize_video(
            tmp_path / "a.mkv", target, style="sea", checkpoint=style_file(), steady=steady
        )
        images = np.concatenate([result.image for result in run if result.image is not None])
        return float(np.abs(np.diff(images[4:], axis=0)).mean())

    assert flicker(0.75) < 0.5 * flicker(0.0)


def test_a_video_needs_a_style_and_a_place(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", 1, sound=None)
    with pytest.raises(cs.ConvscopeError, match="a video needs a style"):
        cs.stylize_video(source, tmp_path / "b.mp4", style=None)
    with pytest.raises(cs.ConvscopeError, match=r"end it in \.mp4"):
        cs.stylize_video(source, tmp_path / "b.png", style="sea")
