"""The command line: what it writes, what it says, and how it fails. (Help: `test_public.py`.)"""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from cyclopts import CycloptsError
from PIL import Image
from rich.console import Console

import convscope as cs
from convscope.cli import doctor, main
from convscope.files import pictures
from convscope.network import zoo
from convscope.runs.run import Run, save_run
from convscope.types.frames import Frame
from convscope.types.panels import Picture
from convscope.vocabulary import spectra
from tests.helpers.shell import Shell

_load = cache(zoo.load)


@pytest.fixture(autouse=True)
def load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscope.network.load", _load)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a photograph in it."""
    monkeypatch.chdir(tmp_path)
    Image.effect_mandelbrot((60, 50), (-2, -1, 1, 1), 30).save("my photo.png")
    return tmp_path


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()} - {"my photo.png"}


# --------------------------------------------------------------------------------- pictures


def test_the_picture_is_named_after_technique_and_photograph(here: Path, shell: Shell) -> None:
    assert shell.works("predict", "my photo.png") == "predict-my photo.png\n"
    assert shell.works("predict", "sample:coffee") == "predict-coffee.png\n"
    assert shell.works("filters", "--limit", "2") == "filters.png\n"
    assert files(here) == {"predict-my photo.png", "predict-coffee.png", "filters.png"}


def test_options_and_recipe(here: Path, shell: Shell) -> None:
    shell.works("class_image", "--target", "volcano", "--steps", "2", "--size", "32", "--seed", "9")
    with Image.open("class_image.png") as picture:
        assert picture.size == (32, 32)
    parameters = pictures.read_provenance("class_image.png")["parameters"]
    assert parameters == {
        "target": "volcano", "preset": "lucid", "tries": 1, "steps": 2, "size": 32, "rule": None,
        "seed": 9,
    }  # fmt: skip


def test_an_option_may_be_given_several_times(here: Path, shell: Shell) -> None:
    words = ["--target", "volcano", "--target", "1", "--preset", "maco", "--steps", "1"]
    told = json.loads(shell.works("class_image", *words, "--size", "32", "--json"))
    assert told["target"] == ["volcano", "goldfish"]
    assert pictures.read_provenance("class_image.png")["parameters"]["target"] == ["volcano", "1"]


def test_the_command_does_what_the_python_call_does(
    here: Path, shell: Shell, net: cs.Network
) -> None:
    shell.works("saliency", "my photo.png", "--target", "281", "-o", "a.png")
    picture = cs.saliency(net, cs.open_image("my photo.png"), target=281).result().picture
    assert Image.open("a.png").tobytes() == picture.tobytes()


def test_json(here: Path, shell: Shell, net: cs.Network) -> None:
    told = json.loads(shell.works("predict", "my photo.png", "--top", "2", "--json", "-o", "p.png"))
    first, second = net.predict(cs.open_image("my photo.png"), 2)
    assert told["picture"] == "p.png"
    assert [p["label"] for p in told["predictions"]] == [first.label, second.label]
    assert told["predictions"][0]["probability"] == pytest.approx(first.probability)
    assert files(here) == {"p.png"}


def test_a_gif_holds_the_whole_run(here: Path, shell: Shell) -> None:
    shell.works("class_image", "--target", "1", "--steps", "4", "--size", "32", "--output", "a.gif")
    with Image.open("a.gif") as picture:
        assert getattr(picture, "n_frames", 1) == 4
    assert files(here) == {"a.gif", "a.gif.json"}


def test_replay(here: Path, shell: Shell) -> None:
    shell.works("guided_backprop", "my photo.png", "-o", "a.png")
    assert shell.works("replay", "a.png") == "a-replay.png\n"
    assert Image.open("a-replay.png").tobytes() == Image.open("a.png").tobytes()
    Path("my photo.png").rename("other name.png")
    assert "give --image" in shell.fails("replay", "a.png", "-o", "b.png")
    shell.works("replay", "a.png", "-o", "b.png", "--image", "other name.png")
    assert Image.open("b.png").tobytes() == Image.open("a.png").tobytes()


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
    assert pictures.read_provenance("on photo-my photo.png") == run.provenance
    assert shell.works("replay", "on photo-my photo.png", "-o", "b.png") == "b.png\n"
    assert Image.open("b.png").tobytes() == run.result().picture.tobytes()


