"""Attributions against captum's, on the default network and a photograph: two programs, one number.

Captum works on the user's own module, unfolded, which it sees behind the normalization.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.runs import registry
from tests.helpers import toys

TABBY, CUP = 281, 968

pytestmark = pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")


class Whole(nn.Module):
    """A module with its normalization in front."""

    def __init__(self, module: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.module, self.mean, self.std = module, mean, std

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.module((x - self.mean) / self.std)
        return result


@pytest.fixture(scope="module")
def whole(net: cs.Network) -> Whole:
    """The default network as timm makes it."""
    import timm  # once `net` has made sure that it can be imported

    module = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    module.load_state_dict(net._prepared.plain.state_dict())
    return Whole(module.requires_grad_(False), 0.5, 0.5)


def assert_close(ours: Any, theirs: Tensor) -> None:
    """Relative error below 1e-4, in the norm and at the worst pixel."""
    expected = theirs.detach().numpy()
    assert ours.shape == expected.shape
    assert np.linalg.norm(ours - expected) < 1e-4 * np.linalg.norm(expected)
    assert np.abs(ours - expected).max() < 1e-4 * np.abs(expected).max()


THEIRS: dict[str, Callable[[Whole, Tensor], Tensor]] = {
    # By pixel and color; the map takes the largest color.
    "saliency": lambda f, x: captum.attr.Saliency(f).attribute(x, TABBY)[0].amax(0),
    "input_x_gradient": lambda f, x: captum.attr.InputXGradient(f).attribute(x, TABBY)[0].sum(0),
    # Each of the three colors of a pixel has the whole share of the pixel.
    "occlusion": lambda f, x: captum.attr.Occlusion(f).attribute(
        x, (3, 56, 56), (3, 28, 28), 0.5, TABBY, perturbations_per_eval=7
    )[0, 0],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "input_x_gradient": {"baseline": "black"},
    "occlusion": {"patch": 56, "stride": 28, "baseline": "gray"},
}


@pytest.mark.parametrize("name", THEIRS)
def test_maps_are_those_of_captum(
    net: cs.Network, whole: Whole, photo: Tensor, seen: Tensor, name: str
) -> None:
    run = registry.get(name).run(net, photo, target=TABBY, **OPTIONS[name])
    assert_close(run.result().heatmap, THEIRS[name](whole, seen.clone().requires_grad_()))


def test_integrated_gradients_are_those_of_captum(
    net: cs.Network, whole: Whole, photo: Tensor
) -> None:
    """In float64, and smaller for that: in float32 rounding switches units that are just about to
    switch, on some of the fifty images, and any program's map is half a per cent from the truth."""
    double = Whole(copy.deepcopy(whole.module).double(), 0.5, 0.5)
    small = cs.Network(double.module, mean=net.mean, std=net.std, input_size=64)
    theirs = captum.attr.IntegratedGradients(double)
    options: Any = {"n_steps": 50, "method": "gausslegendre", "internal_batch_size": 10}
    expected = theirs.attribute(small.preprocess(photo), 0.0, TABBY, **options)[0].sum(0)
    options = {"target": TABBY, "steps": 50, "baseline": "black"}
    result = cs.integrated_gradients(small, photo, **options).result()
    assert_close(result.heatmap, expected)


@pytest.mark.parametrize("layer", ["bn2", "blocks.4", "conv_stem"])
def test_gradcam_is_that_of_captum_before_it_is_enlarged(
    net: cs.Network, whole: Whole, photo: Tensor, seen: Tensor, layer: str
) -> None:
    theirs = captum.attr.LayerGradCam(whole, whole.module.get_submodule(layer))
    for signed in (False, True):
        expected = theirs.attribute(seen, CUP, relu_attributions=not signed)[:, 0]
        result = cs.gradcam(net, photo, target=CUP, layer=(layer,), signed=signed).result()
        assert_close(result.arrays[layer], expected)


class Plain(nn.Module):
    """Every ReLU its own and out of place: captum bends the gradients of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.two = nn.Sequential(nn.Conv2d(8, 12, 3, 2, 1), nn.BatchNorm2d(12), nn.ReLU())
        self.three = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(12, 16, 3, 1, 1), nn.ReLU())
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.three(self.two(self.one(x))).mean((2, 3)))
        return out


@pytest.mark.parametrize("layer", ["two", "three"])
@pytest.mark.parametrize("target", [1, 2])
def test_guided_gradcam_is_that_of_captum(layer: str, target: int) -> None:
    module = toys.randomized(Plain(), seed=3).eval()
    image = toys.images(1, 32)
    net = cs.Network(module, mean=(0.4,) * 3, std=(0.25,) * 3, input_size=32)
    whole = Whole(module, 0.4, 0.25)
    theirs = captum.attr.GuidedGradCam(whole, module.get_submodule(layer))
    leaf = image.clone().requires_grad_()
    expected = theirs.attribute(leaf, target, interpolate_mode="nearest")[0]
    options: Any = {"target": target, "layer": layer, "upsampling": "nearest"}
    result = cs.guided_gradcam(net, image, **options).result()
    assert_close(result.gradient, expected)
    assert expected.any()

    expected = theirs.attribute(leaf, target, interpolate_mode="bilinear")[0]
    options["upsampling"] = "bilinear"
    assert_close(cs.guided_gradcam(net, image, **options).result().gradient, expected)


def test_smoothgrad_converges_to_what_captums_noise_tunnel_converges_to(own: cs.Network) -> None:
    """Both draw their own noise: with many samples they meet, as far as chance allows."""
    image = 0.3 + 0.4 * toys.images(1, 32)
    torch.manual_seed(0)
    whole = Whole(own._prepared.plain, 0.5, 0.25)
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(whole))
    many: dict[str, Any] = {"nt_type": "smoothgrad", "nt_samples": 600, "stdevs": 0.1, "target": 1}
    pairs = [tunnel.attribute(image, abs=False, **many)[0].numpy() for _ in range(2)]
    ours = (
        cs.smoothgrad(own, image, target=1, samples=600, noise=0.1, batch_size=100)
        .result()
        .gradient
    )
    apart = np.linalg.norm(pairs[0] - pairs[1])
    assert apart < 0.3 * np.linalg.norm(pairs[0])
    assert all(np.linalg.norm(ours - theirs) < 1.2 * apart for theirs in pairs)
