"""Networks that a user's own code makes, and what goes wrong in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.errors import ConvscopeError
from convscope.network import arguments, runs_code
from convscope.network.sources import own_code

SETTINGS: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.25,) * 3, "input_size": 16}

CODE = """
import torch
from torch import nn
import convscope as cs
from parts_of_mine import features

class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.features, self.fc = features(), nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))

def network():
    half = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    return cs.Network(Mine(), **half, input_size=16, labels=("cat", "dog"), name="mine")

def pair():
    return Mine(), {"mean": [0.5] * 3, "std": [0.25] * 3, "input_size": 16}

def exported():
    return torch.export.export(Mine().eval(), (torch.rand(1, 3, 16, 16),))

ready = Mine()

def fails():
    return 1 / 0

def text():
    return "a network"

def needs(classes):
    return Mine()
"""


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "parts_of_mine.py").write_text(
        "from torch import nn\ndef features():\n    return nn.Conv2d(3, 4, 3)\n"
    )
    path = tmp_path / "own net.py"
    path.write_text(CODE)
    before = list(sys.path)
    yield path
    assert sys.path == before
    sys.modules.pop("parts_of_mine", None)


@pytest.mark.parametrize("name", ["Mine", "pair", "ready", "exported"])
def test_modules(name: str, file: Path) -> None:
    given = {} if name == "pair" else SETTINGS
    net = cs.load(f"{file}:{name}", device="cpu", **given)
    assert (net.input_size, net.std) == ((16, 16), (0.25,) * 3)
    assert net.num_classes == 2
    assert net.layer("features").type == "Conv2d"


def test_a_network_keeps_its_settings(file: Path) -> None:
    net = cs.load(f"{file}:network", device="cpu")
    assert (net.name, net.labels, net.std) == ("mine", ("cat", "dog"), (0.5,) * 3)
    changed = cs.load(f"{file}:network", device="cpu", std=0.25, labels=["x", "y"])
    assert (changed.labels, changed.std, changed.mean) == (("x", "y"), (0.25,) * 3, (0.5,) * 3)


def test_from_any_folder(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    net = cs.load("own net.py:pair", device="cpu")
    assert net.source is not None
    assert net.source["name"] == f"{file.resolve()}:pair"
    monkeypatch.chdir("/")
    assert cs.load(**arguments(net.source), device="cpu").num_classes == 2


def test_a_checkpoint_for_it(file: Path, tmp_path: Path) -> None:
    net = cs.load(f"{file}:pair", device="cpu")
    state = {name: torch.ones_like(value) for name, value in net.module.state_dict().items()}
    torch.save({"state_dict": state, "classes": ["cat", "dog"]}, tmp_path / "a.pt")
    mine = cs.load(f"{file}:pair", checkpoint=tmp_path / "a.pt", device="cpu")
    assert bool((mine.parameter("fc") == 1).all())
    assert (mine.labels, mine.notes[-1]) == (
        ("cat", "dog"),
        "the labels are those under 'classes' in a.pt",
    )
    state["fc.weight"], state["fc.bias"] = torch.ones(3, 4), torch.ones(3)
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(ConvscopeError, match=r"'fc\.weight' is 3 x 4, not 2 x 4"):
        cs.load(f"{file}:pair", checkpoint=tmp_path / "a.pt")


def test_a_module_of_a_package(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    (file.parent / "a_package_of_mine").mkdir()
    (file.parent / "a_package_of_mine" / "nets.py").write_text(CODE)
    net = cs.load("a_package_of_mine.nets:ready", device="cpu", **SETTINGS)
    net_module = sys.modules.pop("a_package_of_mine.nets")
    state = {name: torch.ones_like(v) for name, v in net_module.ready.state_dict().items()}
    assert net.num_classes == 2
    sys.modules["a_package_of_mine.nets"] = net_module
    torch.save(state, "a.pt")
    cs.load("a_package_of_mine.nets:ready", checkpoint="a.pt", device="cpu", **SETTINGS)
    assert not bool((net_module.ready.fc.weight == 1).all())  # the user's own is unchanged
    del sys.modules["a_package_of_mine.nets"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fails", r"own net\.py:fails: line 28: ZeroDivisionError: division by zero"),
        ("text", "gives str: it must give a torch.nn.Module or a convscope.Network"),
        ("needs", r"needs: TypeError: needs\(\) missing 1 required positional argument"),
        ("Mine", "a module without mean, std, input_size: give --mean, --std, --input-size"),
        ("networks", "unknown function 'networks'; did you mean 'network'"),
    ],
)
def test_what_is_wrong_in_it(name: str, message: str, file: Path) -> None:
    with pytest.raises(ConvscopeError, match=message):
        cs.load(f"{file}:{name}")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = (1\n", "line 1: SyntaxError"),
        ("import no_such_package\n", "line 1: ModuleNotFoundError: No module named 'no_such_pa"),
        ("\nraise SystemExit(3)\n", r"the file ends the program \(3\)"),
        ("def make():\n    return other()\ndef other():\n    raise KeyError\n", "line 4: KeyError"),
    ],
)
def test_files_that_fail(code: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(code)
    with pytest.raises(ConvscopeError, match=message):
        cs.load(f"{tmp_path / 'mine.py'}:make")


def test_names_that_are_files(tmp_path: Path) -> None:
    with pytest.raises(ConvscopeError, match=r"mine\.py is a file: say which function"):
        cs.load("mine.py")
    with pytest.raises(ConvscopeError, match=r"no file nowhere\.py"):
        cs.load("nowhere.py:make")
    with pytest.raises(ConvscopeError, match=r"no file nowhere\.pt2"):
        cs.load("nowhere.pt2")
    with pytest.raises(ConvscopeError, match=r"--model timm/NAME --checkpoint mine\.ckpt"):
        cs.load("mine.ckpt")
    with pytest.raises(ConvscopeError, match=r"no_such_module:make: ModuleNotFoundError"):
        cs.load("no_such_module:make")


def test_which_names_run_code() -> None:
    for name in ("a.py:f", "/x y/a.py:f", "a:f", "a.b:f", "a.pt2"):
        assert runs_code(name)
    for name in ("efficientnet_lite0", "timm/resnet18", "timm/x.tag", "a.py", "a.pt", "birds/x"):
        assert not runs_code(name)


def test_exported_programs(tmp_path: Path) -> None:
    conv = nn.Conv2d(3, 4, 3)
    module = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    module.eval()
    path = tmp_path / "a.pt2"
    torch.export.save(torch.export.export(module, (torch.rand(1, 3, 20, 24),)), path)
    with pytest.raises(ConvscopeError, match="a module without mean, std: give --mean, --std,"):
        cs.load(str(path))
    net = cs.load(str(path), mean=(0.5,) * 3, std=(0.5,) * 3, device="cpu")
    assert net.input_size == (20, 24)
    x: Tensor = torch.rand(1, 3, 20, 24)
    assert torch.allclose(net.logits(x), module(x * 2 - 1), atol=1e-6)
    data = bytearray(path.read_bytes())
    data[data.find(conv.weight.detach().numpy().tobytes()[:16])] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConvscopeError, match=r"a\.pt2 is (damaged|no exported program)"):
        cs.load(str(path))
    path.write_bytes(b"123")
    with pytest.raises(ConvscopeError, match=r"a\.pt2 is no exported program"):
        cs.load(str(path))


def test_settings_of_timm_are_known(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import timm\ndef make():\n    return timm.create_model('test_resnet', num_classes=4)\n"
    )
    net = cs.load(f"{tmp_path / 'mine.py'}:make", device="cpu")
    assert (net.num_classes, net.labels, net.input_size) == (4, (), (160, 160))
    assert own_code.resolved("timm/resnet18") == "timm/resnet18"
