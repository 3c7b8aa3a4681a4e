"""Layers that are called several times: which call a name means, against hooks and by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from tests.helpers import toys

SIZE = 12


def network(module: nn.Module) -> cs.Network:
    return cs.Network(module, mean=[0] * 3, std=[1] * 3, input_size=SIZE)


def outputs_of(module: nn.Module, name: str, images: Tensor) -> list[Tensor]:
    """What a layer gives at each of its calls."""
    found: list[Tensor] = []
    handle = module.get_submodule(name).register_forward_hook(
        lambda _m, _a, out: found.append(out.detach().clone())
    )
    with torch.no_grad():
        module.eval()(images)
    handle.remove()
    return found


class Encoder(nn.Module):
    """Two views through one encoder, and the dot product of their mean features."""

    def __init__(self, other: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.other = other
        self.register_buffer("fixed", torch.rand(1, 3, SIZE, SIZE))

    def forward(self, x: Tensor) -> Tensor:
        views: Any = {
            "fixed image behind": lambda: [x, self.fixed],
            "fixed image before": lambda: [self.fixed, x],
            "mirrored": lambda: [x, x.flip(-1)],
        }[self.other]()
        a, b = (self.encoder(view).mean((2, 3)) for view in views)
        return torch.cat([(a * b).sum(1, keepdim=True), a + b], 1)


@pytest.mark.parametrize("other", ["fixed image behind", "fixed image before"])
def test_the_call_on_the_image_counts(other: str) -> None:
    module, images = Encoder(other), toys.images(2, SIZE)
    net = network(module)
    with torch.no_grad():
        own, fixed = module.encoder(images), module.encoder(module.fixed)
    assert toys.relative(net.read(images, {"encoder"})["encoder"], own) < 1e-6
    # The gradient of the product by the image's features is the fixed image's mean feature.
    weights = fixed.mean((2, 3), keepdim=True)
    expected = (own * weights).sum(1).relu() / own[0, 0].numel()
    found = cs.gradcam(net, images, target=0, layer="encoder").result().arrays["encoder"]
    assert toys.relative(torch.from_numpy(found), expected) < 1e-5


def test_two_views_are_two_layers() -> None:
    module, images = Encoder("mirrored"), toys.images(1, SIZE)
    net = network(module)
    assert {"encoder#1", "encoder#2"} <= {layer.name for layer in net.layers}
    with pytest.raises(cs.ConvscopeError, match=r"called 2 times.*name encoder#1 or encoder#2"):
        net.read(images, {"encoder"})
    straight, mirrored = outputs_of(module, "encoder", images)
    for name, expected in (("encoder#1", straight), ("encoder#2", mirrored)):
        assert toys.relative(net.read(images, {name})[name], expected) < 1e-6
    both = net.read(images, {"encoder#1", "encoder#2", "encoder.0#2"})
    assert toys.relative(both["encoder#2"], mirrored) < 1e-6

    def by_hand(own: Tensor, view: Tensor) -> Tensor:
        return (own * view.mean((2, 3), keepdim=True)).sum(1).relu() / own[0, 0].numel()

    maps = cs.gradcam(net, images, target=0, layer=["encoder#1", "encoder#2"]).result().arrays
    expected = by_hand(straight, mirrored)
    assert toys.relative(torch.from_numpy(maps["encoder#1"]), expected) < 1e-5
    turned = by_hand(mirrored, straight).flip(-1)  # over the photograph, not over its mirror image
    assert toys.relative(torch.from_numpy(maps["encoder#2"]), turned) < 1e-5


def test_calls_one_after_the_other_have_the_name_of_the_last() -> None:
    module, images = toys.randomized(toys.Reused()).eval(), toys.images(2, 8)
    net = toys.network(module, 8)
    calls = outputs_of(module, "act", toys.normalized(images))
    assert len(calls) == 3
    names = ["act#1", "act#2", "act#3", "act"]
    together = net.read(images, names)
    for name, expected in zip(names, [*calls, calls[2]], strict=True):
        assert toys.relative(together[name], expected) < 1e-5
        assert toys.relative(net.read(images, {name})[name], expected) < 1e-5
    assert [layer.name for layer in net.layers if layer.name.startswith("act")] == ["act"]
    before = outputs_of(module, "bn", toys.normalized(images))
    assert toys.relative(net.read(images, {"act#2.pre"})["act#2.pre"], before[1]) < 1e-5
    target = net.target("act#1:2")
    assert (target.layer, target.channel) == ("act#1", 2)
    found = cs.saliency(net, images[:1], target="act#1:2").result()
    assert found.score == pytest.approx(float(calls[0][0, 2].max()), rel=1e-4)


def test_layers_below() -> None:
    net = toys.network(toys.Residual())
    names = [layer.name for layer in net.layers]
    below = [layer.name for layer in net.layers_below("layer2")]
    assert {"layer1", "layer2.conv2"} <= set(below)
    assert not {"layer2", "fc"} & set(below)
    assert [layer.name for layer in net.layers_below("")] == [n for n in names if n != "fc"]
    assert net.layers_below(names[0]) == []
