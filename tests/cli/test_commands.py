"""The commands that are not techniques. (Collections: `test_collections.py`.)"""

from __future__ import annotations

import importlib
import json
import re
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from PIL import Image

import convscope as cs
from convscope.cli import doctor
from convscope.files import read_provenance
from convscope.vocabulary import spectra
from tests.helpers.shell import Shell, files

# --------------------------------------------------------------------------- recipes of one's own

RECIPE = """
start = "fourier(sigma=1, size=32)"
objective = "logit('volcano') - 3 * tv()"
rule = "redirected"
priors = ["jitter(4)"]
optimizer = "adam(0.1)"
steps = 3
"""
ON_PHOTO = RECIPE.replace("sigma=1, size=32", "image=net.preprocess(image)")


@pytest.fixture
def recipes(here: Path) -> Path:
    """The working folder with two recipes, one of which takes a photograph."""
    (here / "lava.toml").write_text(RECIPE)
    (here / "on photo.toml").write_text(ON_PHOTO)
    return here


def test_ascend_does_what_the_python_call_does(
    recipes: Path, shell: Shell, net: cs.Network
) -> None:
    assert shell.works("ascend", "lava.toml", "--seed", "3") == "lava.png\n"
    picture = cs.ascend(net, "lava.toml", seed=3).result().picture
    assert Image.open("lava.png").tobytes() == picture.tobytes()
    assert shell.works("ascend", "on photo.toml", "my photo.png") == "on photo-my photo.png\n"
    run = cs.ascend(net, "on photo.toml", cs.open_image("my photo.png"))
    assert Image.open("on photo-my photo.png").tobytes() == run.result().picture.tobytes()
    assert read_provenance("on photo-my photo.png") == run.provenance
    assert shell.works("replay", "on photo-my photo.png", "--trust", "-o", "b.png") == "b.png\n"
    assert Image.open("b.png").tobytes() == run.result().picture.tobytes()


def test_ascend_has_the_usual_options(recipes: Path, shell: Shell, net: cs.Network) -> None:
    told = json.loads(shell.works("ascend", "lava.toml", "-o", "a.gif", "--json"))
    assert told["picture"] == "a.gif"
    assert told["steps"] == 3
    assert told["score"] == pytest.approx(float(cs.ascend(net, "lava.toml").result().score))
    with Image.open("a.gif") as picture:
        assert getattr(picture, "n_frames", 1) == 3
    shell.works("ascend", "lava.toml", "-o", "b.png", "--random-weights", "--device", "cpu")
    network = read_provenance("b.png")["network"]
    assert network == {"name": "efficientnet_lite0", "pretrained": False, "checkpoint": None}


def test_ascend_over_a_folder(recipes: Path, shell: Shell, net: cs.Network) -> None:
    (recipes / "photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.effect_noise((50, 40), 60).convert("RGB").save(recipes / "photos" / name)
    code, out, err = shell("ascend", "on photo.toml", "photos")
    assert (code, out, err) == (0, "photos-on photo\n", "pictures: 2 made\n")
    picture = cs.ascend(net, "on photo.toml", cs.open_image("photos/b.png")).result().picture
    assert Image.open("photos-on photo/b.png.png").tobytes() == picture.tobytes()
    assert shell("ascend", "on photo.toml", "photos")[2] == "pictures: 2 already there\n"
    (recipes / "on photo.toml").write_text(ON_PHOTO.replace("jitter(4)", "jitter(5)"))
    assert shell("ascend", "on photo.toml", "photos")[2] == "pictures: 2 made again\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"requires an argument"),
        (["lawa.toml"], r"^no recipe at lawa\.toml$"),
        (["my photo.png"], r"^my photo\.png is not a recipe: its name should end in \.toml or"),
        (["bad.toml"], r"^bad\.toml: rule: unknown word 'redirect'; did you mean 'redirected'"),
        (["on photo.toml"], r"^on photo\.toml: start: the recipe needs a photograph"),
        (["on photo.toml", "nothing.png"], r"^no image at nothing\.png$"),
        (["lava.toml", "my photo.png"], r"does not use a photograph"),
        (["lava.toml", "--seed", "-1"], r"^ascend: seed: .*, not -1$"),
        (["lava.toml", "--steps", "3"], r"--steps"),
        (["lava.toml", "-o", "a.xyz"], r"a\.xyz.*\.png"),
    ],
)
def test_bad_words_for_ascend(recipes: Path, shell: Shell, words: list[str], message: str) -> None:
    (recipes / "bad.toml").write_text(RECIPE.replace("redirected", "redirect"))
    before = files(recipes)
    assert re.search(message, shell.fails("ascend", *words))
    assert files(recipes) == before, "nothing half-written"


