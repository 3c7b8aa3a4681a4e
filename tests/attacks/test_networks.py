"""Attacks on networks that are not what an attack expects, and on images that it can do nothing
with."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.system import BATCH
from tests.helpers.collections import paint

ATTACKS = ["fgsm", "pgd", "deepfool", "carlini_wagner", "lbfgs_attack"]


class Dense(nn.Module):
    """A linear network whose pixels or scores can be changed on the way."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.dense = nn.Linear(192, classes)
        with torch.no_grad():
            generator = torch.Generator().manual_seed(0)
            self.dense.weight.copy_(torch.randn(classes, 192, generator=generator) / 10)
            self.dense.bias.zero_()

    def pixels(self, x: Tensor) -> Tensor:
        return x

    def scores(self, y: Tensor) -> Tensor:
        return y

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(self.dense(self.pixels(x).flatten(1)))


class Probable(Dense):
    def scores(self, y: Tensor) -> Tensor:
        return y.softmax(1)


class Random(Dense):
    def pixels(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x)


class StraightThrough(Dense):
    """Rounds forward, and passes the gradient on as if it did not."""

    def pixels(self, x: Tensor) -> Tensor:
        return x + ((2 * x).round() - x).detach()


class Unreachable(Dense):
    """The first class is further ahead than any pixels can make up for."""

    def scores(self, y: Tensor) -> Tensor:
        return y + torch.tensor([1000.0, 0.0, 0.0])


class Constant(Dense):
    def scores(self, y: Tensor) -> Tensor:
        return torch.tensor([[1.0, 0.0, 0.0]]) + 0 * y


def network(module: nn.Module, labels: list[str] | None = None) -> cs.Network:
    return cs.Network(module, mean=[0.5] * 3, std=[0.25] * 3, input_size=8, labels=labels)


def images(count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return (255 * (0.3 + 0.4 * torch.rand(count, 3, 8, 8, generator=generator))).round() / 255


def summary(name: str, net: cs.Network, image: Tensor, **options: Any) -> Any:
    return getattr(cs, name)(net, image, **options).result().summary


@pytest.mark.parametrize("name", ATTACKS)
def test_probabilities_are_attacked_as_their_logits(name: str) -> None:
    plain = summary(name, network(Dense()), images())
    probable = summary(name, network(Probable()), images())
    assert probable["prediction"] == plain["prediction"]
    assert probable["success"] == plain["success"]
    assert probable["l2"] == pytest.approx(plain["l2"], rel=0.01)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_gradient_of_zero_is_failure_and_told(name: str) -> None:
    found = summary(name, network(Constant()), images())
    assert not found["success"]
    assert not found["saved_success"]
    assert "zero everywhere" in found["notes"][0]


@pytest.mark.parametrize("name", ATTACKS)
def test_a_randomized_network_is_told(name: str) -> None:
    torch.manual_seed(0)
    found = summary(name, network(Random()), images())
    assert "other scores for the same image each time" in found["notes"][0]


@pytest.mark.parametrize("name", ATTACKS)
def test_rounding_behind_a_straight_gradient_is_told(name: str) -> None:
    found = summary(name, network(StraightThrough()), images())
    assert "do not follow its gradient" in found["notes"][0]


def test_an_honest_network_has_no_notes() -> None:
    assert summary("pgd", network(Dense()), images())["notes"] == []


def test_one_output_is_refused() -> None:
    with pytest.raises(cs.ConvscopeError, match="gives no class scores"):
        cs.pgd(network(Dense(1)), images()).result()
    with pytest.raises(cs.ConvscopeError, match="at least two classes"):
        cs.pgd(network(Dense(1), ["a"]), images()).result()


def test_fewer_labels_than_classes_are_refused() -> None:
    with pytest.raises(cs.ConvscopeError, match="2 labels for 3 classes"):
        network(Dense(3), ["a", "b"])


@pytest.mark.parametrize("name", ATTACKS)
def test_an_image_that_errs_before_the_attack_is_told(name: str) -> None:
    net = network(Dense())
    wrong = int(net.logits(images()).argmin())
    found = summary(name, net, images(), label=wrong)
    assert "without any change" in found["notes"][0]
    assert found["l2"] == 0
    tops = net.logits(images(2)).argmax(1).tolist()
    found = summary(name, net, images(2), label=[tops[0], (tops[1] + 1) % 3])
    assert "errs on 1 of 2 images without any change" in found["notes"][0]


@pytest.mark.parametrize("target", [None, 2])
@pytest.mark.parametrize("name", ATTACKS)
def test_failure_gives_the_best_attempt(name: str, target: int | None) -> None:
    """No image reaches the boundary, but some come nearer to it than the photograph."""
    module = Unreachable()
    result = getattr(cs, name)(network(module), images(), target=target).result()
    assert not result.summary["success"]
    assert not result.summary["saved_success"]
    assert result.summary["prediction"] == result.summary["label"] == "class 0"
    raw = torch.from_numpy(result.arrays["raw"])
    assert float(raw.min()) >= 0
    assert float(raw.max()) <= 1
    margins = [margin(module, one, target) for one in (images(), raw)]
    assert margins[0] < margins[1] < 0
    assert float(result.score) == pytest.approx(margins[1], abs=1e-4)


def margin(module: Dense, image: Tensor, target: int | None) -> float:
    """Of the target, or of the strongest class but the first, by plain PyTorch."""
    with torch.no_grad():
        scores = module((image.view(1, 3, 8, 8) - 0.5) / 0.25)[0]
    ahead = scores[1:].max() if target is None else scores[target]
    return float(ahead - scores[0])


@pytest.mark.parametrize("name", [*ATTACKS, "universal"])
def test_no_pass_is_larger_than_a_batch(name: str, tmp_path: Path) -> None:
    net, sizes = network(Dense()), []
    plain = net.activations

    def counted(image: Tensor, *args: Any, **options: Any) -> Any:
        sizes.append(len(image))
        return plain(image, *args, **options)

    many = BATCH + 3
    with mock.patch.object(net, "activations", counted):
        if name == "universal":
            for seed in range(many):
                paint(tmp_path / f"{seed}.png", seed, (8, 8))
            found: Any = cs.universal(net, folder=tmp_path, passes=1).result()
            assert found.summary["photographs"] == many
        else:
            assert len(summary(name, net, images(many))["success"]) == many
    assert max(sizes) == BATCH
