"""The boxes of a detector and their class scores, as one tensor.

`packed` is (N, classes + 4, boxes): the score of each class for each box, and then the left, top,
right and bottom edges of the boxes, in pixels of the network's input.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

# The names that a detector's module gives its boxes (N, M, 4) and class scores (N, M, classes).
BOXES, SCORES = "boxes", "scores"


def has_boxes(tensors: Mapping[str, Tensor]) -> bool:
    """Whether an output is that of a detector: boxes, and the scores of classes for each."""
    if BOXES not in tensors or SCORES not in tensors:
        return False
    boxes, scores = tensors[BOXES].shape, tensors[SCORES].shape
    return len(boxes) == len(scores) == 3 and boxes[2] == 4 and boxes[:2] == scores[:2]


def packed(scores: Tensor, boxes: Tensor) -> Tensor:
    """Scores (N, M, classes) and boxes (N, M, 4) as one tensor."""
    return torch.cat([scores, boxes], 2).transpose(1, 2)


def by_class(values: Tensor, region: tuple[int, int, int, int] | None = None) -> Tensor:
    """The score of each class (N, classes): that of its best box.

    As in D-RISE (Petsiuk et al. 2021), the boxes' scores are multiplied by how much the boxes
    overlap a region, if one is given. The overlap is a weight that has no gradient.

    Args:
        values: packed.
        region: top, left, bottom and right.
    """
    scores, boxes = values[:, :-4], values[:, -4:]
    if not scores.shape[2]:
        return scores.sum(2)
    if region is not None:
        scores = scores * overlap(boxes.detach(), region)[:, None]
    return scores.amax(2)


def overlap(boxes: Tensor, region: tuple[int, int, int, int]) -> Tensor:
    """Intersection over union (N, M) of boxes (N, 4, M) and a region."""
    top, left, bottom, right = region
    x0, y0, x1, y1 = boxes.unbind(1)
    width = (x1.clamp(max=right) - x0.clamp(min=left)).clamp(min=0)
    height = (y1.clamp(max=bottom) - y0.clamp(min=top)).clamp(min=0)
    shared = width * height
    both = (x1 - x0) * (y1 - y0) + (bottom - top) * (right - left) - shared
    return shared / both.clamp(min=1e-12)
