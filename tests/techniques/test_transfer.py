"""`transfer`: what is made for one network is judged by another."""

from pathlib import Path

import pytest
import torch

import convscope as cs
from convscope.files import read_provenance
from convscope.testing.cases import small_network
from tests.helpers.collections import paint

NETWORKS = """
import torch
import convscope as cs
from convscope.testing.cases import Own, small_network

def same():
    return small_network()

def other():
    module = Own()
    with torch.no_grad():
        module.head.weight.mul_(0.9)
    return cs.Network(module, mean=[0.5] * 3, std=[0.25] * 3, input_size=24)

def four():
    return cs.Network(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4)),
                      mean=[0.5] * 3, std=[0.25] * 3, input_size=8, output="classes")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETWORKS)
    for seed in range(3):
        paint(tmp_path / "pictures" / f"{seed}.png", seed)
    return tmp_path


def test_kept_photographs_are_in_the_ball_and_fool_whom_the_table_says(folder: Path) -> None:
    net = small_network()
    names = (f"{folder}/nets.py:same", f"{folder}/nets.py:other")
    result = cs.transfer(
        net,
        folder=folder / "pictures",
        nets=names,
        attacks=("fgsm", "pgd"),
        epsilons=(24,),
        keep=folder / "kept",
    ).result()
    summary = result.summary
    assert summary["agreed"] + summary["disagreed"] == 3
    assert summary["agreed"] > 0
    judges = {net.name: net} | {name: cs.load(name) for name in names}
    fooled: dict[tuple[str, str, str], int] = {}
    files = sorted((folder / "kept").iterdir())
    assert len(files) == summary["agreed"] * 2 * 6
    for file in files:
        made = read_provenance(file)["parameters"]
        image = cs.open_image(file)
        assert float((image - cs.open_image(made["photograph"])).abs().max()) <= 24.01 / 255
        for name, judge in judges.items():
            key = (made["attack"], made["made_for"], name)
            said = int(judge.logits(image).argmax())
            fooled[key] = fooled.get(key, 0) + (said != made["label"])
    table = {(r["attack"], r["made_for"], r["judged_by"]): r["fooled"] for r in summary["table"]}
    assert fooled == table
    # A network with the same weights is fooled by the same photographs.
    assert table["pgd", net.name, names[0]] == table["pgd", net.name, net.name]
    # More steps fool at least as often.
    assert table["pgd", net.name, net.name] >= table["fgsm", net.name, net.name]


def test_networks_must_have_the_same_classes(folder: Path) -> None:
    four = f"{folder}/nets.py:four"
    with pytest.raises(cs.ConvscopeError, match="has 4 classes"):
        cs.transfer(small_network(), folder=folder / "pictures", nets=(four,)).result()


def test_the_table_is_zero_where_nothing_is_agreed(folder: Path) -> None:
    result = cs.transfer(
        small_network(), folder=folder / "pictures", nets=(), epsilons=(1,), limit=1
    ).result()
    (first, second) = result.summary["table"]
    assert (first["photographs"], second["photographs"]) == (1, 1)
    assert torch.tensor([first["fooled"], second["fooled"]]).le(1).all()