def test_ascend_has_the_usual_options(recipes: Path, shell: Shell, net: cs.Network) -> None:
    told = json.loads(shell.works("ascend", "lava.toml", "-o", "a.gif", "--json"))
    assert told["picture"] == "a.gif"
    assert told["steps"] == 3
    assert told["score"] == pytest.approx(float(cs.ascend(net, "lava.toml").result().score))  # type: ignore[arg-type]
    with Image.open("a.gif") as picture:
        assert getattr(picture, "n_frames", 1) == 3
    shell.works("ascend", "lava.toml", "-o", "b.png", "--random-weights", "--device", "cpu")
    network = pictures.read_provenance("b.png")["network"]
    assert network == {"name": "efficientnet_lite0", "pretrained": False, "checkpoint": None}


def test_ascend_over_a_folder(recipes: Path, shell: Shell, net: cs.Network) -> None:
    (recipes / "photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.effect_noise((50, 40), 60).convert("RGB").save(recipes / "photos" / name)
    code, out, err = shell("ascend", "on photo.toml", "photos")
    assert (code, out, err) == (0, "photos-on photo\n", "pictures: 2 made\n")
    picture = cs.ascend(net, "on photo.toml", cs.open_image("photos/b.png")).result().picture
    assert Image.open("photos-on photo/b.png.png").tobytes() == picture.tobytes()
    assert shell("ascend", "on photo.toml", "photos")[2] == "pictures: 2 there already\n"
    (recipes / "on photo.toml").write_text(ON_PHOTO.replace("jitter(4)", "jitter(5)"))
    assert shell("ascend", "on photo.toml", "photos")[2] == "pictures: 2 made anew\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"requires an argument"),
        (["lawa.toml"], r"^no recipe at lawa\.toml$"),
        (["my photo.png"], r"^my photo\.png is no recipe: its name ends in \.toml or \.json$"),
        (["bad.toml"], r"^bad\.toml: rule: unknown word 'redirect'; did you mean 'redirected'"),
        (["on photo.toml"], r"^on photo\.toml: start: the recipe needs a photograph"),
        (["on photo.toml", "nothing.png"], r"^no image at nothing\.png$"),
        (["lava.toml", "my photo.png"], r"no use for a photograph"),
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
    text(here / "broken" / "a.png")
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
    assert told["efficientnet_lite0"]["state"] == "ok"
    assert told["device cpu"]["state"] == "ok"
    text = shell.works("doctor")
    assert all(name in text for name in told)


def test_doctor_names_the_command_that_mends(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert (check.state, "works around it" in check.found) == ("ok", True)
    monkeypatch.setattr(importlib, "import_module", fail(ImportError("libjpeg")))
    check = doctor._torchvision()
    assert (check.state, check.mend) == ("broken", "pip install torchvision")


# -------------------------------------------------------------------------------- bad words

BAD_WORDS = [
    (["salency", "my photo.png"], r'"salency".*"saliency"'),
    (["nosuch"], r'Unknown command "nosuch"'),
    (["--nosuch"], r'Unknown command "--nosuch"'),
    (["saliency"], r"requires an argument"),
    (["saliency", "my photo.png", "--targt", "1"], r"--targt.*--target"),
    (["saliency", "my photo.png", "more.png"], r"saliency takes no 'more\.png'"),
    (["filters", "my photo.png"], r"filters takes no 'my photo\.png'"),
    (["saliency", "my photo.png", "--model", "efficientnet_lite9"], r"'efficientnet_lite1'"),
    (["saliency", "my photo.png", "--model", "timm/resnet55"], r"'timm/resnet5\d'"),
    (["saliency", "my photo.png", "--model", "torchvision/vgg61"], r"'torchvision/vgg\d+'"),
    (["saliency", "my photo.png", "--target", "tabbi"], r"unknown class or layer 'tabbi'.*'tabby'"),
    (["saliency", "my photo.png", "--target", "1000"], r"no class 1000.* 0 to 999"),
    (["saliency", "my photo.png", "--target", "bocks.4:1"], r"'bocks\.4'.*'blocks\.4'"),
    (["saliency", "my photo.png", "--target", "blocks.4:999"], r"no channel 999.* 0 to 111"),
    (["saliency", "my photo.png", "--target", "blocks.4:1@99,0"], r"no position 99,0"),
    (["activations", "my photo.png", "--layer", "conv_sten"], r"'conv_sten'.*'conv_stem'"),
    (["filters", "--layer", "conv_sten"], r"'conv_sten'.*'conv_stem'"),
    (["saliency", "my photo.png", "--device", "cudaa"], r"device 'cudaa' cannot be used"),
    (["class_image"], r"--target"),
    (["class_image", "--target", "1", "--steps", "0"], r"steps: .*greater than or equal to 1"),
    (["class_image", "--target", "1", "--steps", "many"], r'"many"'),
    (["class_image", "--target", "1", "--rule", "other"], r'"other".*"redirected", "plain"'),
    (["saliency", "sample:chelsee"], r"unknown sample 'chelsee'.*'chelsea'"),
    (["saliency", "nothing.png"], r"no image at nothing\.png"),
    (["tour", "."], r"\. is not a file"),
    (["saliency", "my photo.png", "-o", "a.xyz"], r"a\.xyz.*\.png"),
    (["saliency", "my photo.png", "-o", "nowhere/a.png"], r"no folder nowhere"),
    (["saliency", "my photo.png", "-o", "my photo.png/a.png"], r"no folder my photo\.png"),
    (["saliency", "my photo.png", "--checkpoint", "no.pt"], r"no checkpoint at no\.pt"),
    (["saliency", "my photo.png", "--checkpoint", "my photo.png"], r"no checkpoint of tensors"),
    (["replay", "nothing.png"], r"no picture at nothing\.png"),
    (["replay", "my photo.png"], r"carries no recipe"),
    (["layers", "--model", "nosuch"], r"unknown network 'nosuch'"),
    (["guided_backprop", "my photo.png", "--model", "timm/test_convnext", "--random-weights"],
     r"no ReLU, ReLU6, LeakyReLU"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), BAD_WORDS, ids=lambda v: " ".join(v)[:60])
def test_bad_words(here: Path, shell: Shell, words: list[str], message: str) -> None:
    assert re.search(message, shell.fails(*words))
    assert files(here) == set(), "nothing half-written"


def empty(file: Path) -> None:
    file.touch()


def text(file: Path) -> None:
    file.write_text("no image")


def truncated(file: Path) -> None:
    Image.effect_noise((90, 90), 50).save(file)
    file.write_bytes(file.read_bytes()[:2000])


def enormous(file: Path) -> None:
    Image.new("1", (9000, 9000)).save(file)


@pytest.mark.parametrize("make", [empty, text, truncated, enormous])
def test_bad_files(here: Path, shell: Shell, make: Callable[[Path], None]) -> None:
    make(here / "bad.png")
    assert shell.fails("predict", "bad.png").startswith("bad.png is ")
    assert files(here) == {"bad.png"}


def test_weights_that_are_not_finite(here: Path, shell: Shell, net: cs.Network) -> None:
    module = _load("efficientnet_lite0", pretrained=False, device="cpu")._prepared.plain
    state = {name: value.clone() for name, value in module.state_dict().items()}
    state["conv_stem.weight"][0, 0, 0, 0] = torch.nan
    torch.save(state, "nan.pt")
    message = shell.fails("predict", "my photo.png", "--checkpoint", "nan.pt", "-o", "a.png")
    assert message == "the weights hold NaN or infinity, first in 'conv_stem.weight'"
    assert files(here) == {"nan.pt"}


def test_names_with_newlines_and_brackets_are_told_in_one_line(here: Path, shell: Shell) -> None:
    assert "[bold]a b" in shell.fails("predict", "[bold]a\nb.png")
    assert "[/]" in shell.fails("predict", "[/].png")


def test_what_nobody_thought_of_is_one_line_too(
    here: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("convscope.files.open_image", fail)
    assert shell.fails("predict", "my photo.png") == (
        "ZeroDivisionError: by zero (--debug shows where)"
    )
    with pytest.raises(ZeroDivisionError):
        main.main(["predict", "my photo.png", "--debug"])


def test_debug_shows_the_error_itself(here: Path) -> None:
    with pytest.raises(cs.ConvscopeError):
        main.main(["--debug", "predict", "nothing.png"])
    with pytest.raises(CycloptsError):
        main.main(["predict", "my photo.png", "--nosuch", "--debug"])


def test_an_error_before_the_work_costs_no_work(
    here: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> NoReturn:
        raise AssertionError("loaded a network")

    monkeypatch.setattr("convscope.network.load", load)
    for words in (["-o", "nowhere/a.png"], ["-o", "a.xyz"], ["--target", "1", "--samples", "0"]):
        shell.fails("guided_backprop", "my photo.png", *words)
    shell.fails("predict", "nothing.png")


# -------------------------------------------------------------------- Ctrl-C and broken runs


def watched(begin: Callable[[], Iterator[Frame]], net: cs.Network) -> main._Watched:
    return main._Watched(Run("counting", begin, net, None, {}))


def frame(step: int, steps: int = 9) -> Frame:
    return Frame(panels=(Picture(torch.full((3, 8, 8), step / steps)),), step=step, steps=steps)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def handler() -> Iterator[None]:
    """Ctrl-C means what it did before, once a run is over."""
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("handler")
def test_ctrl_c_in_a_step_keeps_that_step(own: cs.Network, tmp_path: Path) -> None:
    def begin() -> Iterator[Frame]:
        yield frame(1)
        press()
        yield frame(2)
        raise AssertionError("went on")

    run = watched(begin, own)
    file = save_run(run, tmp_path / "a.png")
    assert run.interrupted
    assert np.asarray(Image.open(file))[0, 0, 0] == round(255 * 2 / 9)


@pytest.mark.usefixtures("handler")
def test_ctrl_c_while_a_frame_is_drawn_keeps_that_frame(own: cs.Network) -> None:
    def begin() -> Iterator[Frame]:
        yield frame(1)
        raise AssertionError("went on")

    run, seen = watched(begin, own), []
    for result in run:
        press()
        seen.append(result.step)
    assert seen == [1]
    assert run.interrupted


@pytest.mark.usefixtures("handler")
@pytest.mark.parametrize("frames_before", [0, 1])
def test_ctrl_c_breaks_off_what_has_no_frame_yet_and_when_it_comes_twice(
    own: cs.Network, frames_before: int
) -> None:
    def begin() -> Iterator[Frame]:
        yield from map(frame, range(1, frames_before + 1))
        press()
        press()
        raise AssertionError("went on")

    with pytest.raises(KeyboardInterrupt):
        list(watched(begin, own))


def test_an_error_after_a_frame_keeps_the_frame(
    here: Path, own: cs.Network, capsys: pytest.CaptureFixture[str]
) -> None:
    def begin() -> Iterator[Frame]:
        yield frame(1)
        raise cs.ConvscopeError("the score is not finite")

    code = main._follow(Run("counting", begin, own, None, {}), Path("a.png"), False, False)
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err == "convscope: the score is not finite; the last good frame is in a.png\n"
    assert np.asarray(Image.open("a.png"))[0, 0, 0] == round(255 / 9)


@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_a_progress_bar_only_on_a_terminal_and_after_a_second(
    own: cs.Network, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    screen = io.StringIO()
    clock = iter([0.0] + [seconds] * 99)
    monkeypatch.setattr(main, "errors", Console(file=screen, force_terminal=True, width=80))
    monkeypatch.setattr("convscope.cli.main.time.monotonic", lambda: next(clock, seconds))
    steps = [r.step for r in watched(lambda: (frame(i) for i in range(1, 10)), own)]
    assert steps == list(range(1, 10))
    assert ("9/9" in screen.getvalue()) is (seconds > 1)


# ------------------------------------------------------------------------- in a real process


def start(script: str, *words: str) -> subprocess.Popen[str]:
    """The command line in a process of its own, after a few lines of Python."""
    return subprocess.Popen(
        [sys.executable, "-c", f"{script}\nfrom convscope.cli.main import main\nmain()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


TELL_STEPS = """
from convscope.runs.run import Result
made = Result.__init__
def tell(self, frame, recipe):
    made(self, frame, recipe)
    print(f"step {frame.step}", flush=True)
Result.__init__ = tell
"""


STOPPED = "stopped; the same command with --resume goes on\n"


def stopped(*words: str) -> tuple[str, str]:
    """What a command tells that meets Ctrl-C in its third step or soon after it."""
    with start(TELL_STEPS, *words) as process:
        assert process.stdout is not None
        while "step 3" not in process.stdout.readline():
            assert process.poll() is None, process.stderr and process.stderr.read()
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=60)
    assert process.returncode == 130
    return told


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_ctrl_c_saves_the_last_good_frame(here: Path, suffix: str) -> None:
    words = ["--target", "1", "--steps", "100000", "--size", "32", "-o", f"a.{suffix}"]
    out, err = stopped("class_image", *words)
    assert err == STOPPED
    assert out.splitlines()[-1] == f"a.{suffix}"
    with Image.open(f"a.{suffix}") as picture:
        picture.load()
        assert np.asarray(picture.convert("L")).std() > 1
    pictures = {"a.png"} if suffix == "png" else {"a.gif", "a.gif.json"}
    assert files(here) == {*pictures, f"a.{suffix}.resume"}


def test_what_was_stopped_goes_on(here: Path, shell: Shell) -> None:
    words = ["class_image", "--target", "volcano", "--steps", "60", "--size", "32"]
    words += ["--preset", "maco", "-o", "a.png"]
    stopped(*words)
    assert files(here) == {"a.png", "a.png.resume"}
    early = Image.open("a.png").tobytes()
    shutil.copytree("a.png.resume", "kept")
    assert "other options" in shell.fails(*words, "--seed", "1", "--resume")
    anew = "beginning anew; --resume would have gone on with the run in a.png.resume\n"
    assert shell(*words, "--seed", "1") == (0, "a.png\n", anew)
    assert files(here) == {"a.png", "kept"}
    shell.works(*words)
    whole = Image.open("a.png").tobytes()
    assert whole != early
    Path("kept").rename("a.png.resume")
    shell.works(*words, "--resume")
    assert Image.open("a.png").tobytes() == whole
    assert files(here) == {"a.png"}


def test_a_replay_that_was_stopped_goes_on(here: Path, shell: Shell) -> None:
    words = ["--target", "1", "--steps", "60", "--size", "32", "-o", "a.png"]
    shell.works("class_image", *words)
    _, err = stopped("replay", "a.png", "-o", "b.png")
    assert err == STOPPED
    assert files(here) == {"a.png", "b.png", "b.png.resume"}
    shell.works("replay", "a.png", "-o", "b.png", "--resume")
    with Image.open("a.png") as first, Image.open("b.png") as again:
        assert first.tobytes() == again.tobytes()
    assert files(here) == {"a.png", "b.png"}


def test_nothing_to_go_on_with(here: Path, shell: Shell) -> None:
    shell.works("saliency", "my photo.png", "-o", "a.png", "--resume")
    assert files(here) == {"a.png"}


@pytest.mark.usefixtures("handler")
def test_ctrl_c_in_what_climbs_nothing_promises_nothing(
    here: Path, own: cs.Network, capsys: pytest.CaptureFixture[str]
) -> None:
    def begin() -> Iterator[Frame]:
        yield frame(1)
        press()
        yield frame(2)

    code = main._follow(Run("counting", begin, own, None, {}), Path("a.png"), False, False)
    assert (code, *capsys.readouterr()) == (130, "a.png\n", "")
    assert files(here) == {"a.png"}


def test_ctrl_c_before_the_first_frame_is_quiet(here: Path) -> None:
    script = """
import time
from convscope import network
def load(*_, **__):
    print("loading", flush=True)
    time.sleep(60)
network.load = load
"""
    with start(script, "filters") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")
    assert files(here) == set()


def test_a_reader_that_has_seen_enough(here: Path) -> None:
    with start("", "models") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_the_installed_command(here: Path) -> None:
    command = Path(sys.executable).with_name("convscope")
    run: Any = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == cs.__version__
    run = subprocess.run([command, "predict", "no.png"], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "convscope: no image at no.png\n"
    run = subprocess.run([command, "predict", "no.png", "--debug"], capture_output=True, text=True)
    assert run.returncode != 0
    assert "Traceback" in run.stderr
    assert run.stderr.rstrip().endswith("ConvscopeError: no image at no.png")
