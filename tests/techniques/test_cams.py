"""Class activation maps: worked out by hand, in NumPy, and what they keep."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from convscope.runs import registry
from convscope.types.frames import Frame
from convscope.types.panels import HeatMap, Sheet, SignedPicture
from tests.helpers import toys
from tests.helpers.networks import Own
from tests.helpers.toys import Last, Tokens

CAMS = ["cam", "gradcam", "gradcam_plus_plus", "layercam", "scorecam"]


def last(name: str, net: cs.Network, image: Tensor, **options: Any) -> Frame:
    *_, frame = registry.get(name).run(net, image, **options).frames()
    return frame


# --------------------------------------------------- a network worked out with pen and paper

# With images in [0, 1] the toy is told to see them sixteen times as bright.
TOY_PHOTO = toys.TOY_IMAGE / 16
AT_CONV = [[11.25, 13.5], [20.25, 22.5]]
AT_RELU = [[0, 4], [28, 32.5]]
GUIDED_GRADCAM = [[0, 0, 4, 4], [0, 0, 12, 8], [28, 84, 97.5, 65], [28, 56, 65, 32.5]]


def toy_network(make: Callable[[], nn.Module]) -> cs.Network:
    return cs.Network(make(), mean=[0.0], std=[1 / 16], input_size=4)


@pytest.mark.parametrize("kind", toys.TOYS)
def test_gradcam_at_the_convolution(kind: str) -> None:
    result = cs.gradcam(toy_network(toys.TOYS[kind]), TOY_PHOTO, target=0, layer=("conv",)).result()
    assert result.score == 54
    np.testing.assert_array_equal(result.arrays["conv"][0], AT_CONV)


@pytest.mark.parametrize("kind", ["nn.ReLU", "nn.ReLU(inplace)"])
def test_gradcam_and_guided_gradcam_behind_the_relu(kind: str) -> None:
    net = toy_network(toys.TOYS[kind])
    options: Any = {"target": 0, "layer": "first", "upsampling": "nearest"}
    result = cs.gradcam(net, TOY_PHOTO, **options).result()
    np.testing.assert_array_equal(result.arrays["first"][0], AT_RELU)
    np.testing.assert_array_equal(result.heatmap, np.kron(np.array(AT_RELU), np.ones((2, 2))))
    guided = cs.guided_gradcam(net, TOY_PHOTO, **options).result()
    assert guided.score == 54
    np.testing.assert_array_equal(guided.arrays["first"][0], AT_RELU)
    np.testing.assert_array_equal(guided.gradient[0] / 16, GUIDED_GRADCAM)


def test_before_the_relu_is_at_the_convolution() -> None:
    result = cs.gradcam(toy_network(toys.Toy), TOY_PHOTO, target=0, layer=("first.pre",)).result()
    np.testing.assert_array_equal(result.arrays["first.pre"][0], AT_CONV)


@pytest.mark.parametrize("kind", toys.TOYS)
def test_guided_gradcam_at_the_convolution_of_any_spelling(kind: str) -> None:
    net = toy_network(toys.TOYS[kind])
    options: Any = {"target": 0, "layer": "conv", "upsampling": "nearest"}
    result = cs.guided_gradcam(net, TOY_PHOTO, **options).result()
    expected = np.kron(AT_CONV, np.ones((2, 2))) * toys.GUIDED.numpy()
    np.testing.assert_array_equal(result.gradient[0] / 16, expected)


# ----------------------------------------------------------- the formulas, in NumPy and float64


class Quadratic(nn.Module):
    """Maps (4, 4, 4) behind a ReLU, and scores that are sums over them and over their squares."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2, stride=2)
        self.act = nn.ReLU()
        self.linear = nn.Parameter(torch.zeros(3, 4, 4, 4))
        self.square = nn.Parameter(torch.zeros(3, 4, 4, 4))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.act(self.conv(x))
        one = torch.einsum("kchw,nchw->nk", self.linear, maps)
        two = torch.einsum("kchw,nchw->nk", self.square, maps.square())
        return one + two


@pytest.fixture
def quadratic() -> Quadratic:
    return toys.randomized(Quadratic(), seed=2).double()  # type: ignore[return-value]


