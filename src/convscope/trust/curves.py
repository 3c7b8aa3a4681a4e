"""Deletion and insertion curves of a map, and the control: the same map moved at random."""

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
    """Deletion and insertion: the score as pixels are hidden, or shown, in the order of a map.

    As in Petsiuk et al., hidden pixels show the mean of the training images, and pixels that are
    not yet shown a blurred copy of the image. The score of a class is its probability; another
    score is divided by that of the whole image. Equal pixels come in a random order.

    Args:
        question: about one target of one image.
        heatmap: (H, W), highest first.
        steps: number of parts of the pixels.
        batch_size: number of images that the network gets at a time.

    Returns:
        The scores of deletion and of insertion, `steps` + 1 each, from no pixels to all.

    Raises:
        ConvscopeError: the score of the whole image is zero or less.
    """
    net, inputs, target = question.net, question.inputs, question.target
    ranks = _ranks(heatmap).to(inputs.device)
    limits = torch.linspace(0, ranks.numel(), steps + 1)
    whole = 1.0 if target.is_class else float(question.score(inputs))
    if whole <= 0:
        raise ConvscopeError(
            f"the image does not activate {target}: there is no score to hide or show"
        )

    def line(before: Tensor, after: Tensor) -> list[float]:
        def work(part: slice) -> Tensor:
            changed = ranks < limits[part].view(-1, 1, 1, 1).to(ranks.device)
            images = torch.where(changed, after, before)
            return question.score(images, probability=target.is_class)

        done = [value for parts in batched(steps + 1, batch_size, work) for _, value in parts]
        return (torch.cat(done) / whole).tolist()

    empty, blurred = (baseline_images(net, inputs, baseline) for baseline in ("mean", "blur"))
    return line(inputs, empty), line(blurred, inputs)


def _ranks(heatmap: Tensor) -> Tensor:
    """(H, W): 0 for the highest pixel, then 1; at random for equal ones."""
    shuffled = torch.randperm(heatmap.numel(), generator=torch.Generator().manual_seed(0))
    order = shuffled[
        heatmap.detach().cpu().flatten()[shuffled].argsort(descending=True, stable=True)
    ]
    ranks = torch.empty(len(order), dtype=torch.long)
    ranks[order] = torch.arange(len(order))
    return ranks.view(heatmap.shape)


def moved_at_random(heatmap: Tensor, count: int, seed: int) -> list[Tensor]:
    """Copies of the map (H, W), each flipped and rolled to a random place."""
    generator = torch.Generator().manual_seed(seed)
    moved = []
    for _ in range(count):
        flips = [axis for axis in (0, 1) if torch.rand((), generator=generator) < 0.5]
        shifts = [int(torch.randint(side, (), generator=generator)) for side in heatmap.shape]
        moved.append(heatmap.flip(flips).roll(shifts, (0, 1)))
    return moved


def area(line: list[float]) -> float:
    """The area below a line over [0, 1], by trapezoids."""
    return float(torch.trapezoid(torch.tensor(line))) / (len(line) - 1)
