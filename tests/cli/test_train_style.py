"""`convscope train_style`."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from PIL import Image

from convscope.files import read_provenance
from convscope.stylization import Training, open_styles
from tests.helpers.shell import Shell

TOY = (
    "--size", "32", "--style-size", "64", "--channels", "2", "--blocks", "1", "--batch-size", "1",
    "--device", "cpu",
)  # fmt: skip


@pytest.fixture
def shell(here: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    for folder in ("photos", "styles"):
        Path(folder).mkdir()
        Image.effect_mandelbrot((70, 80), (-2, -1, 1, 1), 30).save(f"{folder}/dots.png")
    Path("photos/bad.png").write_bytes(b"none")
    return Shell(capsys)


def test_training(shell: Shell) -> None:
    words = ("train_style", "photos", "styles", "-o", "a.safetensors", *TOY)
    code, _, told = shell(*words, "--steps", "2", "--save-every", "1")
    assert code == 0, told
    assert "skipped: photos/bad.png " in told
    assert open_styles("a.safetensors")[0].styles == ("dots",)
    assert read_provenance("a.png")["technique"] == "train_style"

    code, out, _ = shell(*words, "--steps", "3", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["output"] == "a.safetensors"
    assert found["style"] > 0


def test_training_that_is_stopped_goes_on(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("train_style", "photos", "styles", "-o", "a.safetensors", *TOY, "--steps", "4")
    begin = Training.__iter__

    def stop_at_two(self: Training):  # type: ignore[no-untyped-def]
        for result in begin(self):
            if result.step == 2:
                signal.raise_signal(signal.SIGINT)
            yield result

    with monkeypatch.context() as patched:
        patched.setattr(Training, "__iter__", stop_at_two)
        code, _, told = shell(*words)
    assert code == 130
    assert "run the same command again to continue" in told
    code, _, told = shell(*words)
    assert code == 0, told
    assert open_styles("a.safetensors")[1].made["steps"] == 4


def test_a_training_that_is_done(shell: Shell) -> None:
    words = ("train_style", "photos", "styles", "-o", "a.safetensors", *TOY, "--steps", "1")
    assert shell(*words)[0] == 0
    code, _, told = shell(*words)
    assert code == 0
    assert "trained already" in told


def test_errors_are_one_line(shell: Shell) -> None:
    code, _, told = shell("train_style", "photos", "nowhere", *TOY)
    assert code == 2
    assert told.count("\n") == 1
    assert "no folder nowhere of style images" in told
