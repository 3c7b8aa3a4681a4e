"""Checkpoints as training programs write them: found, fitted, and refused where they do not fit."""

from __future__ import annotations

import argparse
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import convscope as cs
from convscope.errors import ConvscopeError
from convscope.network import zoo
from convscope.network.checkpoints.choosing import Classes
from convscope.network.checkpoints.loading import Checkpoint, Loaded
from tests.helpers import toys

State = dict[str, Any]


def trained() -> nn.Module:
    """A toy with other weights than `toys.Residual()`."""
    module = toys.Residual()
    toys.randomized(module)
    return module


def before(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}


def load(path: Path | str, module: nn.Module | None = None) -> Loaded:
    return Checkpoint(path).load(toys.Residual() if module is None else module)


def same(module: nn.Module, state: State) -> bool:
    return all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


class Ours:
    """A class that no other program has."""

    def __init__(self) -> None:
        self.settings = {"lr": 0.1}


WAYS: dict[str, Callable[[State], Any]] = {
    "a state dict": dict,
    "torchvision's references": lambda s: {
        "model": s,
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}},
        "args": argparse.Namespace(lr=0.1, path=Path("x")),
    },
    "timm's training": lambda s: {
        "epoch": 3,
        "arch": "resnet18",
        "state_dict": s,
        "args": argparse.Namespace(model="resnet18"),
        "metric": np.float64(0.7),
    },
    "Lightning": lambda s: {
        "pytorch-lightning_version": "2.6",
        "state_dict": {**before("model.", s), "criterion.weight": torch.ones(5)},
        "hyper_parameters": {"lr": 0.1},
    },
    "PyTorch's tutorial": lambda s: {"model_state_dict": s, "optimizer_state_dict": {}, "loss": 1},
    "under net": lambda s: {"net": s, "acc": 91.2},
    "under params": lambda s: {"params": s},
    "under two names": lambda s: {"checkpoint": {"weights": s}},
    "in a list": lambda s: [s, {"lr": 0.1}],
    "DataParallel": lambda s: before("module.", s),
    "compiled and DataParallel": lambda s: before("_orig_mod.module.", s),
    "DataParallel and compiled": lambda s: before("module._orig_mod.", s),
    "compiled inside": lambda s: {
        name.replace(".", "._orig_mod.", 1): value for name, value in s.items()
    },
    "thop": lambda s: {**s, "total_ops": torch.zeros(1), "conv.total_params": torch.zeros(1)},
    "an average": lambda s: {**before("module.", s), "n_averaged": torch.tensor(3)},
    "with an optimizer of its own": lambda s: {"state_dict": s, "config": Ours()},
    "parameters": lambda s: {name: nn.Parameter(v, False) for name, v in s.items()},
    "twice": lambda s: {"model": s, "best_model": s},
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
@pytest.mark.parametrize("wrap", WAYS.values(), ids=WAYS)
def test_every_way_to_save(wrap: Callable[[State], Any], old: bool, tmp_path: Path) -> None:
    state = trained().state_dict()
    path = tmp_path / "mine.ckpt"
    torch.save(wrap(state), path, _use_new_zipfile_serialization=not old)
    assert same(load(path).module, state)


@pytest.mark.parametrize("prefix", ["", "model.", "backbone.net."])
def test_safetensors(prefix: str, tmp_path: Path) -> None:
    state = trained().state_dict()
    path = tmp_path / "named.like.nothing"
    save_file(before(prefix, state), path, {"format": "pt"})
    assert same(load(path).module, state)


def test_whole_modules_give_their_weights(tmp_path: Path) -> None:
    module = trained()
    for name, whole in {"a.pt": module, "b.pt": {"model": nn.DataParallel(module)}}.items():
        torch.save(whole, tmp_path / name)
        loaded = load(tmp_path / name)
        assert same(loaded.module, module.state_dict())
        assert "whole" in " ".join(loaded.notes)


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = self.first
        self.register_buffer("kept", torch.ones(2))
        self.register_buffer("hidden", torch.ones(2), persistent=False)


