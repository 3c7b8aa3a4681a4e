"""Networks of one's own on the command line: checkpoints, labels, settings, code."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import pytest
import torch

import convscope as cs
from convscope.cli.options import NetworkOptions
from convscope.files import read_provenance
from convscope.network import zoo
from tests.helpers.collections import paint
from tests.helpers.shell import Shell

CODE = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )
    return module, {"mean": [0.5] * 3, "std": [0.5] * 3, "input_size": 16}
"""

RECIPE = """
start = "noise(size=16)"
objective = "logit('x')"
optimizer = "adam(0.1)"
steps = 1
"""


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture(autouse=True)
def own(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the working folder: a photograph, code, a checkpoint and labels."""
    monkeypatch.setattr("convscope.network.load", zoo.load)
    Path("mine.py").write_text(CODE)
    net = cs.load("mine.py:make", device="cpu")
    state = {f"module.{name}": value * 2 for name, value in net.module.state_dict().items()}
    torch.save({"state_dict": state, "classes": ["cat", "dog", "owl"]}, "mine.pt")
    Path("names.txt").write_text("x\ny\nz\n")


MINE = ("--model", "mine.py:make", "--device", "cpu")


def test_code_a_checkpoint_and_its_labels(shell: Shell) -> None:
    words = ("predict", "my photo.png", *MINE, "--checkpoint", "mine.pt", "-o", "a.png")
    code, _, err = shell(*words)
    assert (code, err) == (0, "convscope: the labels are those under 'classes' in mine.pt\n")
    network = read_provenance("a.png")["network"]
    assert network["name"] == f"{Path('mine.py').resolve()}:make"
    assert len(network["checkpoint_sha256"]) == 64


def test_labels_and_settings(shell: Shell) -> None:
    more = ("--mean", "0.4,0.5,0.6", "--std", "0.2", "--input-size", "20x24", "--crop", "0.9")
    words = ("predict", "my photo.png", *MINE, "--labels", "names.txt", *more)
    found = json.loads(shell.works(*words, "-o", "a.png", "--json"))
    assert {one["label"] for one in found["predictions"]} == {"x", "y", "z"}
    network = read_provenance("a.png")["network"]
    assert (network["mean"], network["std"]) == ([0.4, 0.5, 0.6], [0.2] * 3)
    assert (network["input_size"], network["crop"]) == ([20, 24], 0.9)
    assert network["labels"] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mean", "a,b"], r"^--mean is a number for each channel, with commas.*not 'a,b'"),
        (["--std", ""], "^--std is a number for each channel"),
        (["--mean", "123,117,104", "--std", "1,1,1"], "pixels from 0 to 255; here"),
        (["--mean", "0.1,0.2"], "one number for each channel"),
        (["--input-size", "big"], "^--input-size is a number of pixels, or rows and columns"),
        (["--input-size", "1,2,3"], "^--input-size is a number of pixels"),
        (["--crop", "2"], "crop must be above 0 and at most 1"),
        (["--labels", "no.txt"], "no file of labels at no.txt"),
        (["--labels", "my photo.png"], "my photo.png holds no labels"),
        (["--checkpoint", "mine.pt:ema"], "mine.pt holds no weights under 'ema'"),
        (["--model", "mine.pt"], r"give the name.*--model timm/NAME --checkpoint mine\.pt"),
        (["--model", "mine.py"], r"mine\.py is a file: say which function"),
        (["--model", "mine.py:makes"], r"unknown function 'makes'; did you mean 'make'"),
    ],
)  # fmt: skip
def test_bad_words(words: list[str], message: str, shell: Shell) -> None:
    model = () if "--model" in words else MINE
    assert re.search(message, shell.fails("predict", "my photo.png", *model, *words))


def test_every_command_takes_them(shell: Shell) -> None:
    own = (*MINE, "--checkpoint", "mine.pt", "--labels", "names.txt")
    assert "Conv2d" in shell.works("layers", *own[:2], *own[4:])
    Path("lava.toml").write_text(RECIPE)
    for words in (["saliency", "my photo.png"], ["filters"], ["ascend", "lava.toml"]):
        code, _, err = shell(*words, *own, "-o", "a.png")
        assert (code, err) == (0, ""), words
        assert read_provenance("a.png")["network"]["labels"] == ["x", "y", "z"]


def test_an_index_opens_the_same_network_again(shell: Shell) -> None:
    """From its checkpoint and with its labels; from code only where that is named again."""
    for number in range(6):
        paint(Path("photos") / "xyz"[number % 3] / f"{number}.png", number)
    options = ("--input-size", "32", "--labels", "names.txt")
    module = zoo._build("torchvision/squeezenet1_1", False, {}, 3)[0]
    torch.save(module.state_dict(), "squeeze.pth")
    made = ("--model", "torchvision/squeezenet1_1", "--checkpoint", "squeeze.pth", *options)
    assert shell("index", "photos", "-o", "one", "--workers", "0", *made)[0] == 0
    Path("names.txt").unlink()
    assert shell("neighbors", "my photo.png", "--index", "one", "-o", "a.png")[0] == 0
    network = read_provenance("a.png")["network"]
    assert (network["labels"], network["input_size"]) == (["x", "y", "z"], [32, 32])
    assert shell("index", "photos", "-o", "two", "--workers", "0", *MINE)[0] == 0
    Path("mine.py").write_text(CODE + "\nopen('mark', 'w')\n")
    message = shell.fails("neighbors", "my photo.png", "--index", "two")
    assert "give the network that made the index" in message
    with pytest.raises(cs.ConvscopeError, match=r"made by code .*make'\), which runs only"):
        NetworkOptions().open("two")
    assert not Path("mark").exists()
    assert shell("neighbors", "my photo.png", "--index", "two", *MINE, "-o", "a.png")[0] == 0


def test_an_index_keeps_to_its_labels_and_network(shell: Shell) -> None:
    """Other labels, none before, and the network that comes along are no quiet matter."""
    paint(Path("photos/x/0.png"), 0)
    made = ("index", "photos", "--workers", "0", *MINE)
    labels = ("--labels", "names.txt")
    assert shell(*made, *labels, "-o", "one")[0] == 0
    assert shell(*made, "-o", "one")[0] == 0  # takes the labels of the index
    assert shell(*made, *labels, "-o", "one")[0] == 0
    assert shell(*made, "-o", "none")[0] == 0
    assert "with no labels, not 3; use the same" in shell.fails(*made, *labels, "-o", "none")
    Path("names.txt").write_text("x\nq\nz\n")
    message = shell.fails(*made, *labels, "-o", "one")
    assert "one was made with the label 'y' for class 1, not 'q'; use the same" in message
    assert NetworkOptions(model="efficientnet_lite0").open("one").name == "efficientnet_lite0"


def test_an_unknown_class_of_a_small_network(shell: Shell) -> None:
    torch.save(zoo._build("torchvision/squeezenet1_1", False, {}, 3)[0].state_dict(), "squeeze.pth")
    larger = ("--model", "torchvision/squeezenet1_1", "--checkpoint", "squeeze.pth")
    words = ("saliency", "my photo.png", "--labels", "names.txt", "--target", "pear")
    assert "the classes are 'x', 'y', 'z'" in shell.fails(*words, *larger)
    assert "'pear'; there are '0', '1', '2', '3', '4', 'x', 'y', 'z'" in shell.fails(*words, *MINE)


def test_replay(shell: Shell) -> None:
    """A changed checkpoint is named; code runs only with consent."""
    module = zoo._build("torchvision/squeezenet1_1", False, {}, 3)[0]
    torch.save(module.state_dict(), "squeeze.pth")
    made = ("--model", "torchvision/squeezenet1_1", "--checkpoint", "squeeze.pth")
    assert shell("saliency", "my photo.png", *made, "--input-size", "64", "-o", "a.png")[0] == 0
    torch.save({**module.state_dict(), "features.0.bias": torch.ones(64)}, "squeeze.pth")
    message = shell.fails("replay", "a.png", "--trust")
    assert re.search(r"squeeze\.pth is not, or no longer, the", message)
    shell.works("saliency", "my photo.png", *MINE, "-o", "b.png")
    Path("mine.py").write_text(CODE + "\nopen('mark', 'w')\n")
    assert "--trust" in shell.fails("replay", "b.png")
    assert not Path("mark").exists()
    shell.works("replay", "b.png", "--trust")
    assert Path("mark").exists()


def test_an_exported_program_brings_no_warnings_of_torch(shell: Shell) -> None:
    module = cs.load("mine.py:make", device="cpu").module.eval()
    program = torch.export.export(module, (torch.rand(1, 3, 16, 16),))
    torch.export.save(program, "own.pt2")
    words = (
        "--model",
        "own.pt2",
        "--mean",
        "0.5,0.5,0.5",
        "--std",
        "0.5,0.5,0.5",
        "--device",
        "cpu",
    )
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        assert shell("predict", "my photo.png", *words, "-o", "a.png")[0] == 0
    assert [str(one.message) for one in found] == []


def test_a_technique_has_a_usual_network_of_its_own(shell: Shell) -> None:
    small = (
        "texture",
        "sample:chelsea",
        "--height",
        "32",
        "--width",
        "32",
        "--steps",
        "1",
        "-o",
        "t.png",
    )
    shell.works(*small)
    assert read_provenance("t.png")["network"]["name"] == "squeezenet1_1"
    shell.works(*small, "--model", "efficientnet_lite0")
    assert read_provenance("t.png")["network"]["name"] == "efficientnet_lite0"