@pytest.fixture
def eight() -> Tensor:
    return toys.images(1, 8, seed=4).double()


def maps_of(module: Quadratic, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The maps (4, 4, 4) of an image (3, 8, 8) as the module gets it."""
    weight, bias = (p.detach().numpy() for p in module.conv.parameters())
    found = np.zeros((4, 4, 4))
    for k, row, column in np.ndindex(found.shape):
        seen = image[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        found[k, row, column] = max(0.0, (weight[k] * seen).sum() + bias[k])
    return found


def score_of(module: Quadratic, maps: np.ndarray[Any, Any], target: int) -> float:
    linear, square = (p[target].detach().numpy() for p in (module.linear, module.square))
    return float((linear * maps + square * maps**2).sum())


def slopes_of(
    module: Quadratic, maps: np.ndarray[Any, Any], target: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    linear, square = (p[target].detach().numpy() for p in (module.linear, module.square))
    slopes: np.ndarray[Any, Any] = linear + 2 * square * maps
    return slopes


def normal(image: Tensor) -> np.ndarray[Any, Any]:
    """What `toys.network` feeds its module of one image, as (3, H, W)."""
    found: np.ndarray[Any, Any] = toys.normalized(image)[0].numpy()
    return found


@pytest.mark.parametrize("target", range(3))
def test_gradcam_plus_plus_by_its_formula(quadratic: Quadratic, eight: Tensor, target: int) -> None:
    """Equations 10, 13 and 19 of Chattopadhay et al., for Y = exp(S)."""
    maps = maps_of(quadratic, normal(eight))
    slopes, y = slopes_of(quadratic, maps, target), np.exp(score_of(quadratic, maps, target))
    first, second, third = y * slopes, y * slopes**2, y * slopes**3
    expected = np.zeros((4, 4))
    for k in range(4):
        weight = 0.0
        for i, j in np.ndindex(4, 4):
            below = 2 * second[k, i, j] + sum(
                maps[k, a, b] * third[k, i, j] for a, b in np.ndindex(4, 4)
            )
            weight += second[k, i, j] / below * max(0.0, first[k, i, j])
        expected += weight * maps[k]
    expected = np.maximum(0, expected)
    net = toys.network(quadratic, 8)
    result = cs.gradcam_plus_plus(net, eight, target=target, layer=("act",)).result()
    np.testing.assert_allclose(result.arrays["act"][0] * y, expected, rtol=1e-9)
    assert expected.any()


def test_gradcam_plus_plus_before_a_relu_has_no_poles(quadratic: Quadratic, eight: Tensor) -> None:
    """Where maps sum up to less than zero the paper's weights would be of any size, and sign."""
    net = toys.network(quadratic, 8)
    before = net.read(eight, {"conv"})["conv"][0]
    assert (before.sum((1, 2)) < 0).any()
    maps = before.clamp(min=0).numpy()
    slopes = slopes_of(quadratic, maps, 1) * (before.numpy() > 0)
    weights = np.zeros(4)
    for k, i, j in np.ndindex(4, 4, 4):
        if slopes[k, i, j] > 0:
            weights[k] += slopes[k, i, j] / (2 + maps[k].sum() * slopes[k, i, j])
    expected = np.maximum(0, np.einsum("c,chw->hw", weights, before.numpy()))
    result = cs.gradcam_plus_plus(net, eight, target=1, layer=("conv",)).result()
    np.testing.assert_allclose(result.arrays["conv"][0], expected, rtol=1e-9)


@pytest.mark.parametrize("target", range(3))
def test_layercam_and_gradcam_by_their_formulas(
    quadratic: Quadratic, eight: Tensor, target: int
) -> None:
    maps = maps_of(quadratic, normal(eight))
    slopes, net = slopes_of(quadratic, maps, target), toys.network(quadratic, 8)
    result = cs.layercam(net, eight, target=target, layer=("act",)).result()
    places = np.maximum(0, (np.maximum(0, slopes) * maps).sum(0))
    np.testing.assert_allclose(result.arrays["act"][0], places, rtol=1e-9)
    result = cs.gradcam(net, eight, target=target, layer=("act",), signed=True).result()
    channels = (slopes.mean((1, 2))[:, None, None] * maps).sum(0)
    np.testing.assert_allclose(result.arrays["act"][0], channels, rtol=1e-9)
    assert result.score == pytest.approx(score_of(quadratic, maps, target))


def linear_weights(small: int, large: int) -> np.ndarray[Any, Any]:
    """(large, small): linear interpolation between the centers of pixels."""
    found = np.zeros((large, small))
    for i in range(large):
        at = min(max((i + 0.5) * small / large - 0.5, 0.0), small - 1.0)
        low = min(int(at), small - 2)
        found[i, low], found[i, low + 1] = 1 - (at - low), at - low
    return found


@pytest.mark.parametrize("target", range(3))
@pytest.mark.parametrize("baseline", ["mean", "black"])
def test_scorecam_by_its_formula(
    quadratic: Quadratic, eight: Tensor, target: int, baseline: str
) -> None:
    """The paper takes the baseline's score off every channel's: the softmax does not notice."""
    maps, enlarge = maps_of(quadratic, normal(eight)), linear_weights(4, 8)
    # In the module's terms the mean is 0, and black is as far below as the statistics say.
    empty = {"mean": np.zeros((3, 1, 1)), "black": normal(torch.zeros(1, 3, 1, 1).double())}
    scores = []
    for one in maps:
        mask = enlarge @ one @ enlarge.T
        mask = (mask - mask.min()) / (mask.max() - mask.min())
        shown = mask * normal(eight) + (1 - mask) * empty[baseline]
        scores.append(score_of(quadratic, maps_of(quadratic, shown), target))
    weights = np.exp(scores) / np.exp(scores).sum()
    expected = np.maximum(0, np.einsum("c,chw->hw", weights, maps))
    options: Any = {"target": target, "layer": "act", "baseline": baseline}
    result = cs.scorecam(toys.network(quadratic, 8), eight, **options).result()
    np.testing.assert_allclose(result.arrays["act"][0], expected, rtol=1e-9)


def test_scorecam_hides_and_never_brightens(
    own: cs.Network, own_photo: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Tensor] = []
    plain = own.activations

    def watched(image: Tensor, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        shown.append(image)
        return plain(image, *args, **kwargs)

    monkeypatch.setattr(own, "activations", watched)
    frames = list(cs.scorecam(own, own_photo, target=1, layer="stem", batch_size=3))
    assert [frame.step for frame in frames] == [1, 2, 3]  # 8 channels
    seen, gray = own.preprocess(own_photo), 0.5
    masked = [image for image in shown if len(image) in (2, 3)]
    assert sum(map(len, masked)) == 8
    for images in masked:
        assert (images >= seen.clamp(max=gray) - 1e-6).all()
        assert (images <= seen.clamp(min=gray) + 1e-6).all()


# -------------------------------------------------------------------- what the maps promise


@pytest.mark.parametrize("make", [toys.Residual, toys.Dense, Own])
@pytest.mark.parametrize("target", range(3))
def test_the_mean_of_a_cam_and_the_bias_are_the_logit(
    make: Callable[[], nn.Module], target: int
) -> None:
    module = toys.randomized(make())
    net, image = toys.network(module), toys.images(1)
    result = cs.cam(net, image, target=target).result()
    (found,) = result.arrays.values()
    head = [m for m in module.modules() if isinstance(m, nn.Linear)][-1]
    score = float(found[0].mean()) + float(head.bias.detach()[target])
    logit = float(net.logits(image)[0, target])
    assert score == pytest.approx(logit, rel=1e-4)
    assert result.score == pytest.approx(logit, rel=1e-5)


def test_the_mean_of_a_cam_of_the_default_network(net: cs.Network, photo: Tensor) -> None:
    result = cs.cam(net, photo, target=281).result()
    bias = float(net.parameter("classifier", "bias")[281])
    logit = float(net.logits(photo)[0, 281])
    assert result.arrays["bn2"].mean() + bias == pytest.approx(logit, rel=1e-4)


class Convolved(nn.Module):
    """A classifier that is a 1 x 1 convolution behind the mean, without bias."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.head = nn.Conv2d(6, 4, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(F.relu(self.conv(x)).mean((2, 3), keepdim=True))
        return out.flatten(1)


def test_a_classifier_written_as_a_convolution() -> None:
    net, image = toys.network(toys.randomized(Convolved())), toys.images(1)
    found = cs.cam(net, image, target=3).result().arrays["conv"]
    assert found.mean() == pytest.approx(float(net.logits(image)[0, 3]), rel=1e-4)


class Averaged(nn.Module):
    """Class scores at each place, cut off below 0 if told, then averaged, as in SqueezeNet."""

    def __init__(self, cut: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.scores = nn.Conv2d(6, 4, 1)
        self.cut = nn.ReLU() if cut else nn.Identity()
        self.mean = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.mean(self.cut(self.scores(F.relu(self.conv(x)))))
        return out.flatten(1)


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("target", range(4))
def test_averaged_class_scores_are_their_own_map(cut: bool, target: int) -> None:
    module = Averaged(cut)
    toys.randomized(module).double()
    net, image = toys.network(module), toys.images(2).double()
    with torch.no_grad():
        maps = module.cut(module.scores(F.relu(module.conv(toys.normalized(image)))))
    result = cs.cam(net, image, target=target).result()
    (found,) = result.arrays.values()
    np.testing.assert_allclose(found, maps[:, target], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.mean((1, 2)), net.logits(image)[:, target], rtol=1e-9)


def test_the_mean_of_a_cam_of_squeezenet_is_its_logit(photo: Tensor) -> None:
    net = cs.load("squeezenet1_1", device="cpu")
    result = cs.cam(net, photo, target=281).result()
    (found,) = result.arrays.values()
    assert found.shape == (1, 14, 14)
    assert found.mean() == pytest.approx(float(net.logits(photo)[0, 281]), rel=1e-5)


@pytest.mark.parametrize("target", range(5))
def test_gradcam_is_cam_where_the_head_is_a_mean(target: int) -> None:
    """Its weights are those of the classifier, over the number of places."""
    net, image = toys.network(toys.randomized(toys.Residual())), toys.images(1)
    cam = cs.cam(net, image, target=target).result()
    gradcam = cs.gradcam(net, image, target=target, signed=True).result()
    (layer,) = cam.arrays
    places = cam.arrays[layer][0].size
    np.testing.assert_allclose(
        gradcam.arrays[layer] * places, cam.arrays[layer], rtol=1e-4, atol=1e-5
    )
    cut = cs.gradcam(net, image, target=target).result()
    np.testing.assert_array_equal(cut.arrays[layer], np.maximum(0, gradcam.arrays[layer]))


class InHalf(toys.Residual):
    """A network that computes in bfloat16 by itself."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(x)


def test_cam_of_a_network_that_computes_in_bfloat16() -> None:
    """It classifies by the mean, up to rounding; its map is nearly that in full precision."""
    image, modules = toys.images(1), (InHalf(), toys.Residual())
    found, exact = (
        cs.cam(toys.network(toys.randomized(module)), image, target=1).result().heatmap
        for module in modules
    )
    np.testing.assert_allclose(found, exact, atol=0.05 * np.abs(exact).max())


class Hidden(toys.Residual):
    """A classifier with a hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 5))  # type: ignore[assignment]


class Scaled(Averaged):
    """Averaged class scores, twice as high."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class Stretched(toys.Residual):
    """A softplus behind the classifier."""

    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(super().forward(x))


HEADLESS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "dense": (toys.Toy, r"between 'first' and the classifier of Toy there is more than a mean"),
    "hidden": (Hidden, r"Hidden does not classify by the mean of 'layer2' alone"),
    "stretched": (Stretched, r"Stretched does not classify by the mean of 'layer2' alone"),
    "scaled": (lambda: Scaled(True), r"Scaled does not classify by the mean of 'cut' alone"),
    "no classes": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3)), r"gives class scores at each place"),
}


