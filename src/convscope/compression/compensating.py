"""Rounding in which weights make up for each other's errors.

What counts is not the error of the weights, but that of what the layer gives for photographs. So
the weights are rounded one column after the other, and those that are still to come change so that
they make up for the error so far (Hassibi and Stork 1993; in this order, Frantar et al. 2023). That
needs no gradient, but the products of the layer's inputs, averaged over photographs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.compression.judging import scores

PLACES = 16  # of a layer's output in each batch whose inputs are looked at

WIDEST = 4096  # inputs of a weight's row, for whose products there is memory

LEAST, MOST = 0.1, 1.0  # of the mean square of an input, added to all: more where few are known

BLOCK = 64  # columns that are rounded before the rest is changed


@dataclass(frozen=True)
class Compensation:
    """How an error of one column of a layer's weights is made up for by the columns after it.

    Attributes:
        order: the order in which the columns are rounded, (K,).
        factors: (groups, K, K), an upper triangle in that order.
    """

    order: Tensor
    factors: Tensor

    @torch.no_grad()
    def rounded(self, weights: Tensor, step: float) -> Tensor:
        """Weights that are multiples of a step; those that are zero stay zero."""
        factors = self.factors.to(weights)
        groups, width, _ = factors.shape
        left = weights.reshape(groups, -1, width)[:, :, self.order]
        kept = left != 0
        for begin in range(0, width, BLOCK):
            end = min(begin + BLOCK, width)
            errors = torch.empty_like(left[:, :, begin:end])
            for i in range(begin, end):
                column = left[:, :, i].clone()
                left[:, :, i] = nearest(column, step) * kept[:, :, i]
                error = (column - left[:, :, i]) / factors[:, None, i, i]
                left[:, :, i + 1 : end] -= error[..., None] * factors[:, None, i, i + 1 : end]
                errors[:, :, i - begin] = error
            left[:, :, end:] -= errors @ factors[:, begin:end, end:]
        return left[:, :, self.order.argsort()].reshape(weights.shape)


def nearest(weights: Tensor, step: float) -> Tensor:
    """Weights that are multiples of a step."""
    return (weights / step).round() * step


def compensations(
    module: nn.Module, names: Sequence[str], inputs: Tensor
) -> dict[str, Compensation]:
    """What layers need to make up for errors, where that is known: plain convolutions and matrices.

    Args:
        module: the network.
        names: of weights.
        inputs: what it gets for photographs, (N, C, H, W).
    """
    products: dict[str, _Products] = {}
    with _watched(module, names, products):
        scores(module, inputs)
    return {name: one.compensation() for name, one in products.items()}


class _Products:
    """The products of a layer's inputs, added up."""

    def __init__(self) -> None:
        self.total: Tensor | float = 0.0
        self.count = 0

    def add(self, rows: Tensor) -> None:
        """Rows of inputs, (groups, N, K)."""
        self.total = self.total + (rows.mT @ rows).double()
        self.count += rows.shape[1]

    def compensation(self) -> Compensation:
        assert isinstance(self.total, Tensor)
        products = self.total / self.count
        squares = products.diagonal(dim1=1, dim2=2)
        share = min(max(squares.shape[1] / self.count, LEAST), MOST)
        order = squares.mean(0).argsort(descending=True)
        squares += share * squares.mean(1, keepdim=True) + torch.finfo(torch.float32).tiny
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(products[:, order][:, :, order]))
        return Compensation(order, torch.linalg.cholesky(inverse, upper=True).float())


@contextmanager
def _watched(
    module: nn.Module, names: Sequence[str], products: dict[str, _Products]
) -> Iterator[None]:
    """Add up the products of the inputs of layers while the module runs."""
    generator = torch.Generator().manual_seed(0)
    wanted = {name.removesuffix(".weight"): name for name in names}

    def watch(name: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def look(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            rows = multiplied(layer, given[0], generator)
            if rows is not None and rows.shape[1]:
                products.setdefault(name, _Products()).add(rows)

        return layer.register_forward_pre_hook(look)

    layers = [(wanted[name], part) for name, part in module.named_modules() if name in wanted]
    handles = [watch(name, layer) for name, layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def multiplied(layer: nn.Module, given: Tensor, generator: torch.Generator) -> Tensor | None:
    """The inputs that a layer multiplies with its weights, (groups, N, K), at some places."""
    if isinstance(layer, nn.Linear) and layer.in_features <= WIDEST:
        return given.reshape(1, -1, layer.in_features)
    if not isinstance(layer, nn.Conv2d) or isinstance(layer.padding, str):
        return None
    if layer.weight[0].numel() > WIDEST or layer.padding_mode != "zeros" or given.dim() != 4:
        return None
    down, right = layer.padding
    padded = F.pad(given, (right, right, down, down))
    rows, columns = (
        _places(padded.shape[2 + axis], layer, axis, generator).to(given.device)
        for axis in range(2)
    )
    found: Tensor = padded[:, :, rows[:, :, None], columns[:, None, :]]
    parts = found.reshape(len(found), layer.groups, -1, *found.shape[2:]).permute(1, 0, 3, 2, 4, 5)
    return parts.reshape(layer.groups, -1, layer.weight[0].numel())


def _places(length: int, layer: nn.Conv2d, axis: int, generator: torch.Generator) -> Tensor:
    """Along one side of the image, what the filter lies on at some places, (PLACES, its side)."""
    filter_ = torch.arange(layer.kernel_size[axis]) * layer.dilation[axis]
    count = (length - int(filter_[-1]) - 1) // layer.stride[axis] + 1
    chosen = torch.randint(max(count, 1), (PLACES if count > 0 else 0,), generator=generator)
    return chosen[:, None] * layer.stride[axis] + filter_
