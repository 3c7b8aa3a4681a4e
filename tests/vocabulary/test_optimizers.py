from __future__ import annotations

import pytest
import torch

from convscope.vocabulary.optimizers import adam


def test_the_rate_of_adam_falls() -> None:
    parameters = torch.zeros(3)
    optimizer = adam(0.1, lr_decay=0.5).build(parameters)
    for _ in range(3):
        parameters.grad = torch.tensor([1.0, -2.0, 5.0])
        optimizer.step()
    # While the gradient stays the same, Adam moves by its rate along the sign.
    moved = 0.1 + 0.05 + 0.025
    assert parameters.tolist() == pytest.approx([-moved, moved, -moved], rel=1e-5)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0125)
