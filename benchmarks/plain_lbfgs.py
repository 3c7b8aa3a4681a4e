"""The reference for what `style` draws: L-BFGS of torch on the pixels, with no more around it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def losses(
    loss: Callable[[Tensor], Tensor], start: Tensor, evaluations: int, history: int
) -> list[float]:
    """The loss of an image (1, 3, H, W) at each evaluation, in their order."""
    image = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [image],
        max_iter=evaluations,
        max_eval=evaluations,
        history_size=history,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )
    found: list[float] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = loss(image)
        total.backward()
        found.append(float(total.detach()))
        return total

    optimizer.step(closure)
    return found
