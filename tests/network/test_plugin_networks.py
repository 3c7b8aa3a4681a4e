"""Networks of other packages: loaded by name like our own, and their faults said plainly."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest
import torch
from torch import nn

import convscope as cs
from convscope.errors import ConvscopeError
from convscope.network import zoo
from convscope.plugins import PluginWarning
from tests.helpers import toys
from tests.helpers.entry_points import entry_point

SETTINGS: dict[str, Any] = {
    "mean": toys.MEAN,
    "std": toys.STD,
    "input_size": (16, 20),
    "labels": [f"name {i}, other {i}" for i in range(5)],
    "crop": 0.9,
    "interpolation": "bilinear",
}


def build(pretrained: bool) -> tuple[nn.Module, dict[str, Any]]:
    """What a package offers: trained weights are all ones here."""
    module = toys.Residual()
    if pretrained:
        nn.init.ones_(module.fc.weight)
    return module, SETTINGS


def network(name: str, package: str = "birds", value: str = "build") -> EntryPoint:
    return entry_point("networks", name, package, f"{__name__}:{value}")


@pytest.fixture
def birds(plugged_in: list[EntryPoint]) -> None:
    plugged_in.append(network("birds/resnet"))


@pytest.mark.usefixtures("birds")
def test_a_network_of_a_package_has_its_settings() -> None:
    net = cs.load("birds/resnet", device="cpu")
    assert net.name == "birds/resnet"
    assert (net.mean, net.std, net.input_size) == (toys.MEAN, toys.STD, (16, 20))
    assert (net.crop, net.interpolation) == (0.9, "bilinear")
    assert net.labels == tuple(f"name {i}" for i in range(5))
    assert net.target("other 3").channel == 3
    assert net.source == {"name": "birds/resnet", "pretrained": True, "checkpoint": None}
    assert (net.parameter("fc") == 1).all()


@pytest.mark.usefixtures("birds")
def test_random_weights_are_the_same_every_time() -> None:
    one, other = (cs.load("birds/resnet", pretrained=False, device="cpu") for _ in range(2))
    assert torch.equal(one.parameter("fc"), other.parameter("fc"))
    assert not (one.parameter("fc") == 1).all()


@pytest.mark.usefixtures("birds")
def test_a_checkpoint_goes_before_trained_weights(tmp_path: Any) -> None:
    state = toys.randomized(toys.Residual()).state_dict()
    torch.save(state, tmp_path / "mine.pt")
    net = cs.load("birds/resnet", checkpoint=tmp_path / "mine.pt", device="cpu")
    assert torch.equal(net.parameter("fc"), state["fc.weight"])


@pytest.mark.usefixtures("birds")
def test_it_computes_what_its_module_computes() -> None:
    module = zoo.build("birds/resnet")[0].eval()
    image = toys.images(2, 16)
    with torch.no_grad():
        expected = module(toys.normalized(image))
    found = cs.load("birds/resnet", device="cpu").activations(image, {""})[""]
    assert toys.relative(found, expected) < 1e-5


@pytest.mark.usefixtures("birds")
def test_its_name_is_listed_and_suggested() -> None:
    assert zoo.models("BIRDS") == ["birds/resnet"]
    ours = ["efficientnet_lite0", "efficientnet_lite1", "squeezenet1_1", "hog"]
    assert zoo.models()[:5] == [*ours, "birds/resnet"]
    with pytest.raises(ConvscopeError, match="did you mean 'birds/resnet'"):
        cs.load("bird/resnet")


@pytest.mark.parametrize("name", ["efficientnet_lite0", "timm/own", "torchvision/own", "timm"])
def test_names_of_our_own_cannot_be_taken(plugged_in: list[EntryPoint], name: str) -> None:
    plugged_in.append(network(name))
    with pytest.warns(PluginWarning, match=rf"^birds adds '{name}' .* convscope has that name"):
        assert zoo.models().count(name) == (name == "efficientnet_lite0")


def test_our_own_networks_import_no_package(plugged_in: list[EntryPoint]) -> None:
    plugged_in.append(entry_point("networks", "efficientnet_lite0", "birds", "no_such:module"))
    plugged_in.append(entry_point("networks", "other", "birds", "no_such:module"))
    assert zoo.build("efficientnet_lite0", pretrained=False)[1]["input_size"] == (224, 224)


def raises(_pretrained: bool) -> None:
    raise OSError("no route to host")


def explains(_pretrained: bool) -> None:
    raise ConvscopeError("the weights are at example.org")


def only_a_module(_pretrained: bool) -> nn.Module:
    return toys.Residual()


def wrong_types(_pretrained: bool) -> Any:
    return toys.Residual(), ["mean", "std"]


def too_little(_pretrained: bool) -> Any:
    return toys.Residual(), {"mean": toys.MEAN}


def too_much(_pretrained: bool) -> Any:
    return build(True)[0], {**SETTINGS, "means": toys.MEAN}


MODULE = toys.Residual()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("nowhere", r"cannot be imported \(AttributeError: .*nowhere"),
        ("MODULE.fc.in_features", "is no function but int"),
        ("raises", r"cannot be built \(OSError: no route to host\)"),
        ("only_a_module", "must return a module and a dict of settings, not Residual"),
        ("wrong_types", "must return a module and a dict of settings, not Residual and list"),
        ("too_little", "does not return input_size, std"),
        ("too_much", "returns an unknown setting 'means'"),
    ],
)
def test_a_fault_names_the_package(plugged_in: list[EntryPoint], value: str, problem: str) -> None:
    plugged_in.append(network("x", "birds", value))
    message = rf"^the package birds adds 'x' to convscope.networks, which {problem}"
    with pytest.raises(ConvscopeError, match=message):
        cs.load("x")


def test_a_package_may_explain_itself(plugged_in: list[EntryPoint]) -> None:
    plugged_in.append(network("x", "birds", "explains"))
    with pytest.raises(ConvscopeError, match=r"^the weights are at example.org$"):
        cs.load("x")
