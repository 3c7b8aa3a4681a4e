"""Efros-Leung: what is copied, what stays, what is refused, and the replay of a filled hole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import convscope as cs
from convscope import replay
from convscope.cli.main import main
from convscope.synthesis import Order, copies, nearest_places, surroundings
from convscope.types import Array


def photo(height: int = 30, width: int = 40, levels: int = 256) -> Tensor:
    chance = torch.Generator().manual_seed(0)
    return torch.randint(levels, (1, 3, height, width), generator=chance) / (levels - 1)


def hole(height: int = 30, width: int = 40) -> Tensor:
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[10:14, 20:25] = True
    return mask


def origins(result: cs.Result, sample: Tensor) -> Array:
    """The pixels (H, W, 3) of the sample that the result says it is made of."""
    rows, columns = np.moveaxis(result.arrays["sources"], 2, 0)
    pixels: Array = sample[0].permute(1, 2, 0).numpy()[rows, columns]
    return pixels


@pytest.mark.parametrize("order", ["onion", "scanline"])
@pytest.mark.parametrize("seed", [0, 5])
def test_a_texture_is_made_of_the_pixels_of_its_sample(order: Order, seed: int) -> None:
    sample = photo()
    result = cs.efros_leung(sample, window=5, height=20, width=24, order=order, seed=seed).result()
    assert result.image is not None
    assert result.image.shape == (1, 20, 24, 3)
    assert result.arrays["sources"].min() >= 0
    np.testing.assert_array_equal(result.image[0], origins(result, sample))


def test_live_frames_grow() -> None:
    run = cs.efros_leung(photo(), window=5, height=20, width=24)
    filled = [result.summary["filled"] for result in run]
    assert len(filled) == 100
    assert filled == sorted(filled)
    assert filled[-1] == 20 * 24 - 9
    first = next(iter(run))
    missing = first.arrays["sources"][..., 0] < 0
    assert missing.sum() == 20 * 24 - 9 - filled[0]
    assert first.image is not None
    assert (first.image[0][missing] == 0.5).all()


def test_a_hole_keeps_every_known_pixel() -> None:
    image, mask = photo(), hole()
    result = cs.efros_leung(image, window=5, mask=mask).result()
    assert result.image is not None
    before = image[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(result.image[0][~mask], before[~mask])
    np.testing.assert_array_equal(result.image[0][mask], origins(result, image)[mask])
    sources = result.arrays["sources"]
    assert (sources[~mask] == -1).all()
    rows, columns = sources[mask].T
    assert not mask[rows, columns].any()
    assert result.summary["filled"] == 20


def test_a_hole_in_stripes_is_filled_with_stripes() -> None:
    stripes = (torch.arange(40) // 2 % 2).float().expand(1, 3, 30, 40)
    result = cs.efros_leung(stripes, window=7, mask=hole()).result()
    assert result.image is not None
    np.testing.assert_array_equal(result.image[0], stripes[0].permute(1, 2, 0))


def test_sources_lie_in_the_photograph_though_only_a_part_is_looked_at() -> None:
    """A small limit looks at few pixels around the hole, far from the photograph's corner."""
    image, mask = photo(80, 90), torch.zeros(80, 90, dtype=torch.bool)
    mask[60:63, 70:73] = True
    result = cs.efros_leung(image, window=3, mask=mask, limit=30).result()
    assert result.summary["neighborhoods"] == 30
    assert result.image is not None
    rows, columns = result.arrays["sources"][mask].T
    assert rows.min() >= 55
    assert columns.min() >= 65
    np.testing.assert_array_equal(result.image[0][mask], origins(result, image)[mask])


def test_gray_is_compared_as_one_color() -> None:
    gray = photo()[:, :1].expand(1, 3, -1, -1)
    result = cs.efros_leung(gray, window=5, height=16, width=16).result()
    assert result.image is not None
    assert (result.image == result.image[..., :1]).all()


