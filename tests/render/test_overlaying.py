"""`cs.overlay`: pixels worked out by hand, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import convscope as cs

RED, BLUE = np.array([220, 58, 52]), np.array([43, 123, 214])
GRAY = torch.full((3, 2, 4), 0.4)
GROUND = round(255 * (0.15 + 0.7 * 0.4))  # of the gray image, lightened


def test_a_signed_heatmap_over_gray() -> None:
    heatmap = torch.tensor([[0.0, 2.0, -2.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    found = cs.overlay(GRAY, heatmap)
    assert found.shape == (2, 4, 3)
    assert found.dtype == np.uint8
    expected = [
        [GROUND] * 3,
        0.15 * GROUND + 0.85 * RED,
        0.15 * GROUND + 0.85 * BLUE,
        (1 - 0.425) * GROUND + 0.425 * RED,
    ]
    assert np.abs(found[0] - np.array(expected)).max() <= 1
    assert (found[1] == GROUND).all()


def test_where_colors_saturate() -> None:
    heatmap = np.full((2, 4), -1.0)
    half = cs.overlay(GRAY, heatmap, top=2)[0, 0]
    assert np.abs(half - ((1 - 0.425) * GROUND + 0.425 * BLUE)).max() <= 1
    assert np.array_equal(cs.overlay(GRAY, heatmap, top=0.5), cs.overlay(GRAY, heatmap))


def test_a_box_is_where_the_map_lies() -> None:
    photo = torch.full((1, 3, 10, 20), 0.4)
    found = cs.overlay(photo, np.ones((2, 2)), box=(0, 5, 10, 10))
    assert found.shape == (10, 20, 3)
    assert (found[:, :5] == round(GROUND * 0.3)).all()
    assert (found[:, 15:] == found[0, 0]).all()
    assert len(np.unique(found[:, 5:15].reshape(-1, 3), axis=0)) == 1
    assert (found[:, 5] != found[0, 0]).any()


PHOTO = torch.rand(3, 6, 8, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255
BYTES = (PHOTO * 255).round().byte().permute(1, 2, 0).numpy()
HEAT = torch.linspace(0, 1, 48).view(6, 8)


@pytest.mark.parametrize(
    "image",
    [
        PHOTO,
        PHOTO[None],
        PHOTO.numpy(),
        PHOTO.permute(1, 2, 0),
        PHOTO[None].permute(0, 2, 3, 1).numpy(),
        PHOTO.double().requires_grad_(),
        BYTES,
        torch.from_numpy(BYTES),
        Image.fromarray(BYTES),
        (PHOTO.permute(1, 2, 0)).tolist(),
    ],
)
def test_images_of_every_kind(image: Any) -> None:
    expected = cs.overlay(PHOTO, HEAT)
    for heatmap in (HEAT, HEAT.numpy(), HEAT.double(), HEAT.clone().requires_grad_()):
        assert np.array_equal(cs.overlay(image, heatmap), expected)


def test_gray_images() -> None:
    gray = PHOTO[:1]
    expected = cs.overlay(gray.expand(3, -1, -1), HEAT)
    for image in (gray, gray[0], gray[None], gray.permute(1, 2, 0)):
        assert np.array_equal(cs.overlay(image, HEAT), expected)


def test_several_heatmaps() -> None:
    heats = torch.stack([HEAT, 5 * HEAT.flip(1)])
    one, other = cs.overlay(PHOTO, heats[0]), cs.overlay(PHOTO, heats[1])
    for image in (PHOTO, torch.stack([PHOTO, PHOTO])):
        for maps in (heats, heats[:, None]):
            found = cs.overlay(image, maps)
            assert found.shape == (2, 6, 8, 3)
            assert np.array_equal(found, np.stack([one, other]))
    assert cs.overlay(PHOTO, HEAT[None]).shape == (1, 6, 8, 3)


def test_what_a_result_holds(own: cs.Network, own_photo: torch.Tensor) -> None:
    result = cs.saliency(own, own_photo, target=1).result()
    found = cs.overlay(own_photo, result.heatmap, box=own.box(own_photo))
    assert found.shape == (*own_photo.shape[-2:], 3)
    inside = cs.overlay(own.preprocess(own_photo), result.heatmap)
    assert inside.shape == (*own.input_size, 3)


@pytest.mark.parametrize(
    ("image", "heatmap", "words"),
    [
        (
            torch.rand(3, 12, 16),
            HEAT,
            r"6 x 8 pixels and the image 12 x 16; .*box=\(0, 0, 12, 16\)",
        ),
        (PHOTO * 255, HEAT, "values from .* to 2.*; give numbers from 0 to 1, or bytes"),
        (PHOTO - 0.5, HEAT, "values from -0"),
        ((PHOTO * 255).int(), HEAT, "the image has numbers of type int32"),
        (PHOTO, HEAT > 0.5, "the heatmap has numbers of type bool"),
        (PHOTO * float("nan"), HEAT, "the image has values that are NaN"),
        (PHOTO, HEAT / 0, "the heatmap has values that are NaN"),
        (torch.rand(3, 8, 3), torch.rand(8, 3), "both the first and the last"),
        (torch.rand(4, 8, 5), torch.rand(8, 5), "neither the first nor the last"),
        (torch.rand(2, 3, 6, 8), HEAT, "1 heatmaps do not fit 2 images"),
        (torch.rand(1, 1, 3, 6, 8), HEAT, r"the shape \(1, 1, 3, 6, 8\)"),
        (PHOTO, torch.rand(8), r"the shape \(8,\), not \(H, W\)"),
        (PHOTO, torch.rand(2, 3, 6, 8), r"the shape \(2, 3, 6, 8\)"),
        (torch.rand(3, 0, 4), torch.rand(0, 4), "shape"),
    ],
)
def test_what_is_refused(image: Any, heatmap: Any, words: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=words) as refused:
        cs.overlay(image, heatmap)
    assert len(str(refused.value).splitlines()) == 1
