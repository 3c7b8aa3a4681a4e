"""Rounding in which weights make up for each other's errors: hand-worked, and by NumPy."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convscope.compression.compensating import (
    LEAST,
    PLACES,
    Compensation,
    compensations,
    multiplied,
    nearest,
)
from convscope.types import Array


def damped(rows: Array) -> Array:
    """The mean products of rows (N, K), and what is added to the squares where many are known."""
    products: Array = rows.T @ rows / len(rows)
    found: Array = products + LEAST * np.diag(products).mean() * np.eye(len(products))
    return found


def products(found: Compensation, group: int = 0) -> Array:
    """The products that a compensation was made from, in the order of the columns."""
    factor = found.factors[group].double()
    back = found.order.argsort()
    inverse: Array = torch.linalg.inv(factor.mT @ factor)[back][:, back].numpy()
    return inverse


def output_error(weights: Tensor, made: Tensor, rows: Tensor) -> float:
    return float((rows.double() @ (made - weights).double().mT).square().mean())


def test_second_weight_makes_up_for_the_first() -> None:
    # With squares of 1 and a product of r, an error e of the first weight is made up for best by
    # -r e in the second: the derivative of e^2 + 2 r e d + d^2 is zero there.
    r = 0.5
    inverse = torch.linalg.inv(torch.tensor([[1.0, r], [r, 1.0]]))
    found = Compensation(torch.arange(2), torch.linalg.cholesky(inverse, upper=True)[None])
    # 1.4 becomes 1, and 0.4 becomes 0.4 + 0.5 * 0.4 = 0.6, which becomes 1 where 0.4 alone gives 0.
    assert found.rounded(torch.tensor([[1.4, 0.4]]), 1.0).tolist() == [[1.0, 1.0]]
    # 2.4 becomes 2, and a zero stays zero.
    assert found.rounded(torch.tensor([[2.4, 0.0], [0.0, 0.6]]), 1.0).tolist() == [[2, 0], [0, 1]]


def test_products_of_a_matrix() -> None:
    inputs = torch.randn(200, 7) @ torch.randn(7, 7)
    found = compensations(nn.Sequential(nn.Linear(7, 3)), ["0.weight"], inputs)["0.weight"]
    np.testing.assert_allclose(products(found), damped(inputs.double().numpy()), rtol=1e-3)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_products_of_a_convolution_that_sees_the_whole_image(groups: int) -> None:
    """Then all its places are one, and its rows are the images."""
    layer = nn.Conv2d(4, 8, 3, groups=groups)
    inputs = torch.randn(300, 4, 3, 3)
    found = compensations(nn.Sequential(layer), ["0.weight"], inputs)["0.weight"]
    rows = inputs.double().numpy().reshape(300, groups, -1)
    squares = [np.diag(damped(rows[:, group])) for group in range(groups)]
    assert found.order.tolist() == np.argsort(-np.mean(squares, 0)).tolist()
    for group in range(groups):
        np.testing.assert_allclose(
            products(found, group), damped(rows[:, group]), rtol=1e-2, atol=1e-3
        )


def test_inputs_of_a_convolution_at_its_borders_and_strides() -> None:
    """The pixels count up, so each row of inputs tells where it lies: the padding is zero."""
    layer = nn.Conv2d(1, 1, 2, stride=3, padding=1, dilation=2)
    image = torch.arange(1.0, 50).view(1, 1, 7, 7)
    seen = []
    padded = np.pad(image[0, 0].numpy(), 1)
    for row in (0, 3, 6):
        for column in (0, 3, 6):
            seen.append(padded[row : row + 3 : 2, column : column + 3 : 2].ravel())
    found = multiplied(layer, image, torch.Generator().manual_seed(0))
    assert found is not None and found.shape == (1, PLACES, 4)
    assert {tuple(row) for row in found[0].tolist()} <= {tuple(row) for row in seen}
    assert len({tuple(row) for row in found[0].tolist()}) > 4  # of nine places


@pytest.mark.parametrize("width", [3, 64, 150])
def test_answers_change_less_than_by_plain_rounding(width: int) -> None:
    inputs = torch.randn(800, 3) @ torch.randn(3, width) + 0.1 * torch.randn(800, width)
    layer = nn.Linear(width, 20)
    weights = layer.weight.detach()
    found = compensations(nn.Sequential(layer), ["0.weight"], inputs)["0.weight"]
    step = float(weights.std())
    made = found.rounded(weights, step)
    assert torch.allclose(made / step, (made / step).round(), atol=1e-4)
    plain = output_error(weights, nearest(weights, step), inputs)
    assert output_error(weights, made, inputs) < (0.9 if width == 3 else 0.5) * plain


def test_what_cannot_be_watched_is_rounded_plainly() -> None:
    modules = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 9),
        nn.Flatten(),
    )
    names = ["0.weight", "1.weight"]
    assert compensations(modules, names, torch.randn(2, 3, 12, 12)) == {}
