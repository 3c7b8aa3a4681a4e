"""How the command line fails. (Help: `test_public.py`.)"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from cyclopts import CycloptsError
from PIL import Image

import convscope as cs
from convscope.cli import main, terminal
from convscope.cli.app import COMMANDS
from convscope.cli.commands.index import IndexOptions
from convscope.network import zoo
from convscope.runs import catalog, registry
from tests.helpers.shell import Shell, files, start

BAD_WORDS = [
    (["saliency"], r"requires an argument"),
    (["saliency", "my photo.png", "--targt", "1"], r"saliency '--targt'; did you mean '--target'"),
    (["index", "photos", "--shards", "3"], r"unknown option of index '--shards'.*'--shard'"),
    (["predict", "-photo.png"], r"unknown option of predict '-photo\.png'"),
    (["predict", "--", "-photo.png"], r"no image at -photo\.png"),
    (["predict", "--", "my photo.png", "-o", "a.png"],
     r"predict: unexpected '-o'.*; after -- .* write options before it"),
    (["predict", "--", "my photo.png", "a.png"], r"unexpected 'a\.png'.* options before it"),
    (["saliency", "my photo.png", "more.png"], r"saliency: unexpected 'more\.png'"),
    (["filters", "my photo.png"], r"filters: unexpected 'my photo\.png'"),
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
    (["saliency", "my photo.png", "--checkpoint", "my photo.png"],
     r"my photo\.png is no checkpoint: it is damaged"),
    (["replay", "nothing.png"], r"no picture at nothing\.png"),
    (["replay", "my photo.png"], r"carries no provenance"),
    (["layers", "--model", "nosuch"], r"unknown network 'nosuch'"),
    (["guided_backprop", "my photo.png", "--model", "timm/test_convnext", "--random-weights"],
     r"no ReLU, ReLU6, LeakyReLU"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), BAD_WORDS, ids=lambda v: " ".join(v)[:60])
def test_bad_words(here: Path, shell: Shell, words: list[str], message: str) -> None:
    assert re.search(message, shell.fails(*words))
    assert files(here) == set(), "nothing half-written"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["salency", "my photo.png"],
            "unknown command 'salency'; did you mean 'saliency', 'style'?",
        ),
        (["guided-backprop"], "unknown command 'guided-backprop'; did you mean 'guided_backprop'?"),
        (["doctr"], "unknown command 'doctr'; did you mean 'doctor', 'predict'?"),
        (["embedding_map"], "the command of embedding_map is 'map'"),
        (["nosuch"], "unknown command 'nosuch'"),
        (["--nosuch"], "unknown command '--nosuch'"),
    ],
)
def test_a_wrong_command_is_told_below_all_commands(
    here: Path, shell: Shell, words: list[str], message: str
) -> None:
    code, out, err = shell(*words)
    assert (code, out) == (2, "")
    *listed, last = err.splitlines()
    assert last == f"convscope: {message}"
    assert shell.works().split() == " ".join(listed).split(), "the same as convscope alone shows"
    assert files(here) == set()


def test_techniques_are_listed_by_chapter_with_their_sentences(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = shell.works()
    assert text == shell.works("--help")
    chapters = [*catalog.CHAPTERS[:-1], "end"]  # no plug-in, so not its chapter
    for chapter, following in pairwise(chapters):
        part = text.partition(f" {chapter} ")[2].partition(f" {following} ")[0]
        held = [one for one in catalog.own().values() if one.chapter == chapter]
        assert held
        assert all(f" {one.command} " in part and one.summary in part for one in held)


def test_a_photograph_whose_name_begins_with_a_dash(here: Path, shell: Shell) -> None:
    (here / "my photo.png").rename("-photo.png")
    assert "if it is a file, write ./-photo.png" in shell.fails("predict", "-photo.png")
    assert shell.works("predict", "-o", "a.png", "--", "-photo.png").endswith("a.png\n")
    assert shell.works("predict", "./-photo.png", "-o", "b.png").endswith("b.png\n")


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
    module = zoo.load("efficientnet_lite0", pretrained=False, device="cpu")._prepared.plain
    state = {name: value.clone() for name, value in module.state_dict().items()}
    state["conv_stem.weight"][0, 0, 0, 0] = torch.nan
    torch.save(state, "nan.pt")
    message = shell.fails("predict", "my photo.png", "--checkpoint", "nan.pt", "-o", "a.png")
    assert message == "the weights contain NaN or infinity, first in 'conv_stem.weight'"
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
        "ZeroDivisionError: by zero (--debug shows the traceback)"
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


SHORT_LIST = """
from types import SimpleNamespace
from convscope import network
network.zoo = SimpleNamespace(models=lambda contains: ["a network"] * 100)
"""


def test_a_reader_that_has_seen_enough(here: Path) -> None:
    with start(SHORT_LIST, "models") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_the_installed_command(here: Path) -> None:
    command = Path(sys.executable).with_name("convscope")
    run: Any = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == cs.__version__
    run = subprocess.run([command, "nosuch"], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines()[-1] == "convscope: unknown command 'nosuch'"
    run = subprocess.run([command, "nosuch", "--debug"], capture_output=True, text=True)
    assert run.returncode != 0
    assert "Traceback" in run.stderr
    assert 'Unknown command "nosuch"' in run.stderr.splitlines()[-1]


# ------------------------------------------------------------------------ in a fresh process

HELD = """
import contextlib, io, sys
from convscope.cli.main import main
for words in (["gradcam", "--help"], ["gradcam", "my photo.png", "-o", "a.png"]):
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            main(words)
        except SystemExit as done:
            print(done.code, "pyarrow" in sys.modules, file=sys.stderr)