@pytest.mark.parametrize("kind", HEADLESS)
def test_a_network_with_another_head_has_no_cam(kind: str) -> None:
    make, message = HEADLESS[kind]
    channels, size = (1, 4) if kind == "dense" else (3, 16)
    module = toys.randomized(make())
    net = cs.Network(module, mean=[0.5] * channels, std=[0.5] * channels, input_size=size)
    with pytest.raises(cs.ConvscopeError, match=message) as raised:
        cs.cam(net, torch.rand(1, channels, size, size)).result()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("target", ["blocks", "blocks:3", "head:1"])
def test_a_cam_is_of_a_class(own: cs.Network, own_photo: Tensor, target: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=f"cam explains classes, and {target} is none"):
        cs.cam(own, own_photo, target=target).result()


# ------------------------------------------------------------------------------ how it is done


def test_guided_gradcam_runs_the_network_once(
    own_photo: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = cs.Network(Own(), mean=[0.5] * 3, std=[0.25] * 3, input_size=32)
    calls = []
    plain = nn.Conv2d.forward

    def counted(self: nn.Conv2d, x: Tensor) -> Tensor:
        calls.append(self)
        return plain(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", counted)
    cs.guided_gradcam(net, own_photo, target=1).result()
    assert len(calls) == 3


@pytest.mark.parametrize("name", ["gradcam", "gradcam_plus_plus", "layercam"])
def test_nothing_below_the_layer_is_kept_for_a_way_back(
    own: cs.Network, own_photo: Tensor, name: str
) -> None:
    def kept(layer: str) -> set[tuple[int, ...]]:
        shapes = set()

        def pack(tensor: Tensor) -> Tensor:
            shapes.add(tuple(tensor.shape[2:]))
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            registry.get(name).run(own, own_photo, target=1, layer=layer).result()
        return shapes

    assert (32, 32) in kept("stem")
    assert (32, 32) not in kept("blocks.0")
    assert (16, 16) in kept("blocks.0")


def test_the_score_and_its_class_come_from_the_same_pass(own: cs.Network) -> None:
    """Without a target every image is asked about its own top class."""
    images = torch.cat([toys.images(3, 32, seed=s) * s / 4 for s in (0, 1, 2, 3, 4)])
    tops = own.logits(images).argmax(1).tolist()
    assert len(set(tops)) > 1
    for name in ("gradcam", "gradcam_plus_plus", "layercam", "guided_gradcam"):
        free = registry.get(name).run(own, images).result()
        named = registry.get(name).run(own, images, target=tuple(tops)).result()
        assert free.summary == named.summary
        for layer, found in free.arrays.items():
            np.testing.assert_allclose(found, named.arrays[layer], rtol=1e-5, atol=1e-7)


# --------------------------------------------------------------------------------- its layers


def test_several_layers_are_a_strip(own: cs.Network, own_photo: Tensor) -> None:
    layers = ("stem", "relu.pre", "blocks.0", "blocks")
    frame = last("gradcam", own, own_photo, target=1, layer=layers)
    assert tuple(frame.arrays) == layers
    (strip,) = frame.panels
    assert isinstance(strip, Sheet)
    assert [one.caption for one in strip.maps] == list(layers)
    assert frame.heatmap is not None
    assert torch.equal(frame.heatmap[0], strip.maps[-1].values)
    for name in layers:
        alone = last("gradcam", own, own_photo, target=1, layer=name).arrays[name]
        torch.testing.assert_close(frame.arrays[name], alone)
    both = last("gradcam", own, torch.cat([own_photo] * 2), target=1, layer=layers)
    assert len(both.panels) == 2


BAD_LAYERS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"layer": "block"}, r"unknown layer 'block'; did you mean 'blocks'"),
    "one of several": ({"layer": ("blocks", "nothing")}, r"unknown layer 'nothing'"),
    "a vector": (
        {"layer": "head"},
        r"layer 'head' has an output of shape \(3,\) and no feature maps",
    ),
    "above": ({"target": "stem:0", "layer": "blocks"}, r"does not depend on layer 'blocks'"),
    "above, by default": ({"target": "stem:0"}, r"no layer of Own before stem has feature maps"),
    "empty": ({"layer": ""}, r"layer.*: string should have at least 1 character, not ''"),
    "no grid": ({"tokens": (0, 4)}, r"tokens: input should be greater than or equal to 1, not 0"),
    "no activation": ({"layer": "head.pre"}, r"layer 'head' \(Linear\) does not end in an act"),
}


