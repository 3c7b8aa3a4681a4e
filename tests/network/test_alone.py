"""Images that see each other in a batch run one at a time, and give what each gives alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from tests.helpers import toys


class Body(nn.Module):
    """Two convolutions and a dense layer, with something in between."""

    def __init__(self, between: Callable[[Tensor], Tensor], end: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.one, self.two, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3), nn.Linear(6, 5)
        self.between, self.act, self.end = toys.Lambda(between), nn.ReLU(), end

    def forward(self, x: Tensor) -> Any:
        x = self.between(self.one(x)).relu()
        return self.end(self.fc(self.act(self.two(x)).mean((2, 3))))


class Forks(Body):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x if x.mean() > -0.25 else -x)


class Flat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 14 * 14, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.conv(x).relu().reshape(1, -1))
        return out


def same(x: Any) -> Any:
    return x


def statistics(x: Tensor) -> Tensor:
    return F.batch_norm(x, None, None, training=True)


SEEING: dict[str, Callable[[], nn.Module]] = {
    "batch statistics": lambda: Body(statistics, same),
    "its own statistics": lambda: Body(lambda x: x - x.mean(), same),
    "largest of the batch": lambda: Body(lambda x: x / x.abs().max(), same),
    "softmax over the batch": lambda: Body(lambda x: x * x.softmax(0), same),
    "rolled batch": lambda: Body(lambda x: x + x.roll(1, 0).tanh(), same),
    "path of the batch": lambda: Forks(same, same),
    "no batch": Flat,
}


@pytest.mark.parametrize("make", SEEING.values(), ids=SEEING)
def test_values_and_gradients_are_those_of_each_image_alone(
    make: Callable[[], nn.Module],
) -> None:
    module = toys.randomized(make()).eval()
    net = toys.network(module)
    assert [note for note in net.notes if note.startswith("images run one at a time: ")]
    images = toys.images(3) ** torch.tensor([1.0, 3.0, 0.3]).view(3, 1, 1, 1)
    leaf = images.clone().requires_grad_()
    expected = torch.cat([module(toys.normalized(image)) for image in leaf.split(1)])
    assert toys.relative(net.logits(images), expected.detach()) < 1e-5

    (theirs,) = torch.autograd.grad(expected[:, 1].sum(), leaf)
    ours = cs.saliency(net, images, target=1).result().gradient
    assert toys.relative(torch.as_tensor(ours), theirs) < 1e-4


@pytest.mark.parametrize("leaves", [True, False])
def test_gradients_between_layers(leaves: bool) -> None:
    module = toys.randomized(Body(statistics, same)).eval()
    net = toys.network(module)
    images = toys.images(2) ** torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    x = images if leaves else images.clone().requires_grad_()
    values = net.activations(x, {"one", "act.pre", ""}, leaves=leaves)
    ours = torch.autograd.grad(values[""][:, 2].sum(), [values["one"], values["act.pre"]])

    theirs = []
    for image in images.split(1):
        one = module.one(toys.normalized(image))  # type: ignore[operator]
        two = module.two(statistics(one).relu())  # type: ignore[operator]
        score = module.fc(two.relu().mean((2, 3)))[:, 2].sum()  # type: ignore[operator]
        theirs.append(torch.autograd.grad(score, [one, two]))
    for mine, alone in zip(ours, zip(*theirs, strict=True), strict=True):
        assert toys.relative(mine, torch.cat(alone)) < 1e-4


@pytest.mark.parametrize("make", [SEEING["batch statistics"], Flat])
def test_occlusion_does_not_depend_on_the_batch(make: Callable[[], nn.Module]) -> None:
    net = toys.network(toys.randomized(make()))
    one, many = (
        cs.occlusion(net, toys.images(1), target=1, patch=8, stride=4, batch_size=size).result()
        for size in (1, 16)
    )
    assert toys.relative(torch.as_tensor(many.heatmap), torch.as_tensor(one.heatmap)) < 1e-5


def test_a_batch_that_is_taken_apart() -> None:
    class Apart(Body):
        def forward(self, x: Tensor) -> Any:
            return torch.cat([super(Apart, self).forward(image) for image in x.split(1)])

    module = toys.randomized(Apart(same, same)).eval()
    net = toys.network(module)
    assert [layer.name for layer in net.layers][:2] == ["one", "between"]
    assert net.notes == ("images run one at a time: layers are called again for each of a batch",)
    images = toys.images(3)
    with torch.no_grad():
        assert toys.relative(net.logits(images), module(toys.normalized(images))) < 1e-6
        one = module.one(toys.normalized(images))  # type: ignore[operator]
    assert toys.relative(net.read(images, {"one"})["one"], one) < 1e-6


def test_one_image_that_does_not_run() -> None:
    norm = nn.BatchNorm1d(4, track_running_stats=False)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), norm)
    with pytest.raises(cs.ConvscopeError, match=r"does not run on one image.*running statistics"):
        toys.network(module)


@torch.no_grad()
def test_one_number_for_the_batch() -> None:
    module = toys.randomized(Body(same, lambda y: y.sum())).eval()
    net = toys.network(module)
    assert any("one at a time" in note for note in net.notes)
    images = toys.images(2)
    ours = net.activations(images, {""})[""]
    expected = torch.stack([module(toys.normalized(image)) for image in images.split(1)])
    assert toys.relative(ours, expected[:, None]) < 1e-6


@pytest.mark.parametrize(
    "make",
    [
        lambda: Body(same, same),
        lambda: Body(lambda x: F.instance_norm(x), same),
        lambda: Body(lambda x: x - x.mean((1, 2, 3), keepdim=True), same),
        lambda: Body(same, lambda y: (y, {"twice": [2 * y], "scale": torch.ones(()), "n": 3})),
        lambda: Body(same, lambda y: [{"logits": row} for row in y]),
        toys.Residual,
        toys.Tokens,
    ],
)
def test_images_that_do_not_see_each_other(make: Callable[[], nn.Module]) -> None:
    net = toys.network(toys.randomized(make()))
    assert not any("one at a time" in note for note in net.notes)
    assert {call.shape[0] for call in net._prepared.trace.calls} == {2}
