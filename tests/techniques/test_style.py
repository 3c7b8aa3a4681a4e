from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from convscope.network import Network

STEPS: dict[str, Any] = {"sizes": 1, "steps": 3}


@pytest.fixture(scope="module")
def net() -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU()
    ).double()
    return Network(module, mean=[0.5] * 3, std=[0.25] * 3, input_size=24)


def colorful(height: int, width: int, seed: int) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 3, 5, 5, generator=chance, dtype=torch.float64)
    return F.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)


PHOTO, PAINTING, OTHER = colorful(24, 30, 0), colorful(28, 20, 1), colorful(20, 24, 2)


def drawn(net: Network, **options: Any) -> np.ndarray[Any, Any]:
    usual = {"style": PAINTING, "layer": ("1", "3"), "content_layer": "3", **STEPS}
    image = cs.style(net, PHOTO, **usual | options).result().image
    assert image is not None
    return image


def features(net: Network, image: Tensor) -> list[Tensor]:
    """The two activations by hand, from the user's own convolutions."""
    assert isinstance(net.module, nn.Sequential)
    first, _, second, _ = net.module
    early = F.relu(first((image - 0.5) / 0.25))
    return [early, F.relu(second(early))]


def test_the_parts_of_the_loss_by_hand(net: Network) -> None:
    run = cs.style(net, PHOTO, style=PAINTING, layer=("1", "3*2"), content_layer="3*0.5",
                   content=3, start="zeros", optimizer="adam", sizes=1, steps=2)  # fmt: skip
    first, second = run
    assert first.image is not None
    assert second.score is not None
    between = torch.from_numpy(first.image).permute(0, 3, 1, 2)

    def gram(values: Tensor) -> Tensor:
        flat = values.flatten(2)[0]
        return flat @ flat.T / flat.shape[1]

    def relative(found: Tensor, wanted: Tensor) -> float:
        return float((found - wanted).square().sum() / wanted.square().sum())

    expected = []
    with torch.no_grad():
        painting = F.interpolate(
            PAINTING, (28, 20), mode="bicubic", antialias=True, align_corners=False
        )
        for image in (torch.full_like(PHOTO, 0.5), between):
            here, there = features(net, image), features(net, painting)
            style = sum(
                weight * relative(gram(a), gram(b))
                for weight, a, b in zip((1, 2), here, there, strict=True)
            )
            expected.append((style, 3 * 0.5 * relative(here[1], features(net, PHOTO)[1])))
    styles, contents = zip(*expected, strict=True)
    assert second.summary["style_losses"] == pytest.approx(styles, rel=1e-9)
    assert second.summary["content_losses"] == pytest.approx(contents, rel=1e-9)
    pixels = first.image[0]
    rough = sum((np.diff(pixels, axis=axis) ** 2).sum() for axis in (0, 1)) / pixels.size
    assert rough > 1e-5
    total = styles[1] + contents[1] + 2 * rough
    assert second.score == pytest.approx(-total, rel=1e-9)


def test_the_loss_falls(net: Network) -> None:
    several: list[dict[str, Any]] = [
        {},
        {"optimizer": "adam"},
        {"prior": "fourier"},
        {"by": "centered"},
    ]
    for options in several:
        parts = cs.style(net, PHOTO, style=PAINTING, sizes=1, steps=45, **options).result().summary
        totals = [a + b for a, b in zip(*list(parts.values())[2:4], strict=True)]
        assert totals[-1] < 0.8 * totals[0]


def test_kept_colors_differ_in_brightness_only(net: Network) -> None:
    image = drawn(net, colors="photo", steps=30)[0]
    shown = PHOTO[0].permute(1, 2, 0).numpy()
    assert np.abs(image - shown).max() > 0.02
    assert np.diff(image, axis=2) == pytest.approx(np.diff(shown, axis=2), abs=1e-7)
    assert image.min() >= -1e-12
    assert image.max() <= 1 + 1e-12


def test_the_photograph_stays_where_the_mask_is_dark(net: Network) -> None:
    mask = torch.zeros(1, 1, 24, 30)
    mask[..., :12] = 1
    image, shown = drawn(net, mask=mask, feather=0, steps=30)[0], PHOTO[0].permute(1, 2, 0).numpy()
    assert np.array_equal(image[:, 12:], shown[:, 12:].astype(image.dtype))
    assert np.abs(image[:, :12] - shown[:, :12]).max() > 0.02


def test_a_mask_has_a_style_on_each_side(net: Network) -> None:
    mask = torch.zeros(1, 1, 24, 30)
    mask[..., :15] = 1
    options: dict[str, Any] = {"content": 0, "feather": 0, "steps": 90}
    image = drawn(net, style=(torch.ones(1, 3, 30, 30), torch.zeros(1, 3, 30, 30)), mask=mask,
                  **options)  # fmt: skip
    turned = drawn(net, style=(torch.zeros(1, 3, 30, 30), torch.ones(1, 3, 30, 30)), mask=1 - mask,
                   **options)  # fmt: skip
    assert image[0, :, :10].mean() > image[0, :, 20:].mean() + 0.2
    assert image == pytest.approx(turned, abs=1e-6)


def test_a_blend_of_one_is_that_one(net: Network) -> None:
    single = drawn(net)
    assert np.array_equal(drawn(net, style=(PAINTING, OTHER), weights=(2, 0)), single)
    assert np.array_equal(drawn(net, style=(OTHER, PAINTING), weights=(0, 1)), single)
    assert not np.array_equal(drawn(net, style=(OTHER, PAINTING)), single)


def test_a_patch_that_covers_all_is_the_whole(net: Network) -> None:
    assert np.array_equal(drawn(net, tile=30), drawn(net, tile=4000))
    patched = cs.style(net, PHOTO, style=PAINTING, tile=16, sizes=1, steps=2).result()
    assert patched.summary["patches"] == 2 * 3
    assert patched.image is not None
    assert patched.image.shape == (1, 24, 30, 3)


def test_sizes_double_in_pixels(net: Network) -> None:
    run = cs.style(net, PHOTO, style=PAINTING, size=300, sizes=2, steps=1, optimizer="adam")
    assert [result.summary["size"] for result in run] == [[170, 212], [240, 300]]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"style": torch.zeros(1, 3, 2, 9)}, r"a unit of '1' sees 3x3 pixels, more than the style"),
        (
            {"mask": torch.ones(1, 1, 9, 9)},
            "the mask of 9 x 9 pixels should be as large as the photograph of 24 x 30",
        ),
        ({"mask": torch.zeros(1, 1, 24, 30)}, "the mask is dark everywhere"),
        ({"style": (PAINTING,) * 3, "mask": torch.ones(1, 1, 24, 30)}, "a mask has two sides"),
        ({"weights": (1, 2)}, "1 style images and 2 weights"),
        ({"weights": (0,)}, "all weights are 0"),
        ({"style": ()}, "style"),
        ({"style": "nowhere.png"}, "no image at"),
    ],
)
def test_what_does_not_fit_is_refused(net: Network, options: dict[str, Any], told: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=told):
        drawn(net, **options)


def test_vgg19_has_the_layers_of_the_paper() -> None:
    from convscope.vocabulary.style_losses import style_loss

    loss = style_loss(cs.load("timm/vgg19", pretrained=False, device="cpu"))
    # Position in timm's and torchvision's list of modules: relu1_1 to relu5_1, and relu4_2.
    assert list(loss.style) == [f"features.{n}" for n in (1, 6, 11, 20, 29)]
    assert list(loss.content) == ["features.22"]