@pytest.mark.parametrize("kind", BAD_LAYERS)
@pytest.mark.parametrize("name", ["gradcam", "layercam", "guided_gradcam"])
def test_a_layer_that_has_no_map(own: cs.Network, own_photo: Tensor, name: str, kind: str) -> None:
    options, message = BAD_LAYERS[kind]
    if name == "guided_gradcam" and isinstance(options.get("layer"), tuple):
        message = "layer"  # it takes one
    if name == "guided_gradcam" and kind == "above":
        message = "'guided' would change nothing"  # before the stem there is no ReLU either
    with pytest.raises(cs.ConvscopeError, match=message) as raised:
        registry.get(name).run(own, own_photo, **{"target": 1, **options}).result()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["unknown", "a vector", "empty", "no grid"])
def test_a_layer_that_has_no_map_for_scorecam(
    own: cs.Network, own_photo: Tensor, kind: str
) -> None:
    options, message = BAD_LAYERS[kind]
    with pytest.raises(cs.ConvscopeError, match=message):
        cs.scorecam(own, own_photo, **options).result()


class Cut(nn.Module):
    """What its classifier sees is cut off from what came before."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.head = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.act(self.conv(x)).detach().mean((2, 3)))
        return out


@pytest.mark.parametrize("name", ["gradcam", "guided_gradcam"])
def test_a_layer_that_no_gradient_reaches(name: str) -> None:
    net = toys.network(toys.randomized(Cut()))
    message = "does not depend on layer 'act': name a layer b"
    if name == "guided_gradcam":  # it needs a way to the image as well
        message = "no gradient reaches the image from the output"
    with pytest.raises(cs.ConvscopeError, match=message):
        registry.get(name).run(net, toys.images(1), target=1).result()


def test_a_target_below_the_output(own: cs.Network, own_photo: Tensor) -> None:
    """Of a channel, at a layer below: the gradient of its strongest unit."""
    module = Own().eval()
    module.relu.inplace = False
    values = module.stem((own.preprocess(own_photo) - 0.5) / 0.25).detach().requires_grad_()
    score = module.blocks(module.relu(module.norm(values)))[0, 3].max()
    (slopes,) = torch.autograd.grad(score, values)
    expected = (slopes.mean((2, 3), keepdim=True) * values).sum(1).relu()[0]
    result = cs.gradcam(own, own_photo, target="blocks:3", layer=("stem",)).result()
    np.testing.assert_allclose(result.arrays["stem"][0], expected.detach(), rtol=1e-3, atol=1e-6)
    assert result.score == pytest.approx(score.item(), rel=1e-5)


@pytest.mark.parametrize(("size", "extra"), [((16, 16), 1), ((16, 24), 1), ((24, 16), 3)])
def test_a_network_with_tokens(size: tuple[int, int], extra: int) -> None:
    """Of the last tokens only the class's counts: the deepest layer whose patches do is taken."""
    module = toys.randomized(Tokens(extra=extra))
    net = cs.Network(module, mean=[0.5] * 3, std=[0.25] * 3, input_size=size)
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with toys.recording(module) as found:
        leaf = ((image - 0.5) / 0.25).requires_grad_()
        logit = module(leaf)[0, 2]
    assert logit.isfinite()
    result = cs.gradcam(net, image, target=2, signed=True).result()
    (layer,) = result.arrays
    assert layer == "one"
    grid = size[0] // 4, size[1] // 4
    assert result.arrays[layer].shape == (1, *grid)
    assert result.arrays[layer].any()

    # By finite differences: what a channel weighs is its mean slope over the patches.
    values = found["one"]
    assert values.shape[1] == extra + grid[0] * grid[1]
    module.double()
    rest = nn.Sequential(module.get_submodule("two"), module.get_submodule("norm"))
    weights = []
    for channel in range(6):
        up, down = (values.double().clone() for _ in range(2))
        up[:, extra:, channel] += 1e-6
        down[:, extra:, channel] -= 1e-6
        logits = [module.get_submodule("head")(rest(v)[:, 0])[0, 2] for v in (up, down)]
        weights.append((logits[0] - logits[1]).item() / 2e-6 / (grid[0] * grid[1]))
    maps = values[0, extra:].T.view(6, *grid).double()
    expected = torch.einsum("c,chw->hw", torch.tensor(weights).double(), maps)
    np.testing.assert_allclose(result.arrays[layer][0], expected.detach(), rtol=1e-3, atol=1e-6)

    named = cs.gradcam(net, image, target=2, layer=("one",), tokens=grid, signed=True).result()
    np.testing.assert_allclose(named.arrays["one"], result.arrays["one"], rtol=1e-5, atol=1e-8)
    at_the_end = cs.gradcam(net, image, target=2, layer=("norm",)).result()
    assert not at_the_end.arrays["norm"].any()
    with pytest.raises(cs.ConvscopeError, match=r"the \d+ tokens of 'one' make no grid"):
        cs.gradcam(net, image, target=2, layer=("one",), tokens=(99, 99)).result()


