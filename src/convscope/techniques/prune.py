"""Pruning: how many of its smallest weights a network can lose and still see the same."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import takewhile
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import TypedDict

from convscope.compression import (
    Judge,
    adaptive_scores,
    check_scores,
    near_zero,
    normalized,
    threshold,
    weight_names,
    weights_histogram,
)
from convscope.errors import ConvscopeError
from convscope.files import images, open_image
from convscope.network import Network
from convscope.runs import technique
from convscope.types import Curves, Frame, Grid, Panel

FILTERS = 24  # of the first layer in the picture


class PruneRow(TypedDict):
    """A sparsity: the top class of the photograph and how probable the first one still is.

    `agreement` is the fraction of all photographs with the same top class as before.
    """

    sparsity: float
    prediction: str
    probability: float
    agreement: float


class PruneSummary(TypedDict):
    """The fraction of weights near zero, the number of photographs, and a row for each sparsity.

    `kept` is the largest sparsity up to which the prediction of the photograph is the same.
    """

    near_zero: float
    weights: int
    photographs: int
    kept: float
    rows: list[PruneRow]


@technique(
    title="Pruning",
    paper="Han, Pool, Tran and Dally 2015; Lee, Park, Mo, Ahn and Shin 2021",
    url="https://arxiv.org/abs/1506.02626",
    chapter="Compression",
    batch=False,
)
def prune(
    net: Network,
    image: Tensor,
    *,
    sparsities: Annotated[
        tuple[Annotated[float, Field(gt=0, lt=1)], ...],
        Field(
            min_length=1,
            max_length=20,
            description="fractions of the weights to prune, smallest first",
        ),
    ] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
) -> Iterator[Frame[PruneSummary]]:
    """How many of its smallest weights a network can lose and still see the same.

    The weights of smallest magnitude become zero, without any training. Those of different layers
    are compared by their squares, each divided by the squares in its layer that are not smaller.
    The photograph and the samples that come along with convscope are then predicted again. Weights
    below 5 % of the largest of their layer count as near zero. `compress` measures how much each
    layer minds, trains, and writes a small file.
    """
    names = weight_names(net.module)
    if not names:
        raise ConvscopeError(f"prune: {net.name} has no weights")
    samples = [open_image(f"{images.SAMPLE_PREFIX}{name}") for name in images.SAMPLES]
    inputs = torch.cat([normalized(net, net.preprocess(x.detach())) for x in (image, *samples)])
    check_scores("prune", net, inputs[:1], image)
    judge = Judge(net.module, inputs, None)
    module = copy.deepcopy(net.module)
    whole = {name: module.get_parameter(name).detach().clone() for name in names}
    sizes = [value.numel() for value in whole.values()]
    near = sum(near_zero(value) * value.numel() for value in whole.values()) / sum(sizes)
    scores = {name: adaptive_scores(value) for name, value in whole.items()}
    all_scores = torch.cat([value.flatten() for value in scores.values()])
    rows = [_row(net, judge, module, 0.0)]
    filters = {0.0: whole[names[0]]}
    for step, sparsity in enumerate(sorted(set(sparsities)), 1):
        least = threshold(all_scores, sparsity)
        left = {name: value * (scores[name] > least) for name, value in whole.items()}
        module.load_state_dict(left, strict=False)
        filters[sparsity] = left[names[0]]
        rows.append(_row(net, judge, module, sparsity))
        panels: list[Panel] = [weights_histogram(whole, near), _curve(rows, len(inputs))]
        yield Frame(
            panels=(*panels, *_grids(filters, rows)),
            step=step,
            steps=len(set(sparsities)),
            summary={
                "near_zero": near,
                "weights": sum(sizes),
                "photographs": len(inputs),
                "kept": _kept(rows),
                "rows": list(rows),
            },
            table=[*rows],
        )


def _row(net: Network, judge: Judge, module: nn.Module, sparsity: float) -> PruneRow:
    first = int(judge.wanted[0].argmax())
    found = judge.scores(module)
    return {
        "sparsity": sparsity,
        "prediction": net.label(int(found[0].argmax())),
        "probability": float(found[0].softmax(0)[first]),
        "agreement": judge.score(found).agreement,
    }


def _curve(rows: list[PruneRow], photographs: int) -> Curves:
    return Curves(
        tuple(row["sparsity"] for row in rows),
        {
            f"probability of {rows[0]['prediction']}": tuple(row["probability"] for row in rows),
            f"same top class, of {photographs} photographs": tuple(
                row["agreement"] for row in rows
            ),
        },
        "sparsity",
        "fraction",
        "the smallest weights pruned, without training",
    )


def _kept(rows: list[PruneRow]) -> float:
    """The largest sparsity up to which the prediction is the same."""
    same = takewhile(lambda row: row["prediction"] == rows[0]["prediction"], rows)
    return max(row["sparsity"] for row in same)


def _grids(filters: dict[float, Tensor], rows: list[PruneRow]) -> Iterator[Grid]:
    """The first layer before, and at the last sparsity with the same top class and beyond."""
    for sparsity in sorted({0.0, _kept(rows), rows[-1]["sparsity"]}):
        weights = filters[sparsity]
        if weights.dim() != 4 or weights.shape[1] not in (1, 3):
            return
        (said,) = {row["prediction"] for row in rows if row["sparsity"] == sparsity}
        largest = float(filters[0.0].abs().max())
        yield Grid(
            weights[:FILTERS],
            f"first layer, {sparsity:.0%} of all weights pruned: {said}",
            low=-largest,
            high=largest,
        )
