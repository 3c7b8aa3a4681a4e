"""Checkpoints: every way to save one, and files that must not run or do not fit."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import convscope as cs
from convscope.errors import ConvscopeError
from convscope.network import zoo
from convscope.network.sources import checkpoints
from tests.helpers import toys


def save_safely(state: dict[str, Any], path: Path) -> Path:
    save_file(state, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def save_as(wrap: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any], Path], Path]:
    def save(state: dict[str, Any], path: Path) -> Path:
        torch.save(wrap(state), path.with_suffix(".pt"))
        return path.with_suffix(".pt")

    return save


WAYS: dict[str, Callable[[dict[str, Any], Path], Path]] = {
    "safetensors": save_safely,
    "state dict": save_as(dict),
    "under state_dict": save_as(lambda s: {"epoch": 3, "state_dict": s, "best": 0.9}),
    "under model": save_as(lambda s: {"model": s, "optimizer": {"lr": 1.0}}),
    "DataParallel": save_as(lambda s: {f"module.{k}": v for k, v in s.items()}),
    "compiled": save_as(lambda s: {f"_orig_mod.{k}": v for k, v in s.items()}),
    "both": save_as(lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}}),
}


@pytest.mark.parametrize("save", WAYS.values(), ids=WAYS)
def test_round_trip(save: Callable[[dict[str, Any], Path], Path], tmp_path: Path) -> None:
    trained, fresh = toys.randomized(toys.Residual()), toys.randomized(toys.Residual(), seed=1)
    path = save(trained.state_dict(), tmp_path / "weights")
    checkpoints.load_checkpoint(fresh, path)
    assert list(fresh.state_dict()) == list(trained.state_dict())
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name]), name


def test_a_submodule_that_is_called_module(tmp_path: Path) -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(2, 2)

    trained, fresh = Outer(), Outer()
    torch.save(trained.state_dict(), tmp_path / "weights.pt")
    checkpoints.load_checkpoint(fresh, tmp_path / "weights.pt")
    assert torch.equal(fresh.module.weight, trained.module.weight)


def test_load_with_a_checkpoint(tmp_path: Path) -> None:
    module, _ = zoo.build("torchvision/squeezenet1_1", pretrained=False)
    path = tmp_path / "own.safetensors"
    save_file(module.state_dict(), path)
    net = cs.load("torchvision/squeezenet1_1", checkpoint=path, device="cpu")
    assert torch.equal(net.parameter("features.0"), module.state_dict()["features.0.weight"])
    assert net.source is not None
    assert net.source["checkpoint"] == str(path.resolve())


class Code:
    """A pickle that leaves a mark when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.mark),)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    torch.save({"fc.weight": Code(mark)}, tmp_path / "evil.pt")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Code(mark), protocol=2))
    torch.save(toys.Residual(), tmp_path / "module.pt")
    for name in ("evil.pt", "evil.pth", "module.pt"):
        with pytest.raises(
            ConvscopeError, match=f"{name} is not a checkpoint that holds only tensors"
        ):
            checkpoints.load_checkpoint(toys.Residual(), tmp_path / name)
    assert not mark.exists()


def test_checkpoints_that_do_not_fit(tmp_path: Path) -> None:
    def refused(message: str, name: str = "weights.pt") -> None:
        module = toys.Residual()
        before = {k: v.clone() for k, v in module.state_dict().items()}
        with pytest.raises(ConvscopeError, match=message):
            checkpoints.load_checkpoint(module, tmp_path / name)
        if "fit" not in message:
            assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())

    def write(value: Any) -> None:
        torch.save(value, tmp_path / "weights.pt")

    refused(f"no checkpoint at {tmp_path / 'nowhere.pt'}", "nowhere.pt")
    refused("no checkpoint at", ".")
    for name in ("empty.pt", "empty.safetensors"):
        (tmp_path / name).touch()
        refused(f"{name} is not a checkpoint that holds only tensors", name)
    (tmp_path / "text.safetensors").write_text("not tensors at all, only words")
    refused("text.safetensors is not a checkpoint", "text.safetensors")
    write([1, 2])
    refused("weights.pt holds a list, not a state dict")
    write(torch.zeros(3))
    refused("weights.pt holds a Tensor, not a state dict")
    state = toys.Residual().state_dict()
    write({**state, "fc.weight": torch.zeros(7, 10)})
    refused(r"weights.pt does not fit: size mismatch for fc.weight.*\[7, 10\]")
    write({k: v for k, v in state.items() if k != "fc.bias"})
    refused('weights.pt does not fit: Missing key.* "fc.bias"')
    write({**state, "head.weight": torch.zeros(1)})
    refused('weights.pt does not fit: Unexpected key.* "head.weight"')
    write({**state, "fc.weight": 3})
    refused("weights.pt does not fit")
    write({})
    refused("weights.pt does not fit")
