"""The ways back through graphs that are small enough to follow by hand."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.vocabulary.backward.audit import ways_back
from convscope.vocabulary.backward.ways_back import Flow, WaysBack, kind


def two_ways(x: Tensor) -> Tensor:
    """Most of the gradient comes through the cosine, little through the sine."""
    return 3 * x.cos() + 0.1 * x.sin()


def numbers(ways: WaysBack, name: str) -> set[int]:
    return {i for i, node in enumerate(ways.nodes) if kind(node) == name}


def test_nodes_stand_in_the_order_of_the_forward_pass() -> None:
    x = torch.ones(1, 2, requires_grad=True)
    ways = WaysBack([(x.exp() * 2).sum()], x)
    assert [kind(node) for node in ways.nodes] == ["Exp", "Mul", "Sum"]
    assert ways.receivers == [[(0, -1)], [(0, 0)], [(0, 1)]]
    assert ways.roots == [2]


def test_what_does_not_lead_to_the_image_is_left_out() -> None:
    x, other = (torch.ones(1, 2, requires_grad=True) for _ in range(2))
    ways = WaysBack([x.exp() + other.sin() + x.detach().cos()], x)
    assert {kind(node) for node in ways.nodes} == {"Exp", "Add"}


def test_ways_end_at_the_image_even_if_it_was_made_of_something() -> None:
    leaf = torch.ones(1, 2, requires_grad=True)
    image = leaf.tan()
    assert [kind(node) for node in WaysBack([image.exp()], image).nodes] == ["Exp"]


@pytest.mark.parametrize(
    "cut",
    [
        Tensor.detach,
        Tensor.round,
        torch.sign,
        torch.floor,
        lambda x: x.round().exp(),
        lambda x: (x > 0).float(),
        lambda x: x.detach().requires_grad_(),
    ],
)
def test_a_cut_has_no_way_back(cut: object) -> None:
    x = torch.rand(1, 2, requires_grad=True)
    value = cut(x.exp())  # type: ignore[operator]
    assert WaysBack([value], x).roots == [None]
    with pytest.raises(ConvscopeError, match="no gradient reaches the image from 'late'"):
        ways_back({"early": x.exp(), "late": value}, x)
    around = value + x.exp()  # a straight-through estimator, for one
    assert WaysBack([around], x).roots != [None]


def test_ways_that_avoid_some_nodes() -> None:
    x = torch.ones(1, 2, requires_grad=True)
    ways = WaysBack([two_ways(x)], x)
    cos, sin = numbers(ways, "Cos"), numbers(ways, "Sin")
    assert ways.avoid(cos)
    assert ways.avoid(sin)
    assert not ways.avoid(cos | sin)
    assert not ways.avoid(numbers(ways, "Add"))


def test_only_pixels_ends_at_the_first_operation_of_another_kind() -> None:
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    guarded = (x.clamp(0, 1) - 0.5) * 2
    ways = WaysBack([torch.conv2d(guarded, torch.ones(1, 1, 1, 1)).clamp(0, 1) * 2], x)
    found = ways.only_pixels({"Clamp", "Sub", "Mul"})
    assert sorted(kind(ways.nodes[i]) for i in found if i >= 0) == ["Clamp", "Mul", "Sub"]


def test_a_walk_follows_the_gradient() -> None:
    # At the image 3 sin(x) comes from the cosine and 0.1 cos(x) from the sine, summed over pixels.
    x = torch.tensor([[0.5, 1.0], [0.0, 0.25]], dtype=torch.float64, requires_grad=True)
    value = two_ways(x)
    ways = WaysBack([value], x)
    flow = Flow(ways, 2)
    value.sum().backward()
    main, side = 3 * x.detach().sin().sum(1), 0.1 * x.detach().cos().sum(1)
    met, touched = flow.walks(numbers(ways, "Sin"))
    assert torch.allclose(met, side / (main + side))
    assert torch.equal(met, touched)
    met, touched = flow.walks(numbers(ways, "Sin") | numbers(ways, "Cos") | numbers(ways, "Add"))
    assert met.tolist() == pytest.approx([2, 2])  # one of the two branches, and the sum
    assert touched.tolist() == [1, 1]


def test_windows_count_for_their_image() -> None:
    x = torch.tensor([[1.0, 2.0], [4.0, 8.0]], requires_grad=True)
    value = (x.reshape(4, 1).cos() + x.reshape(4, 1).sin()).sum()
    ways = WaysBack([value], x)
    flow = Flow(ways, 2)
    value.backward()
    sin, cos = (v.detach().abs().double() for v in (x.sin(), x.cos()))
    met, _ = flow.walks(numbers(ways, "Sin"))
    assert torch.allclose(met, cos.sum(1) / (cos.sum(1) + sin.sum(1)))


def test_the_hooks_hold_nothing_of_the_graph() -> None:
    x = torch.ones(1, 2, requires_grad=True)
    middle = x.exp()
    value = middle.sin()
    gone = weakref.ref(middle)
    Flow(WaysBack([value], x), 1)
    del middle, value
    gc.collect()
    assert gone() is None
