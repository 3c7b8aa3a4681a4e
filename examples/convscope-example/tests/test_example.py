"""The technique passes convscope's common checks; all three parts can be used by their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import convscope as cs
from convscope.cli import main
from convscope.testing import Case, parametrize_with_checks
from convscope_example import brightness, color_loss


@parametrize_with_checks([color_loss])
def test_technique(case: Case, check: Callable[[Case], None]) -> None:
    check(case)


@pytest.fixture
def net() -> cs.Network:
    return cs.load("example_colors", device="cpu")


@pytest.fixture
def image() -> torch.Tensor:
    """Its left half is red, the rest black."""
    image = torch.zeros(1, 3, 32, 32)
    image[:, 0, :, :16] = 1
    return image


def test_the_network_names_the_color(net: cs.Network, image: torch.Tensor) -> None:
    assert [one.label for one in net.predict(image)][:1] == ["red"]


def test_the_mean_of_a_color_is_all_that_this_network_sees(
    net: cs.Network, image: torch.Tensor
) -> None:
    summary = color_loss(net, image, target="red").result().summary
    assert summary["score"] == pytest.approx(5, rel=1e-5)
    assert summary["loss"] == pytest.approx({"red": 0, "green": 0, "blue": 0}, abs=1e-5)


def test_the_objective_in_python_and_in_a_file(net: cs.Network, tmp_path: Path) -> None:
    start, steps = cs.starts.noise(size=32), 8
    recipe = cs.Recipe(
        start=start, objective=brightness(), optimizer=cs.optimizers.adam(0.05), steps=steps
    )
    before, *_, after = cs.ascend(net, recipe)
    assert after.image.mean() > before.image.mean() + 0.1
    file = tmp_path / "bright.toml"
    file.write_text(
        'start = "noise(size=32)"\nobjective = "brightness()"\n'
        f'optimizer = "adam(0.05)"\nsteps = {steps}\n'
    )
    again = cs.ascend(net, file).result()
    np.testing.assert_array_equal(again.image, after.image)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main.main(["--help"])
    assert done.value.code == 0
    assert "color_loss" in capsys.readouterr().out
    file = tmp_path / "loss.png"
    with pytest.raises(SystemExit) as done:
        main.main(["color_loss", "sample:coffee", "--model", "example_colors", "-o", str(file)])
    assert done.value.code == 0
    assert file.exists()
