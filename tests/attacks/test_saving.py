"""The photograph with the change: carried back, rounded, and still inside the ball."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from convscope.attacks import Ball, carried, in_bytes
from convscope.vocabulary.norms import NORMS, NormName

SIZE = 8


@pytest.fixture
def net() -> cs.Network:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(192, 3)).double()
    return cs.Network(module, mean=[0.5] * 3, std=[0.25] * 3, input_size=SIZE)


def photograph(height: int, width: int) -> Tensor:
    """In whole 255ths, from black to white."""
    generator = torch.Generator().manual_seed(2)
    levels = torch.randint(0, 256, (1, 3, height, width), generator=generator)
    return levels.double() / 255


@pytest.mark.parametrize("shape", [(8, 8), (16, 16), (13, 29), (20, 11)])
def test_the_network_sees_the_change_that_is_carried_back(
    net: cs.Network, shape: tuple[int, int]
) -> None:
    image = 0.3 + 0.4 * photograph(*shape)
    change = 0.01 * torch.randn(1, 3, SIZE, SIZE).double()
    back = carried(net, image, change)
    assert back.shape == image.shape
    seen = net.preprocess(image + back) - net.preprocess(image)
    assert float((seen - change).norm()) < 0.02 * float(change.norm())


def test_the_change_that_is_carried_back_is_the_least(net: cs.Network) -> None:
    """Against the pseudoinverse of what the network sees of each pixel."""
    image = torch.full((1, 3, 12, 16), 0.5).double()
    change = 0.01 * torch.randn(1, 3, SIZE, SIZE).double()
    gray = net.preprocess(image)
    columns = []
    for pixel in torch.eye(12 * 16).double().view(-1, 1, 12, 16):
        columns.append((net.preprocess(image + 0.1 * pixel) - gray)[0, 0].flatten() / 0.1)
    matrix = torch.stack(columns, 1).numpy()
    least = np.linalg.pinv(matrix) @ change.view(3, -1).numpy().T
    back = carried(net, image, change).view(3, -1).numpy().T
    np.testing.assert_allclose(back, least, atol=0.02 * abs(least).max())


@pytest.mark.parametrize("epsilon", [0.5 / 255, 1 / 255, 2.5 / 255, 8 / 255])
@pytest.mark.parametrize("norm", ["inf", "l2"])
def test_what_is_saved_stays_in_its_ball(norm: NormName, epsilon: float) -> None:
    image = photograph(40, 30).float()
    radius = epsilon if norm == "inf" else 60 * epsilon
    measure = NORMS[norm]
    change = measure.project(0.1 * torch.randn(image.shape), radius)
    saved = in_bytes(image, change, Ball(measure, radius))
    assert float(saved.min()) >= 0
    assert float(saved.max()) <= 1
    assert torch.equal((saved * 255).round() / 255, saved)
    assert float(measure.size(saved - image)) <= radius + 1e-7
    if radius >= 1 / 255:
        moved = saved - image
        assert moved.any()
        assert float((moved * change).sum()) > 0, "along the change"


def test_a_ball_that_holds_few_pixels_takes_those_that_change_most() -> None:
    image = torch.full((1, 3, 4, 4), 100 / 255)
    change = torch.linspace(-0.4, 0.39, 48).view(1, 3, 4, 4) / 255
    saved = in_bytes(image, change, Ball(NORMS["l2"], 2.01 / 255))  # holds 4 steps of 1/255
    moved = ((saved - image) * 255).round().flatten()
    order = change.flatten().abs().argsort(descending=True)
    assert moved.count_nonzero() <= 4
    kept = moved.nonzero().flatten().tolist()
    if len(kept) == 4:
        assert set(kept) == set(order[:4].tolist())
    torch.testing.assert_close(moved[kept], change.flatten()[kept].sign())


def test_the_mean_change_outlives_rounding() -> None:
    image = torch.full((1, 3, 64, 64), 100 / 255)
    saved = in_bytes(image, torch.full_like(image, 0.2 / 255))
    assert float((saved - image).mean()) == pytest.approx(0.2 / 255, rel=0.05)
    assert set(((saved - image) * 255).round().unique().tolist()) == {0, 1}


@pytest.mark.parametrize("norm", ["inf", "l2"])
@pytest.mark.parametrize("shape", [(8, 8), (17, 24)])
def test_pgd_saves_inside_its_ball(net: cs.Network, norm: NormName, shape: tuple[int, int]) -> None:
    image = photograph(*shape)
    epsilon = 2 / 255 if norm == "inf" else 0.05
    result = cs.pgd(net, image, norm=norm, epsilon=epsilon).result()
    size = result.summary["saved_linf" if norm == "inf" else "saved_l2"]
    assert 0 < size <= epsilon * (1 + 1e-6)
    saved = torch.from_numpy(result.image).permute(0, 3, 1, 2)
    assert float(saved.min()) >= 0
    assert float(saved.max()) <= 1
    said = net.logits(F.interpolate(saved, shape).double()).argmax(1)
    assert net.label(int(said)) == result.summary["saved_prediction"]
