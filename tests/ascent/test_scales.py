from __future__ import annotations

import torch

from convscope.ascent import doubling_sizes, paste, patches
from convscope.tensors import luma, recolored


def test_sizes_by_hand() -> None:
    assert doubling_sizes((200, 400), 100) == [(100, 200), (141, 283), (200, 400)]
    assert doubling_sizes((200, 400), 100, 2) == [(141, 283), (200, 400)]
    assert doubling_sizes((50, 80), 100) == [(50, 80)]


def test_patches_cover_the_image_and_overlap() -> None:
    assert patches((10, 8), 16) == [(slice(0, 10), slice(0, 8))]
    columns = [place[1] for place in patches((8, 40), 16)]
    assert [(one.start, one.stop) for one in columns] == [(0, 16), (12, 28), (24, 40)]


def test_a_patch_fades_at_inner_edges_only() -> None:
    canvas, patch = torch.zeros(1, 1, 4, 40), torch.ones(1, 1, 4, 16)
    row = paste(canvas, patch, (slice(0, 4), slice(12, 28)))[0, 0, 2]
    assert row[12:28].tolist() == [0.25, 0.75, *[1] * 12, 0.75, 0.25]
    assert not row[:12].any()
    assert not canvas.any()
    assert paste(canvas[..., :16], patch, (slice(0, 4), slice(0, 16))).eq(1).all()


def test_patches_of_one_image_give_the_image() -> None:
    image, canvas = torch.rand(1, 3, 20, 33), torch.zeros(1, 3, 20, 33)
    for rows, columns in patches((20, 33), 16):
        canvas = paste(canvas, image[..., rows, columns], (rows, columns))
    torch.testing.assert_close(canvas, image)


def test_recolored_keeps_the_differences_of_colors() -> None:
    image = torch.rand(1, 3, 6, 7)
    torch.testing.assert_close(recolored(luma(image), image), image)
    bright = recolored(torch.full((1, 1, 6, 7), 2.0), image)
    torch.testing.assert_close(bright.diff(dim=1), image.diff(dim=1))
    torch.testing.assert_close(bright.amax(1), torch.ones(1, 6, 7))