def test_masks_of_all_kinds(tmp_path: Path) -> None:
    file = tmp_path / "mask.png"
    Image.fromarray(hole().numpy()).save(file)
    kinds: tuple[Any, ...] = (
        hole(),
        hole().numpy(),
        hole()[None, None].float(),
        file,
        cs.open_image(file),
    )
    pictures = [cs.efros_leung(photo(), window=5, mask=kind).result().image for kind in kinds]
    for picture in pictures[1:]:
        np.testing.assert_array_equal(picture, pictures[0])


REFUSED = {
    "the sample of 30 x 40 pixels is smaller than the window of 31 x 31": {"window": 31},
    "reduced to 16 x 21, is smaller than the window": {"window": 17, "sample_size": 21},
    "has an odd number of pixels": {"window": 8},
    "the mask of 29 x 40 pixels should be as large as the photograph of 30 x 40": {
        "mask": hole(29)
    },
    "the mask marks every pixel": {"mask": torch.ones(30, 40)},
    "the mask marks no pixel": {"mask": torch.zeros(30, 40)},
    "no window of 21 x 21 pixels near the hole": {"mask": hole(), "window": 21},
    r"a mask has the shape \(H, W\) or \(1, C, H, W\), not \(3, 30, 40\)": {
        "mask": torch.ones(3, 30, 40)
    },
    "a photograph with a mask keeps its size; leave out height": {"mask": hole(), "height": 20},
    "no image at": {"mask": "no.png"},
    "less than or equal to 4096": {"width": 100_000},
}


@pytest.mark.parametrize("message", REFUSED)
def test_refusals(message: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=message):
        cs.efros_leung(photo(), **REFUSED[message]).result()  # type: ignore[arg-type]


def test_the_command_fills_a_hole_and_replay_fills_it_again(tmp_path: Path) -> None:
    pixels = (photo()[0].permute(1, 2, 0) * 255).round().byte().numpy()
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    Image.fromarray(hole().numpy()).save(tmp_path / "mask.png")
    made = tmp_path / "made.png"
    words = [str(tmp_path / "photo.png"), "--mask", str(tmp_path / "mask.png"), "--window", "5"]
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["efros_leung", *words, "-o", str(made)])
    with pytest.raises(cs.ConvscopeError, match=r"names the photograph .* the path .*mask\.png"):
        replay.remake(made)
    again = replay.remake(made, trust=True).save(tmp_path / "again.png")
    with Image.open(made) as one, Image.open(again) as other:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
        np.testing.assert_array_equal(np.asarray(one)[~hole()], pixels[~hole()])


# ------------------------------------------------------------------------ what it is made of


def test_copies_by_hand() -> None:
    """Three pixels of row 5 side by side, one below them, and one that lies apart."""
    sources = torch.full((4, 5, 2), -1)
    sources[0, 0:3] = torch.tensor([[5, 7], [5, 8], [5, 9]])
    sources[1, 2] = torch.tensor([6, 9])
    sources[1, 3] = torch.tensor([0, 0])
    sources[3, 0] = torch.tensor([8, 7])  # moved as the first, and not connected
    assert copies(sources) == (3, 4)
    assert copies(sources.transpose(0, 1)) == (1, 1)  # in the sample they lie otherwise
    assert copies(torch.full((4, 5, 2), -1)) == (0, 0)


def test_a_run_ends_with_its_row() -> None:
    """Two rows that the sample has one below the other, each from border to border."""
    grid = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
    assert copies(torch.stack(grid, 2)) == (3, 6)


def test_the_nearest_places_by_hand() -> None:
    free, center = torch.ones(5, 5, dtype=torch.bool), torch.zeros(5, 5, dtype=torch.bool)
    center[2, 2] = True
    free[2, 2] = False
    assert nearest_places(free, center, 4).tolist() == [[1, 2], [2, 1], [2, 3], [3, 2]]
    assert len(nearest_places(free, center, 100)) == 24


def test_surroundings_end_at_the_border() -> None:
    assert surroundings(hole(), 12) == (slice(0, 26), slice(8, 37))
