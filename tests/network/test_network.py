"""What a network says of itself: classes, layers, parameters, settings that it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import convscope as cs
from convscope.errors import ConvscopeError
from tests.helpers import toys


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mean": (0.5,) * 2}, "one number for each channel"),
        ({"mean": (), "std": ()}, "one number for each channel"),
        ({"std": (1.0, 0.0, 1.0)}, "std must be positive"),
        ({"std": (1.0, float("nan"), 1.0)}, "std must be positive"),
        ({"mean": (0.5, float("nan"), 0.5)}, "must be finite"),
        ({"mean": 0.5, "std": 0.5}, "one number for each channel: mean="),
        ({"mean": "imagenet"}, "one number for each channel"),
        ({"mean": (123.7, 116.3, 103.5)}, "pixels from 0 to 255.*divide both by 255"),
        ({"std": np.full(3, 58.0)}, "pixels from 0 to 255.*divide both by 255"),
        ({"input_size": 0}, "input_size must be"),
        ({"input_size": 16.5}, "input_size must be"),
        ({"input_size": "16"}, "input_size must be"),
        ({"input_size": None}, "input_size must be"),
        ({"labels": "labels.txt"}, "no file of labels at labels.txt"),
        ({"labels": Path("labels.txt")}, "no file of labels at labels.txt"),
        ({"labels": {0: "a", 2: "b"}}, "no name for class 1"),
        ({"labels": {"a": "b"}}, "from class numbers to names"),
        ({"labels": 5}, "a list of names, not int"),
        ({"labels": [1, 2, 3, 4, 5]}, "must be names"),
        ({"input_size": (8, 8, 8)}, "input_size must be"),
        ({"crop": 0.0}, "crop must be above 0"),
        ({"crop": 1.2}, "crop must be above 0"),
        ({"interpolation": "cubic"}, "'bicubic' or 'bilinear', not 'cubic'"),
        ({"labels": ["a", "b"]}, "2 labels for 5 classes"),
        ({"labels": ["a"], "module": nn.Conv2d(3, 2, 3)}, "1 labels for 2 classes"),
        ({"labels": ["a"], "output": "values"}, "gives no class scores .*labels"),
        ({"output": "logits"}, "unknown kind of output 'logits'"),
        ({"head": "shape"}, "unknown output 'shape'"),
        ({"device": "tpu9"}, "cannot be used here"),
        ({"module": lambda x: x}, "wraps a torch.nn.Module, not function"),
    ],
)
def test_what_a_network_refuses(changed: dict[str, Any], message: str) -> None:
    settings: dict[str, Any] = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "input_size": 16}
    with pytest.raises(ConvscopeError, match=message):
        cs.Network(**{"module": toys.Residual(), **settings, **changed})


@pytest.mark.parametrize(
    "kind", [list, torch.tensor, np.array, lambda v: [np.float32(n) for n in v]]
)
def test_statistics_of_any_kind(kind: Any) -> None:
    module = toys.randomized(toys.Residual())
    net = cs.Network(module, mean=kind(toys.MEAN), std=kind(toys.STD), input_size=16)
    right = toys.network(module).logits(toys.images())
    assert toys.relative(net.logits(toys.images()), right) < 1e-6
    assert net.mean == pytest.approx(toys.MEAN)
    one = cs.Network(module, mean=toys.MEAN, std=0.25, input_size=16)  # type: ignore[arg-type]
    assert one.std == (0.25, 0.25, 0.25)


@pytest.mark.parametrize("size", [16, 16.0, [16, 16], torch.Size((16, 16)), np.array([16, 16])])
def test_input_sizes_of_any_kind(size: Any) -> None:
    net = cs.Network(toys.Residual(), mean=toys.MEAN, std=toys.STD, input_size=size)
    assert net.input_size == net.preprocessing.size == (16, 16)


@pytest.mark.parametrize(
    "labels",
    [
        tuple("abcde"),
        np.array(list("abcde")),
        {4: "e", 3: "d", 2: "c", 1: "b", 0: "a"},
        {"e": 4, "d": 3, "c": 2, "b": 1, "a": 0},
        {str(n): letter for n, letter in enumerate("abcde")},
        (letter for letter in "abcde"),
    ],
)
def test_labels_of_any_kind(labels: Any) -> None:
    net = cs.Network(toys.Residual(), mean=toys.MEAN, std=toys.STD, input_size=16, labels=labels)
    assert net.labels == tuple("abcde")


def test_predict_is_the_softmax() -> None:
    module = toys.randomized(toys.Residual()).eval()
    labels = ["a, first", "b", "c", "d", "e"]
    net = cs.Network(module, mean=toys.MEAN, std=toys.STD, input_size=16, labels=labels)
    with torch.no_grad():
        logits = module(toys.normalized(toys.images(1)))[0].double().numpy()
    probabilities = np.exp(logits) / np.exp(logits).sum()
    rows = net.predict(toys.images(1), top=9)
    assert [row.index for row in rows] == list(np.argsort(-probabilities))
    assert [row.label for row in rows] == ["abcde"[row.index] for row in rows]
    np.testing.assert_allclose(
        [row.probability for row in rows], np.sort(probabilities)[::-1], rtol=1e-5
    )
    assert len(net.predict(toys.images(1), top=2)) == 2
    with pytest.raises(ConvscopeError, match="takes one image, not 2"):
        net.predict(toys.images(2))
    assert toys.network(module).predict(toys.images(1), 1)[0].label.startswith("class ")


def accuracy(net: cs.Network, files: list[Path]) -> float:
    right = 0
    for start in range(0, len(files), 10):
        some = files[start : start + 10]
        batch = torch.cat([net.preprocess(cs.open_image(file)) for file in some])
        truth = [int(file.name.split("_")[0]) for file in some]
        right += sum(int(a == b) for a, b in zip(net.logits(batch).argmax(1), truth, strict=True))
    return right / len(files)


def test_top_1(net: cs.Network, sample_folder: Path) -> None:
    files = sorted(sample_folder.glob("*.jpg"))
    assert accuracy(net, files[:: max(1, len(files) // 100)][:100]) >= 0.85


def test_top_1_of_squeezenet(squeezenet: cs.Network, sample_folder: Path) -> None:
    files = sorted(sample_folder.glob("*.jpg"))
    assert accuracy(squeezenet, files[:: max(1, len(files) // 100)][:100]) >= 0.54


@pytest.mark.slow
def test_top_1_of_all(net: cs.Network, sample_folder: Path) -> None:
    assert accuracy(net, sorted(sample_folder.glob("*.jpg"))) >= 0.86


def test_layers() -> None:
    net = toys.network(toys.Residual())
    layers = {layer.name: layer for layer in net.layers}
    assert layers["layer1.conv1"].shape == (8, 8, 8)
    assert layers["layer1.conv1"].num_parameters == 8 * 6 * 9
    assert layers["layer1.conv1"].leaf
    assert not layers["layer1"].leaf
    assert layers["layer1"].activation == "ReLU"
    assert layers["fc"].shape == (5,)
    assert not layers["fc"].spatial
    assert net.shape("") == (5,)
    assert net.shape("layer2.pre") == (10, 4, 4)
    assert net.num_classes == 5
    assert net.activation_names == ("ReLU",)
    assert [layer.name for layer in net.stages] == ["stem", "layer1", "layer2"]
    assert net.num_parameters == sum(p.numel() for p in toys.Residual().parameters())
    with pytest.raises(ConvscopeError, match="unknown layer 'layer3'; did you mean"):
        net.layer("layer3")


def test_parameters_are_the_users() -> None:
    module = toys.randomized(toys.Residual())
    net = toys.network(module)
    for name in ("layer1.conv1", "stem.0"):
        ours, theirs = net.parameter(name), module.get_submodule(name).weight
        assert isinstance(theirs, Tensor)
        assert torch.equal(ours, theirs)
    assert torch.equal(net.parameter("layer1.bn1", "bias"), module.layer1.bn1.bias)  # type: ignore
    with pytest.raises(ConvscopeError, match=r"layer 'pool' \(MaxPool2d\) has no weight"):
        net.parameter("pool")


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_layers_whose_weights_are_computed(norm: Callable[[nn.Module], nn.Module]) -> None:
    """They are layers as others are, and what computes their weights is no layer."""
    parts = norm(nn.Conv2d(3, 8, 3)), nn.AdaptiveAvgPool2d(1), nn.Flatten(), norm(nn.Linear(8, 5))
    module = nn.Sequential(*parts)
    net = toys.network(module)
    conv, *_, fc = net.layers
    assert [layer.name for layer in net.layers] == ["0", "1", "2", "3"]
    assert (conv.type, conv.leaf, fc.type, fc.leaf) == ("Conv2d", True, "Linear", True)
    assert torch.equal(net.parameter("0"), module.eval()[0].weight)  # type: ignore[arg-type]
    assert cs.filters(net).result().summary["layer"] == "0"
    assert cs.cam(net, toys.images(1), target=1).result().summary["layer"] == "0"


def test_layers_as_text_are_a_line_each(own: cs.Network) -> None:
    lines = repr(own.layers).splitlines()
    assert [line.split()[:2] for line in lines] == [[one.name, one.type] for one in own.layers]
    assert max(map(len, lines)) < 60