def test_a_whole_module_has_the_names_of_its_state_dict(tmp_path: Path) -> None:
    module = Shared()
    torch.save(module, tmp_path / "a.pt")
    (state,) = Checkpoint(tmp_path / "a.pt")._states
    assert set(state.tensors) == set(module.state_dict())


def test_tensors_that_share_their_numbers(tmp_path: Path) -> None:
    """Views, transposed and expanded tensors, as torch.load reads them."""
    base = torch.arange(24.0)
    state = {
        "0.weight": base[:12].view(3, 4).T.contiguous().T,
        "0.bias": base[5:8],
        "1.weight": base[0].expand(2, 3),
        "1.bias": base[::12],
    }
    torch.save(state, tmp_path / "a.pt")
    module = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    assert same(load(tmp_path / "a.pt", module).module, state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_told(dtype: torch.dtype, tmp_path: Path) -> None:
    state = trained().state_dict()
    changed = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    torch.save(changed, tmp_path / "a.pt")
    loaded = load(tmp_path / "a.pt")
    assert same(loaded.module, {k: v.to(state[k].dtype) for k, v in changed.items()})
    assert loaded.notes == (f"weights are {str(dtype)[6:]} in a.pt, and float32 here",)


def test_a_counter_of_batches_may_be_missing(tmp_path: Path) -> None:
    state = trained().state_dict()
    torch.save({k: v for k, v in state.items() if "num_batches" not in k}, tmp_path / "a.pt")
    module = toys.Residual()
    kept = {k: v for k, v in module.state_dict().items() if "num_batches" in k}
    assert kept
    assert same(load(tmp_path / "a.pt", module).module, {**state, **kept})


# -------------------------------------------------------------- several sets of weights


def test_averages_are_told_and_can_be_chosen(tmp_path: Path) -> None:
    one, other = trained().state_dict(), toys.Residual().state_dict()
    path = tmp_path / "a.pth"
    average = {**before("module.", other), "n_averaged": torch.tensor(9)}
    torch.save({"model_ema": average, "model": one}, path)
    loaded = load(path)
    assert same(loaded.module, one)
    assert "a.pth:model_ema" in loaded.notes[0]
    assert same(load(f"{path}:model_ema").module, other)
    torch.save({**before("net.", one), **before("net_ema.module.", other)}, path)
    loaded = load(path)
    assert same(loaded.module, one)
    assert "a.pth:net_ema.module loads the averages" in loaded.notes[0]
    assert same(load(f"{path}:net_ema").module, other)
    torch.save({"ema": other, "epoch": 3}, path)
    loaded = load(path)
    assert same(loaded.module, other)
    assert loaded.notes == ("the weights are those under 'ema' in a.pth, which are averages",)


def test_two_that_fit_are_for_the_user_to_choose(tmp_path: Path) -> None:
    one, other = trained().state_dict(), toys.Residual().state_dict()
    path = tmp_path / "a.pt"
    torch.save({"student": one, "teacher": other}, path)
    with pytest.raises(ConvscopeError, match=r"'student', 'teacher': choose.*a\.pt:student"):
        load(path)
    assert same(load(f"{path}:teacher").module, other)
    with pytest.raises(ConvscopeError, match="no weights under 'pupil'; there are 'student'"):
        load(f"{path}:pupil")
    torch.save({"student": {"layer.weight": torch.ones(2)}, "teacher": other}, path)
    assert same(load(path).module, other)


def test_what_may_be_of_the_network_is_not_left_out(tmp_path: Path) -> None:
    state = trained().state_dict()
    path = tmp_path / "a.pt"
    head = {"classifier.weight": torch.ones(2, 5), "classifier.bias": torch.ones(2)}
    torch.save({**before("backbone.", state), **head}, path)
    with pytest.raises(ConvscopeError, match=r"also holds 'classifier\.weight'.*a\.pt:backbone"):
        load(path)
    assert same(load(f"{path}:backbone").module, state)
    torch.save({**state, "gate.bias": torch.ones(2)}, path)
    with pytest.raises(ConvscopeError, match=r"also holds 'gate\.bias', which the network"):
        load(path)
    torch.save({**before("model.", state), "loss.weight": torch.ones(5)}, path)
    assert load(path).notes[0].endswith("the network does not have it: 'loss.weight'")


# ------------------------------------------------------------------------------- classes


class Small(nn.Module):
    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, classes)
        self.aux = nn.Conv2d(4, 3 * classes, 1)  # three anchors


