"""What commands write and print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import convscope as cs
from convscope.files import pictures
from tests.helpers.shell import Shell, files


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
