"""How near a texture comes to its sample, by hand."""

from __future__ import annotations

import pytest
import torch

from convscope.stylization import seam


def test_a_seam_by_hand() -> None:
    ramp = torch.arange(5.0).expand(1, 3, 4, 5)
    assert seam(ramp) == pytest.approx(4), "from 4 back to 0, where neighbors differ by 1"
    wave = torch.sin(torch.arange(64) * 2 * torch.pi / 64).expand(1, 3, 64, 64)
    assert seam(wave) == pytest.approx(1, abs=0.6)