def fine_tuned(path: Path, state: State) -> Loaded:
    torch.save(state, path)
    return Checkpoint(path).load(Small(), Classes(5, Small))


def test_the_number_of_classes_is_read_from_the_head(tmp_path: Path) -> None:
    state = Small(7).state_dict()
    loaded = fine_tuned(tmp_path / "a.pt", {"state_dict": before("model.", state)})
    assert (loaded.classes, same(loaded.module, state)) == (7, True)
    state["aux.weight"] = torch.ones(22, 4, 1, 1)  # not of seven classes
    with pytest.raises(ConvscopeError, match=r"'aux\.weight' is 22 x 4 x 1 x 1, not 15 x 4"):
        fine_tuned(tmp_path / "a.pt", state)
    state = Small(7).state_dict()
    state["conv.weight"] = torch.ones(7, 3, 3, 3)
    with pytest.raises(ConvscopeError, match=r"'conv\.weight' is 7 x 3 x 3 x 3, not 4 x 3"):
        fine_tuned(tmp_path / "a.pt", state)


@pytest.mark.parametrize("prefix", ["", "backbone."])
@pytest.mark.parametrize("name", ["fc.1", "classifier", "head.fc"])
def test_a_head_by_another_name(name: str, prefix: str, tmp_path: Path) -> None:
    def build(classes: int) -> nn.Module:
        return nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "fc": nn.Linear(4, classes)})

    state = build(7).state_dict()
    names = {f"conv.{n}": f"{prefix}conv.{n}" for n in ("weight", "bias")}
    names |= {"fc.weight": f"{name}.weight", "fc.bias": f"{name}.bias"}
    path = tmp_path / "a.pt"
    torch.save({names.get(k, k): v for k, v in state.items()}, path)
    loaded = Checkpoint(path).load(build(5), Classes(5, build))
    assert (loaded.classes, same(loaded.module, state)) == (7, True)
    assert f"is taken to be '{name}.weight', '{name}.bias', with" in loaded.notes[0]
    two = {f"{name}.3.weight": torch.ones(4, 4), f"{name}.3.bias": torch.ones(4)}
    torch.save({names.get(k, k): v for k, v in state.items()} | two, path)
    with pytest.raises(ConvscopeError, match=r"does not fit the network: .*missing"):
        Checkpoint(path).load(build(5), Classes(5, build))


KEPT: dict[str, Any] = {
    "classes": ["a", "b", "c"],
    "class_names": ("a", "b", "c"),
    "names": {0: "a", 1: "b", 2: "c"},
    "meta": {"CLASSES": ("a", "b", "c")},
    "class_to_idx": {"c": 2, "a": 0, "b": 1},
    "hyper_parameters": {"id2label": {"0": "a", "1": "b", "2": "c"}},
    "args": argparse.Namespace(labels=["a", "b", "c"]),
}


@pytest.mark.parametrize("key", KEPT)
def test_labels_in_the_checkpoint(key: str, tmp_path: Path) -> None:
    torch.save({"state_dict": {"w": torch.ones(1)}, key: KEPT[key]}, tmp_path / "a.pt")
    assert list(Checkpoint(tmp_path / "a.pt").labels.values()) == [["a", "b", "c"]]


def test_labels_in_safetensors(tmp_path: Path) -> None:
    save_file({"w": torch.ones(1)}, tmp_path / "a.safetensors", {"classes": '["a", "b"]'})
    found = Checkpoint(tmp_path / "a.safetensors").labels
    assert found == {"__metadata__.classes": ["a", "b"]}