"""


def test_a_technique_on_a_photograph_needs_no_pyarrow(here: Path) -> None:
    run = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "0 False\n0 False\n")
    assert files(here) == {"a.png"}


WATCHED = """
import os, sys
from convscope.cli.main import main

class Watch:
    def find_spec(self, name, *_):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"))
            sys.exit()

sys.meta_path.insert(0, Watch())
main(["gradcam", "my photo.png", "-o", "a.png"])
"""


@pytest.mark.parametrize(
    ("own", "found"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
)
def test_torch_finds_that_threads_spin_for_a_moment_only(
    here: Path, own: dict[str, str], found: str
) -> None:
    others = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    command = [sys.executable, "-c", WATCHED]
    run = subprocess.run(command, capture_output=True, text=True, env={**others, **own})
    assert (run.returncode, run.stdout, run.stderr) == (0, f"{found}\n", "")


def test_a_plugin_that_is_ignored_is_told_in_one_line(here: Path) -> None:
    distribution = here / "site" / "rival-1.0.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n")
    (distribution / "entry_points.txt").write_text(
        "[convscope.techniques]\nsaliency = rival:saliency\n"
    )
    script = f"""
import sys, warnings
sys.path.append({str(distribution.parent)!r})
from convscope.cli import main
run = main._run
def with_another(words):
    warnings.warn("another")
    return run(words)
main._run = with_another
"""
    with start(script, "--help") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, "saliency" in out) == (0, True)
    first, *others, last = err.splitlines()
    assert "UserWarning: another" in first, "other warnings are as Python shows them"
    assert len(others) <= 1, "its line of source"
    assert last == (
        "convscope: rival adds 'saliency' to convscope.techniques, but convscope has that name"
        " already; the entry point is ignored"
    )


def test_resume_is_offered_where_something_climbs(shell: Shell) -> None:
    techniques = [registry.get(name) for name in catalog.own()]
    told = {one.name: "--resume" in shell.works(one.command, "--help") for one in techniques}
    climbing = {"class_image", "ladder", "neuron_image", "deepdream", "invert", "style", "texture"}
    climbing |= {"evolve", "compress", "activation_atlas"}
    assert {name for name, offered in told.items() if offered} == climbing
    assert all("--resume" in shell.works(one, "--help") for one in ("ascend", "replay"))
    assert "--resume" in shell.fails("saliency", "my photo.png", "--resume")


def test_help_names_what_an_option_takes(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for command in [*catalog.COMMANDS, *(one.command for one in catalog.own().values())]:
        text = shell.works(command, "--help")
        assert not re.search(r"--\S+ \S*(STR|SUPPORTS|\|)", text), "no names of Python's types"
        assert not re.search(r"[A-Z] --\w", text), "a word without an option's name has only one"
    for command in ("saliency", "class_image", "ladder", "compare", "patches", "intermediate"):
        assert "--target TARGET " in shell.works(command, "--help")
    for command in ("compare", "class_image", "patches", "neuron_image"):
        assert "repeat the option" in shell.works(command, "--help")
    assert "repeat the option" not in shell.works("saliency", "--help")
    for command in ("predict", "neighbors", "confusions"):
        assert ".csv for the table" in " ".join(shell.works(command, "--help").split())
    assert ".csv for the table" not in " ".join(shell.works("saliency", "--help").split())
    assert "convscope tour [OPTIONS] [IMAGE]" in shell.works("tour", "--help")
    assert "by default cam-IMAGE.png" in shell.works("cam", "--help")
    assert "by default map.png" in shell.works("map", "--help")
    assert "a folder of photographs" not in shell.works("filters", "--help").partition("-o")[2]


def test_options_of_index_are_those_of_the_python_call() -> None:
    ours = {field.name for field in fields(IndexOptions)}
    theirs = inspect.signature(cs.index).parameters.keys() - {"net", "folder", "output"}
    assert ours == theirs


def test_plugins_cannot_take_the_name_of_a_command() -> None:
    assert {command.__name__ for command in COMMANDS} <= catalog.COMMANDS


def test_names_are_not_taken_for_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    """rich would make an emoji of a word between colons."""
    terminal.tell("photos:rocket:2.png: is empty")
    terminal.results.print("[bold]layer:cat:0[/]")
    out, err = capsys.readouterr()
    assert (out, err) == ("layer:cat:0\n", "photos:rocket:2.png: is empty\n")