def test_tokens_that_make_no_grid_of_the_photos_shape() -> None:
    """Two rows of eight patches of a square photo: only the user can know."""
    module = toys.randomized(Tokens())
    module.patches = nn.Conv2d(3, 6, (8, 2), stride=(8, 2))
    net, image = toys.network(toys.randomized(module)), toys.images(1)
    told = cs.gradcam(net, image, target=2, layer=("one",), tokens=(2, 8)).result()
    assert told.arrays["one"].shape == (1, 2, 8)


def test_a_layer_with_its_channels_last() -> None:
    module = toys.randomized(Last())
    net, image = toys.network(module), toys.images(1)
    with toys.recording(module) as found:
        module(toys.normalized(image))
    maps = found["norm"][0]
    assert maps.shape == (4, 4, 6)
    # The slope of the mean of relu(maps) is the weight of the head where a unit is active.
    slopes = (maps > 0) * net.parameter("head")[3] / 16
    expected = (slopes.mean((0, 1)) * maps).sum(2).relu()
    each: list[dict[str, Any]] = [{}, {"layer": "norm"}, {"layer": ["norm"]}]
    for options in each:
        result = cs.gradcam(net, image, target=3, **options).result()
        np.testing.assert_allclose(
            result.arrays["norm"][0], expected.detach(), rtol=1e-4, atol=1e-6
        )
    assert cs.scorecam(net, image, target=3, layer="norm").result().heatmap.shape == (16, 16)