def test_what_is_no_list_of_labels(tmp_path: Path) -> None:
    others = {"classes": 3, "names": [1, 2], "labels": torch.ones(3), "vocab": ["a\x1b[2J", "b"]}
    torch.save({"state_dict": {"w": torch.ones(1)}, **others}, tmp_path / "a.pt")
    assert Checkpoint(tmp_path / "a.pt").labels == {}


@pytest.mark.parametrize("name", ["timm/test_resnet", "torchvision/squeezenet1_1"])
def test_a_network_that_was_trained_on_other_classes(name: str, tmp_path: Path) -> None:
    module: Any = zoo._build(name, False, {}, 3)[0]
    if name.startswith("torchvision"):  # as in PyTorch's tutorial
        module = zoo.build(name, pretrained=False)[0]
        module.classifier[1] = nn.Conv2d(512, 3, 1)
    path = tmp_path / "mine.pt"
    torch.save({"model": module.state_dict(), "classes": ["cat", "dog", "owl"]}, path)
    net = cs.load(name, checkpoint=path, device="cpu", input_size=64)
    assert (net.num_classes, net.labels) == (3, ("cat", "dog", "owl"))
    assert net.notes[-1] == "the labels are those under 'classes' in mine.pt"
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (net.mean, net.std))
    with torch.no_grad():
        right = module.eval()((x - mean) / std)
    assert torch.allclose(net.logits(x), right, atol=1e-5)
    own = cs.load(name, checkpoint=path, device="cpu", labels=["x", "y", "z"], input_size=64)
    assert own.labels == ("x", "y", "z")
    with pytest.raises(ConvscopeError, match="2 labels for 3 classes"):
        cs.load(name, checkpoint=path, device="cpu", labels=["x", "y"], input_size=64)
    torch.save({"model": module.state_dict(), "classes": ["cat", "dog"]}, path)
    net = cs.load(name, checkpoint=path, device="cpu", input_size=64)
    assert net.labels == ()
    assert "the 2 labels under 'classes' in mine.pt are not of 3 classes" in net.notes[-1]


def test_settings_of_a_training_with_timm(tmp_path: Path) -> None:
    state = zoo.build("timm/test_resnet", pretrained=False)[0].state_dict()
    options: State = {"mean": [0.1, 0.2, 0.3], "std": None, "img_size": 64, "crop_pct": 0.8}
    path = tmp_path / "a.pth.tar"
    args = argparse.Namespace(**options, interpolation="bilinear", model="test_resnet")
    torch.save({"state_dict": state, "args": args}, path)
    net = cs.load("timm/test_resnet", checkpoint=path, device="cpu")
    assert (net.mean, net.std) == ((0.1, 0.2, 0.3), (0.5,) * 3)
    assert (net.input_size, net.crop, net.interpolation) == ((64, 64), 0.8, "bilinear")
    told = "mean, input_size, crop, interpolation: those that a.pth.tar was trained with"
    assert net.notes[-1].startswith(told)
    net = cs.load("timm/test_resnet", checkpoint=path, device="cpu", mean=0.5, input_size=96)
    assert (net.mean, net.input_size, net.crop) == ((0.5,) * 3, (96, 96), 0.8)
    args = argparse.Namespace(crop_pct=None, mean="x", std=[1], input_size=[3, "a"], img_size=None)
    torch.save({"state_dict": state, "args": args}, path)
    net = cs.load("timm/test_resnet", checkpoint=path, device="cpu")
    assert (net.input_size, net.loading_notes) == ((160, 160), ())


def test_a_network_that_was_trained_on_another_size(tmp_path: Path) -> None:
    module = zoo._build("timm/test_vit", False, {"input_size": (96, 96)}, 3)[0]
    path = tmp_path / "a.pt"
    torch.save(module.state_dict(), path)
    with pytest.raises(ConvscopeError, match="another size of images, give that as input_size"):
        cs.load("timm/test_vit", checkpoint=path, device="cpu")
    net = cs.load("timm/test_vit", checkpoint=path, device="cpu", input_size=96)
    x = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(net.logits(x), module.eval()(x * 2 - 1), atol=1e-5)


