"""SqueezeNet 1.1: its weights and license in the package, against plain torch and torchvision."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

import convscope as cs
from convscope.errors import ConvscopeError
from convscope.network._torchvision import torchvision
from convscope.network.sources import squeezenet as source
from tests.helpers import toys

FOLDER = files("convscope.network.sources")
WEIGHTS = "squeezenet1_1.safetensors"


def state() -> dict[str, Tensor]:
    """The numbers of the shipped file."""
    return {k: v.double() for k, v in load_file(str(FOLDER.joinpath(WEIGHTS))).items()}


def plain(weights: dict[str, Tensor], pixels: Tensor) -> Tensor:
    """The published network, one operation a line, on B,G,R pixels of 0..255 less their means."""

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = weights[f"{name}.weight"]
        padding = 1 if "expand3x3" in name else 0
        return F.conv2d(x, weight, weights[f"{name}.bias"], stride, padding).relu()

    x = conv(pixels, "features.0", 2)
    for index in range(2, 13):
        if index in (2, 5, 8):
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        else:
            x = conv(x, f"features.{index}.squeeze")
            ends = ("expand1x1", "expand3x3")
            x = torch.cat([conv(x, f"features.{index}.{end}") for end in ends], 1)
    return conv(x, "classifier.1").mean((2, 3))


def test_it_computes_what_the_published_network_computes(
    squeezenet: cs.Network, photo: Tensor
) -> None:
    image = squeezenet.preprocess(photo)
    weights = state()
    weights["features.0.weight"] = weights["features.0.weight"].flip(1)
    mean = torch.tensor([104.0, 117.0, 123.0]).view(3, 1, 1)
    expected = plain(weights, image.double().flip(1) * 255 - mean)
    found = squeezenet.activations(image, {""})[""]
    assert toys.relative(found, expected) < 1e-5
    assert squeezenet.predict(photo, 1)[0].label == squeezenet.labels[expected.argmax()]
    assert "cat" in squeezenet.predict(photo, 1)[0].label


def test_it_is_torchvisions_architecture() -> None:
    theirs, ours = torchvision().models.squeezenet1_1(), source.SqueezeNet()
    weights = {name: value.float() for name, value in state().items()}
    theirs.load_state_dict(weights)
    ours.load_state_dict(weights)
    image = toys.images(1, 64)
    assert [*dict(ours.named_modules())] == [*dict(theirs.named_modules())]
    assert torch.equal(ours.eval()(image), theirs.eval()(image))


def test_its_settings_and_labels(squeezenet: cs.Network, net: cs.Network) -> None:
    assert squeezenet.num_parameters == 1_235_496
    assert squeezenet.labels == net.labels
    assert (squeezenet.input_size, squeezenet.crop) == ((227, 227), 0.875)
    assert squeezenet.mean == pytest.approx((123 / 255, 117 / 255, 104 / 255))
    assert squeezenet.std == pytest.approx((1 / 255,) * 3)
    assert squeezenet.notes == ()


def test_loading_it_imports_neither_timm_nor_torchvision() -> None:
    code = """
import sys, convscope as cs
cs.load("squeezenet1_1", device="cpu")
print(sorted({"timm", "torchvision"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_random_weights_keep_the_size_of_activations(photo: Tensor) -> None:
    net = cs.load("squeezenet1_1", pretrained=False, device="cpu")
    image = net.preprocess(photo)
    found = net.activations(image, {"features.1", "features.12"})
    ratio = found["features.12"].std() / found["features.1"].std()
    assert 0.1 < ratio < 10
    again = cs.load("squeezenet1_1", pretrained=False, device="cpu")
    assert again.digest == net.digest


def test_a_checkpoint_of_another_number_of_classes(tmp_path: Path) -> None:
    module = source.SqueezeNet(7)
    torch.save(module.state_dict(), tmp_path / "seven.pt")
    net = cs.load("squeezenet1_1", checkpoint=tmp_path / "seven.pt", device="cpu")
    assert net.num_classes == 7
    assert torch.equal(net.parameter("classifier.1"), module.state_dict()["classifier.1.weight"])


@pytest.mark.parametrize("end", [0, 100, 60_000, 2_000_000])
def test_a_damaged_file_is_refused(
    end: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / WEIGHTS).write_bytes(FOLDER.joinpath(WEIGHTS).read_bytes()[:end])
    monkeypatch.setattr(source, "files", lambda package: tmp_path)
    expected = "its weights in the package are damaged; install convscope again"
    with pytest.raises(ConvscopeError, match=f"^squeezenet1_1: {expected}$"):
        cs.load("squeezenet1_1")


def test_the_license_stands_beside_the_weights() -> None:
    text = FOLDER.joinpath("squeezenet1_1.LICENSE").read_text()
    assert "github.com/forresti/SqueezeNet" in text
    assert "Redistributions in binary form must reproduce" in text