# ------------------------------------------------------------------------------ what is shown


def test_the_map_lies_within_its_own_extremes(own: cs.Network, own_photo: Tensor) -> None:
    for upsampling in ("bicubic", "bilinear", "nearest"):
        result = cs.gradcam(own, own_photo, target=1, upsampling=upsampling, signed=True).result()
        (found,) = result.arrays.values()
        assert found.min() <= result.heatmap.min()
        assert result.heatmap.max() <= found.max()


@pytest.mark.parametrize("name", [n for n in CAMS if n not in ("cam", "scorecam")])
def test_a_saturated_score_says_so(name: str) -> None:
    """The toy's last ReLU is shut: no gradient comes through it."""
    toy = toys.Toy()
    with torch.no_grad():
        toy.fc.bias.fill_(-1000)
    frame = last(name, toy_network(lambda: toy), TOY_PHOTO, target=0, layer="first")
    (panel,) = frame.panels
    assert isinstance(panel, HeatMap)
    assert not panel.values.any()
    assert "zero everywhere" in panel.caption
    registry.get(name).run(toy_network(lambda: toy), TOY_PHOTO, target=0).result().picture.load()


def test_a_guided_gradcam_of_nothing_says_so() -> None:
    toy = toys.Toy()
    with torch.no_grad():
        toy.fc.weight.mul_(-1)
        toy.fc.bias.fill_(1000)
    frame = last("guided_gradcam", toy_network(lambda: toy), TOY_PHOTO, target=0, layer="first")
    panel = frame.panels[-1]
    assert isinstance(panel, SignedPicture)
    assert "zero everywhere" in panel.caption
    assert re.search("class 0 at first", panel.caption)


def test_figures_name_the_target_its_score_and_the_layer(
    own: cs.Network, own_photo: Tensor
) -> None:
    logits = own.logits(own_photo)[0]
    for name in [*CAMS, "guided_gradcam"]:
        summary = registry.get(name).run(own, own_photo, target=2).result().summary
        assert summary["target"] == "class 2"
        assert summary["score"] == pytest.approx(float(logits[2]), rel=1e-5)
        assert summary["layer"] == "doubled"