def test_a_checkpoint_makes_a_network(tmp_path: Path) -> None:
    module, _ = zoo.build("torchvision/squeezenet1_1", pretrained=False)
    with torch.no_grad():
        module.get_parameter("features.0.weight").fill_(0.25)
    path = tmp_path / "own.safetensors"
    save_file(module.state_dict(), path)
    net = cs.load("torchvision/squeezenet1_1", checkpoint=path, device="cpu")
    assert torch.equal(net.parameter("features.0"), module.state_dict()["features.0.weight"])
    assert net.source is not None
    assert net.source["checkpoint"] == str(path.resolve())
    assert net.labels[281] == "tabby"
    assert net.loading_notes == net.to("cpu").loading_notes == ()


# ------------------------------------------------------------------------------ refused


class Code:
    """A pickle that leaves a mark when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.mark),)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    state = trained().state_dict()
    torch.save({"state_dict": state, "callback": Code(mark)}, tmp_path / "evil.pt")
    assert same(load(tmp_path / "evil.pt").module, state)
    torch.save({**state, "fc.weight": Code(mark)}, tmp_path / "evil.pt")
    with pytest.raises(ConvscopeError, match=r"'fc\.weight' missing"):
        load(tmp_path / "evil.pt")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Code(mark), protocol=2))
    with pytest.raises(ConvscopeError, match=r"evil\.pth is no checkpoint: it is a pickle, but"):
        load(tmp_path / "evil.pth")
    assert not mark.exists()


def refused(message: str, path: Path) -> None:
    module = toys.Residual()
    kept = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(ConvscopeError, match=message) as caught:
        load(path, module)
    assert same(module, kept)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: [1, 2], "a.pt holds no state dict, but 'list' without weights"),
        (lambda s: torch.zeros(3), "a.pt holds a tensor, not a state dict"),
        (lambda s: {}, "a.pt holds no state dict"),
        (lambda s: {0: torch.ones(3), None: 1, (1, 2): 3}, "a.pt holds no state dict"),
        (lambda s: {**s, "fc.weight": torch.zeros(7, 10)}, r"'fc\.weight' is 7 x 10, not 5 x"),
        (lambda s: {**s, "fc.weight": 3}, r"'fc\.weight' missing"),
        (lambda s: {k: v for k, v in s.items() if k != "fc.bias"}, r"'fc\.bias' missing"),
        (lambda s: {**s, "head.weight": torch.zeros(1)}, r"also holds 'head\.weight'"),
        (lambda s: {**s, "x" * 1500 + "\x1b[31m": torch.zeros(1)}, "also holds 'xxx"),
        (lambda s: {**s, "x" * 5000: torch.zeros(1)}, "far more than weights"),
        (lambda s: {**s, "fc.bias": s["fc.bias"].long()}, r"'fc\.bias' holds int64 numbers, not f"),
        (lambda s: {**s, "fc.bias": s["fc.bias"] > 0}, r"'fc\.bias' holds bool numbers, not float"),
        (lambda s: {**s, "fc.bias": s["fc.bias"] + 0j}, r"'fc\.bias' holds complex64 numbers"),
        (lambda s: {**s, "fc.bias": s["fc.bias"].to("meta")}, r"'fc\.bias' is without numbers"),
        (lambda s: {**s, "fc.bias": s["fc.bias"].to_sparse()}, r"'fc\.bias' is sparse"),
        (lambda s: {**s, "fc.bias": torch.quantize_per_tensor(s["fc.bias"], 0.1, 0, torch.qint8)},
         r"'fc\.bias' is quantized"),
        (lambda s: {**s, "fc.bias": torch.zeros(1).expand(10**12)},
         r"'fc\.bias' is 1000000000000, not 5"),
        (lambda s: {f"blocks.{i}.attn.qkv.weight": torch.zeros(2) for i in range(9)},
         "look like a vision transformer of timm"),
    ],
)  # fmt: skip
def test_checkpoints_that_do_not_fit(
    change: Callable[[State], Any], message: str, tmp_path: Path
) -> None:
    torch.save(change(trained().state_dict()), tmp_path / "a.pt")
    refused(message, tmp_path / "a.pt")
