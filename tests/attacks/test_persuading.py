"""A photograph on its way to a class, and what is left of the change."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from convscope.attacks import persuade, seen_by, shuffled, structural_similarity
from tests.helpers.toys import images

SIZE = 8


def linear_network() -> tuple[cs.Network, Tensor]:
    """Three classes, each the sum of the pixels times a weight."""
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(3, 3 * SIZE * SIZE, generator=generator)
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 3, bias=False))
    with torch.no_grad():
        next(module.parameters()).copy_(weights)
    return cs.Network(module, mean=[0.0] * 3, std=[1.0] * 3, input_size=SIZE), weights


def in_bytes(size: int | tuple[int, int] = SIZE) -> Tensor:
    found = images(1, SIZE)
    return (F.interpolate(found, size).clamp(0.2, 0.8) * 255).round() / 255


def test_a_step_is_along_the_gradient_and_as_long_as_told() -> None:
    net, weights = linear_network()
    photograph = in_bytes()
    target = 1
    (trial,) = persuade(net, photograph, target, 0.99, step=0.01, steps=1)
    leaf = photograph.clone().requires_grad_()
    (leaf.flatten(1) @ weights.T).log_softmax(1)[0, target].backward()
    assert leaf.grad is not None
    by_hand = photograph + 0.01 * leaf.grad / leaf.grad.square().mean().sqrt()
    torch.testing.assert_close(trial.image, by_hand)
    assert torch.equal(trial.saved, (by_hand * 255).round() / 255)
    assert trial.size == pytest.approx(float((trial.saved - photograph).norm()))
    probability = (trial.saved.flatten(1) @ weights.T).softmax(1)[0, target]
    assert trial.confidence == pytest.approx(float(probability), rel=1e-4)


def test_the_change_shrinks_where_the_network_is_sure() -> None:
    net, weights = linear_network()
    photograph = in_bytes()
    target = int((photograph.flatten(1) @ weights.T).argmin())
    trials = list(persuade(net, photograph, target, 0.9, step=0.02, steps=60))
    sure = [one for one in trials if one.confidence >= 0.9]
    assert sure
    assert min(one.size for one in sure) < 0.95 * sure[0].size
    # The nearest point where the class has probability .9 can be no nearer than where it is level
    # with the strongest other one.
    scores = (photograph.flatten(1) @ weights.T)[0]
    others = [k for k in range(3) if k != target]
    nearest = max(
        float((scores[k] - scores[target]) / (weights[k] - weights[target]).norm()) for k in others
    )
    assert nearest <= min(one.size for one in sure) < 2 * nearest + 0.2


def test_a_better_trial_is_surer_or_as_sure_and_smaller() -> None:
    net, _ = linear_network()
    first, second = list(persuade(net, in_bytes(), 0, 0.999, step=0.01, steps=2))
    assert first.better(None, 0.9)
    more, less = sorted((first, second), key=lambda one: -one.confidence)
    assert more.better(less, wanted=1.0)
    assert not less.better(more, wanted=1.0)
    small, large = sorted((first, second), key=lambda one: one.size)
    assert small.better(large, wanted=0.0)
    assert not large.better(small, wanted=0.0)


def test_an_objective_seen_by_a_network_has_the_gradient_of_the_photograph() -> None:
    net, weights = linear_network()
    photograph = in_bytes((12, 20)).double()
    net = cs.Network(net.module.double(), mean=[0.0] * 3, std=[1.0] * 3, input_size=SIZE)
    start = cs.starts.photo(photograph)
    objective = seen_by(net, cs.logit(2)) + 2 * seen_by(net, cs.logit(0))
    (frame,) = cs.climb(net, cs.Recipe(start=start, objective=objective))
    leaf = photograph.clone().requires_grad_()
    scores = net.preprocess(leaf).flatten(1) @ weights.double().T
    (scores[0, 2] + 2 * scores[0, 0]).backward()
    torch.testing.assert_close(frame.gradient, leaf.grad)
    assert not frame.gradient[..., :1].any(), "the left margin is not seen"


def test_shuffled_changes_are_as_large_and_stay_where_the_network_sees() -> None:
    net, _ = linear_network()
    photograph = in_bytes((SIZE, 2 * SIZE))
    change = torch.zeros_like(photograph)
    change[..., 4:12] = torch.randint(-3, 4, (1, 3, SIZE, SIZE)) / 255
    moved = shuffled(net, photograph, change, seed=1) - photograph
    assert not torch.allclose(moved, change)
    ours, theirs = moved.flatten().sort().values, change.flatten().sort().values
    torch.testing.assert_close(ours, theirs)
    assert not moved[..., :4].any()
    assert not moved[..., 12:].any()


def test_structural_similarity_of_equal_other_and_tiny_images() -> None:
    image = images(1, 16).clamp(0, 1)
    assert structural_similarity(image, image) == pytest.approx(1)
    other = structural_similarity(image, image.flip(3))
    assert other is not None
    assert other < 0.9
    assert structural_similarity(image[..., :6, :6], image[..., :6, :6]) is None
