"""TODO."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.attribution import Question, baseline_images
from convscope.errors import ConvscopeError
from convscope.system import batched

CURVE_STEPS = 32


def curves(
    question: Question, heatmap: Tensor, steps: int = CURVE_STEPS, batch_size: int = 16
) -> tuple[list[float], list[float]]:
    """Deletion and insertion: the score as pixels are hidden, or shown, in a map's order.

    Hidden pixels show the training images' mean, what is not shown yet a blurred photo, as Petsiuk
    et al. do; a class's score is its probability, another's is in parts of the whole photo's. Equal
    pixels come in a random order. Returns `steps` + 1 values each, from none to all pixels.

    Raises:
        ConvscopeError: a score of zero or below, of which there are no parts.
    """
    net, inputs, (unit,) = question.net, question.inputs, question.units
    of_class = unit is not None and unit.label is not None
    shuffled = torch.randperm(heatmap.numel(), generator=torch.Generator().manual_seed(0))
    order = shuffled[
        heatmap.detach().cpu().flatten()[shuffled].argsort(descending=True, stable=True)
    ]
    ranks = torch.empty(len(order), dtype=torch.long)
    ranks[order] = torch.arange(len(order))
    ranks = ranks.view(heatmap.shape).to(inputs.device)
    limits = torch.linspace(0, len(order), steps + 1)
    whole = 1.0 if of_class else float(question.score(inputs))
    if whole <= 0:
        raise ConvscopeError(f"the photo does not excite {unit}: there is no score to hide or show")

    def line(before: Tensor, after: Tensor) -> list[float]:
        def work(part: slice) -> Tensor:
            taken = ranks < limits[part].view(-1, 1, 1, 1).to(ranks.device)
            return question.score(torch.where(taken, after, before), probability=of_class)

        done = [value for parts in batched(steps + 1, batch_size, work) for _, value in parts]
        return (torch.cat(done) / whole).tolist()

    return line(inputs, baseline_images(net, inputs, "mean")), line(
        baseline_images(net, inputs, "blur"), inputs
    )


def moved_at_random(heatmap: Tensor, count: int, seed: int) -> list[Tensor]:
    """The map (H, W) flipped and rolled to random places."""
    chance = torch.Generator().manual_seed(seed)
    moved = []
    for _ in range(count):
        flips = [axis for axis in (0, 1) if torch.rand((), generator=chance) < 0.5]
        shifts = [int(torch.randint(side, (), generator=chance)) for side in heatmap.shape]
        moved.append(heatmap.flip(flips).roll(shifts, (0, 1)))
    return moved


def area(line: list[float]) -> float:
    """The area below a line over [0, 1], by trapezoids."""
    return float(torch.trapezoid(torch.tensor(line))) / (len(line) - 1)
