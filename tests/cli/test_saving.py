"""What commands write and print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import convscope as cs
from convscope.cli.summaries import print_summary
from convscope.files import read_provenance
from tests.helpers.shell import Shell, files

Capture = pytest.CaptureFixture[str]
EIGHTHS = " ▏▎▍▌▋▊▉█"
BARS = {ord(letter): " " for letter in EIGHTHS}


def test_the_picture_is_named_after_technique_and_photograph(here: Path, shell: Shell) -> None:
    assert shell.works("saliency", "my photo.png") == "saliency-my photo.png\n"
    assert shell.works("predict", "sample:coffee").endswith("\npredict-coffee.png\n")
    assert shell.works("filters", "--limit", "2") == "filters.png\n"
    assert files(here) == {"saliency-my photo.png", "predict-coffee.png", "filters.png"}


def test_options_and_recipe(here: Path, shell: Shell) -> None:
    shell.works("class_image", "--target", "volcano", "--steps", "2", "--size", "32", "--seed", "9")
    with Image.open("class_image.png") as picture:
        assert picture.size == (32, 32)
    parameters = read_provenance("class_image.png")["parameters"]
    assert parameters == {
        "target": "volcano", "preset": "lucid", "tries": 1, "steps": 2, "size": 32, "rule": None,
        "seed": 9,
    }  # fmt: skip


def test_an_option_may_be_given_several_times(here: Path, shell: Shell) -> None:
    words = ["--target", "volcano", "--target", "1", "--preset", "maco", "--steps", "1"]
    told = json.loads(shell.works("class_image", *words, "--size", "32", "--json"))
    assert told["target"] == ["volcano", "goldfish"]
    assert read_provenance("class_image.png")["parameters"]["target"] == ["volcano", "1"]


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


def test_predict_prints_its_table(here: Path, shell: Shell, net: cs.Network) -> None:
    head, *rows, path = shell.works("predict", "my photo.png", "--top", "7").splitlines()
    assert head.split() == ["rank", "label", "probability", "index", "logit"]
    assert path == "predict-my photo.png"
    image = cs.open_image("my photo.png")
    with torch.no_grad():
        logits = net.logits(image)[0].double()
    probabilities = (logits - logits.logsumexp(0)).exp()
    for rank, (row, index) in enumerate(zip(rows, logits.topk(7).indices.tolist(), strict=True), 1):
        first, *label, percent, last, logit = row.translate(BARS).split()
        assert (int(first), int(last)) == (rank, index)
        assert " ".join(label) == net.labels[index]
        assert float(percent.rstrip("%")) == pytest.approx(
            100 * float(probabilities[index]), abs=0.051
        )
        assert float(logit) == pytest.approx(float(logits[index]), rel=6e-4)
    full = [sum(map(EIGHTHS.index, filter(EIGHTHS.__contains__, row))) for row in rows]
    assert full == sorted(full, reverse=True)
    assert full[0] == pytest.approx(160 * float(probabilities.max()), abs=1), "20 letters of 8"


def test_a_table_has_one_line_a_row_whatever_a_label_holds(capsys: Capture) -> None:
    rows = [{"label": "a\n[bold]b[/] \x1b[31m", "images": 3}, {"label": None, "images": 12}]
    print_summary({"confused": rows, "images": 15, "notes": ["x"], "none": []})
    shown = capsys.readouterr()
    assert shown.err == "convscope: x\n"
    head, one, two = shown.out.splitlines()
    assert (head.split(), two.split()) == (["rank", "label", "images"], ["2", "12"])
    assert "a [bold]b[/]" in one
    assert "\x1b" not in one
    print_summary({"embedding": rows, "pixels": rows[:1]})
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if len(line.split()) == 1] == ["embedding", "pixels"]
    print_summary({"score": 3, "success": True})
    assert capsys.readouterr() == ("", "")
    print_summary({"success": False})
    assert "the attack failed" in capsys.readouterr().err


def test_a_gif_holds_the_whole_run(here: Path, shell: Shell) -> None:
    shell.works("class_image", "--target", "1", "--steps", "4", "--size", "32", "--output", "a.gif")
    with Image.open("a.gif") as picture:
        assert getattr(picture, "n_frames", 1) == 4
    assert files(here) == {"a.gif", "a.gif.json"}


def test_replay(here: Path, shell: Shell) -> None:
    shell.works("guided_backprop", "my photo.png", "-o", "a.png")
    assert "a.png names the photograph" in shell.fails("replay", "a.png")
    for _ in range(2):
        assert shell.works("replay", "a.png", "--trust") == "a-replay.png\n"
    assert Image.open("a-replay.png").tobytes() == Image.open("a.png").tobytes()
    Path("my photo.png").rename("other name.png")
    assert "give --image" in shell.fails("replay", "a.png", "--trust", "-o", "b.png")
    assert "a.png is one of the files to read" in shell.fails("replay", "a.png", "-o", "a.png")
    shell.works("replay", "a.png", "-o", "b.png", "--image", "other name.png")
    assert Image.open("b.png").tobytes() == Image.open("a.png").tobytes()
