"""The fast convolutions are the plain ones, in float64 within rounding."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from convscope.stylization import StyleNetwork, draw
from convscope.stylization.convolving import convolution
from convscope.stylization.network import Stage
from tests.helpers.styles import NAMES, small_styles


@pytest.mark.parametrize("size", [(5, 5), (16, 23), (31, 8)])
@pytest.mark.parametrize(
    "stage",
    [
        Stage(1, (3, 16), 9),
        Stage(1, (16, 3), 9, relu=False),
        Stage(1, (12, 7), 5),
        Stage(1, (4, 8), stride=2),
        Stage(1, (8, 8)),
        Stage(1, (8, 4), enlarge=2),
        Stage(1, (5, 3), 5, enlarge=2),
        Stage(1, (6, 5), enlarge=3),
    ],
)
def test_they_are_the_plain_ones(stage: Stage, size: tuple[int, int]) -> None:
    stage = stage.double()
    values = torch.rand(1, stage.conv.in_channels, *size, dtype=torch.float64)
    with torch.no_grad():
        larger = values.repeat_interleave(stage.enlarge, 2).repeat_interleave(stage.enlarge, 3)
        mirrored = F.pad(larger, [stage.conv.kernel_size[0] // 2] * 4, mode="reflect")
        expected = F.conv2d(mirrored, stage.conv.weight, stride=stage.conv.stride)
        found = convolution(stage)(values)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14 * stage.conv.weight[0].numel())


@pytest.mark.parametrize("size", [(16, 16), (33, 50)])
def test_a_drawing_is_what_the_network_gives(size: tuple[int, int]) -> None:
    exact = StyleNetwork(NAMES, 4, 2).double().eval()
    exact.load_state_dict(small_styles().state_dict())
    image = torch.rand(1, 3, *size, dtype=torch.float64)
    weights = exact.weights({"sea": 0.3, "moss": 0.7}).double()
    with torch.no_grad():
        expected = exact(image, weights)  # in float32, for the sigmoid
    found = draw(exact, image, weights).float()
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-7)
