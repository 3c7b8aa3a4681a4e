"""Completion of command lines: the script for bash at work, and that the others name all."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from convscope.cli.app import make_app
from convscope.cli.completion import script
from convscope.runs import catalog

# Calls the function as readline does, which splits words at ":" and "=".
COMPLETE = """
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=()
_convscope_names
printf '%s\\n' "${COMPREPLY[@]}"
"""

Complete = Callable[..., set[str]]


def made(shell: Literal["bash", "zsh", "fish", "powershell"]) -> str:
    return script(make_app([], every=True), shell)


@pytest.fixture(scope="module")
def bash() -> str:
    if shutil.which("bash") is None:
        pytest.skip("no bash on this machine")
    return made("bash")


@pytest.fixture
def complete(bash: str, tmp_path: Path) -> Complete:
    """What bash offers for the words after `convscope`, the last of which is being typed."""
    for name in ("my photo.png", "me.txt"):
        (tmp_path / name).touch()
    (tmp_path / "photos-index").mkdir()
    (tmp_path / ".script").write_text(bash + COMPLETE)

    def run(*words: str) -> set[str]:
        done = subprocess.run(
            ["bash", ".script", "convscope", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return set(done.stdout.split("\n")) - {""}

    return run


def test_commands(complete: Complete) -> None:
    every = catalog.COMMANDS | {one.command for one in catalog.own().values()}
    assert every <= complete("")
    assert complete("sal") == {"saliency"}
    assert complete("gradcam") == {"gradcam", "gradcam_plus_plus"}


def test_options_and_choices(complete: Complete) -> None:
    assert complete("saliency", "--tar") == {"--target"}
    assert {"--preset", "--resume", "--model"} <= complete("class_image", "--")
    assert "--resume" not in complete("saliency", "--")
    assert complete("saliency", "--colors", "") == {"max", "absolute", "signed"}
    assert complete("saliency", "--colors", "s") == {"signed"}
    assert complete("map", "--method", "") >= {"tsne", "pca", "umap"}
    assert complete("completion", "") == {"bash", "zsh", "fish", "powershell"}


def test_files_also_with_spaces(complete: Complete) -> None:
    assert complete("saliency", "m") == {"my photo.png", "me.txt"}
    assert complete("saliency", "a.png", "-o", "my") == {"my photo.png"}
    assert complete("neighbors", "a.png", "--index", "ph") == {"photos-index"}
    assert complete("deepdream", "a.png", "--guide", "my") == {"my photo.png"}


def test_samples(complete: Complete) -> None:
    samples = {"chelsea", "coffee", "rocket", "astronaut"}
    assert complete("saliency", "sam") == {f"sample:{name}" for name in samples}
    assert complete("saliency", "sample", ":") == samples
    assert complete("saliency", "sample", ":", "c") == {"chelsea", "coffee"}


def test_networks(complete: Complete) -> None:
    assert complete("layers", "--model", "torchvision/resnet1") == {
        "torchvision/resnet18", "torchvision/resnet101", "torchvision/resnet152",
    }  # fmt: skip
    assert "efficientnet_lite0" in complete("saliency", "a.png", "--model", "=", "eff")
    assert complete("saliency", "a.png", "--model", "squ") == {"squeezenet1_1"}


@pytest.mark.parametrize("shell", ["zsh", "fish", "powershell"])
def test_other_shells_have_scripts_too(
    shell: Literal["zsh", "fish", "powershell"],
) -> None:
    text = made(shell)
    for entry in catalog.own().values():
        assert entry.command in text
    assert "preset" in text