def test_a_wrong_recipe_costs_no_network(
    recipes: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> NoReturn:
        raise AssertionError("loaded a network")

    monkeypatch.setattr("convscope.network.load", load)
    (recipes / "bad.toml").write_text(RECIPE.replace("adam(0.1)", "adam('x')"))
    assert "adam: lr" in shell.fails("ascend", "bad.toml")
    assert "needs a photograph" in shell.fails("ascend", "on photo.toml")


# ---------------------------------------------------------------------------------- spectrum


def test_spectrum(here: Path, shell: Shell) -> None:
    (here / "photos" / "more").mkdir(parents=True)
    paths = [here / "photos" / "a.png", here / "photos" / "more" / "b.jpg"]
    for path in paths:
        Image.effect_noise((70, 50), 60).convert("RGB").save(path)
    assert shell.works("spectrum", "photos") == "spectrum.npz\n"
    assert shell.works("spectrum", "photos", "-o", "own.npz") == "own.npz\n"
    expected = spectra.measure(cs.open_image(path) for path in paths)
    assert expected.shape == (3, 224, 113)
    for name in ("spectrum.npz", "own.npz"):
        torch.testing.assert_close(spectra.load(name), expected, rtol=1e-3, atol=1e-4)
    assert files(here) == {"photos", "spectrum.npz", "own.npz"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"requires an argument"),
        (["nowhere"], r"cannot read nowhere \(No such file"),
        (["empty"], r"^no photograph in empty$"),
        (["broken"], r"^broken/a\.png is not an image"),
        (["my photo.png"], r"cannot read my photo\.png"),
        ([".", "-o", "a.npy"], r"^a spectrum is a file that ends in \.npz, not a\.npy$"),
        ([".", "-o", "nowhere/a.npz"], r"no folder nowhere"),
    ],
)
def test_bad_words_for_spectrum(here: Path, shell: Shell, words: list[str], message: str) -> None:
    (here / "empty").mkdir()
    (here / "broken").mkdir()
    (here / "broken" / "a.png").write_text("no image")
    if "nowhere/a.npz" in words:
        shutil.rmtree(here / "broken")
    before = files(here)
    assert re.search(message, shell.fails("spectrum", *words))
    assert files(here) == before


# ------------------------------------------------------------------------------------ tables


def test_layers(shell: Shell, net: cs.Network) -> None:
    text = shell.works("layers")
    stem = next(line for line in text.splitlines() if line.startswith("conv_stem "))
    # 3 x 3 from 224 pixels by steps of 2: 32 * 3 * 3 * 3 weights.
    assert re.fullmatch(r"conv_stem +\w+ +32x112x112 +2 +3 +864\s*", stem)
    told = json.loads(shell.works("layers", "--json"))
    assert [row["name"] for row in told] == [layer.name for layer in net.layers]
    row = next(row for row in told if row["name"] == "conv_stem")
    assert row["shape"] == [32, 112, 112]
    assert row["receptive_field"] == [3, 3]


def test_layers_can_be_searched(shell: Shell) -> None:
    told = json.loads(shell.works("layers", "--contains", "blocks.1.0", "--json"))
    assert told
    assert all("blocks.1.0" in row["name"] for row in told)
    assert "no layer of efficientnet_lite0 has 'zzz'" in shell.fails("layers", "--contains", "zzz")


def test_models(shell: Shell) -> None:
    found = shell.works("models", "resnet50").split()
    assert {"timm/resnet50", "torchvision/resnet50"} <= set(found)
    assert all("resnet50" in name for name in found)
    assert json.loads(shell.works("models", "resnet50", "--json")) == found
    assert "no network has 'zzz'" in shell.fails("models", "zzz")


def test_doctor(shell: Shell) -> None:
    told = {check["name"]: check for check in json.loads(shell.works("doctor", "--json"))}
    assert told["torch"]["found"].startswith(torch.__version__)
    assert told["convscope"]["found"].startswith(cs.__version__)
    assert told["efficientnet_lite0"]["state"] == told["squeezenet1_1"]["state"] == "ok"
    assert told["device cpu"]["state"] == "ok"
    text = shell.works("doctor")
    assert all(name in text for name in told)


def test_doctor_names_the_command_that_fixes(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> NoReturn:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(doctor, "version", version)
    code, out, err = shell("doctor", "--model", "nosuch[/network]")
    assert (code, err) == (1, "")
    assert "pip install 'convscope[lite1]'" in out
    assert "pip install timm" in out
    assert "unknown network 'nosuch[/network]'" in out


def test_doctor_knows_of_torchvision_without_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: Exception) -> Callable[[str], NoReturn]:
        def load(name: str) -> NoReturn:
            raise error

        return load

    cause = RuntimeError("operator torchvision::nms does not exist")
    monkeypatch.setattr(importlib, "import_module", fail(cause))
    check = doctor._torchvision()
    assert (check.state, "works around that" in check.found) == ("ok", True)
    monkeypatch.setattr(importlib, "import_module", fail(ImportError("libjpeg")))
    check = doctor._torchvision()
    assert (check.state, check.fix) == ("broken", "pip install torchvision")


def test_bounds_of_each_of_several_numbers_are_told_in_one_line(shell: Shell) -> None:
    message = shell.fails("transfer", "--folder", ".", "--epsilons", "0")
    assert "transfer: epsilons: input should be greater than or equal to 1, not 0" in message
    assert "pydantic" not in message
