"""`transfer`: what is made for one network is judged by another; the networks of an option."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.attacks import Ball, climb_in_ball, fool_together
from convscope.files import read_provenance
from convscope.replay import remake
from convscope.runs import opened_networks
from convscope.testing.cases import small_network
from convscope.types.panels import Matrix
from convscope.vocabulary.norms import NORMS
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
    assert summary["photographs"] + summary["disagreed"] == 3
    assert summary["photographs"] > 0
    judges = dict(zip(summary["networks"], [net, *map(cs.load, names)], strict=True))
    fooled: dict[tuple[str, str, str], int] = {}
    files = sorted((folder / "kept").iterdir())
    assert len(files) == summary["photographs"] * 2 * 6
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
    first, second, _ = summary["networks"]
    assert table["pgd", first, second] == table["pgd", first, first]
    # More steps fool at least as often.
    assert table["pgd", first, first] >= table["fgsm", first, first]


def test_the_picture_marks_the_networks_that_photographs_were_made_for(folder: Path) -> None:
    nets = (f"{folder}/nets.py:same", f"{folder}/nets.py:other")
    run = cs.transfer(
        small_network(), folder=folder / "pictures", nets=nets, attacks=("fgsm",), epsilons=(4,)
    )
    *_, frame = run.frames()
    (matrix,) = frame.panels
    assert isinstance(matrix, Matrix)
    one, all_but_one = {(i, i) for i in range(3)}, {(3 + i, j) for i in range(3) for j in range(3)}
    assert matrix.right == one | {(row, column) for row, column in all_but_one if row != 3 + column}
    assert matrix.whole == run.result().summary["photographs"]
    for row in run.result().summary["table"]:
        others = row["made_for"].removeprefix("all but ")
        assert row["own"] == ((others == row["judged_by"]) != row["made_for"].startswith("all but"))


def test_networks_must_have_the_same_classes(folder: Path) -> None:
    four = f"{folder}/nets.py:four"
    with pytest.raises(cs.ConvscopeError, match="has 4 classes"):
        cs.transfer(small_network(), folder=folder / "pictures", nets=(four,)).result()
    here, there = (own(1, ["a", "b", "c", "d"]), own(1, ["d", "a", "b", "c"]))
    with pytest.raises(cs.ConvscopeError, match="or another order"):
        opened_networks(here, there)


def test_one_network_fools_itself_alone(folder: Path) -> None:
    summary = cs.transfer(
        small_network(), folder=folder / "pictures", nets=(), epsilons=(1,), limit=1
    ).result()
    (first, second) = summary.summary["table"]
    assert (first["photographs"], second["photographs"]) == (1, 1)
    assert torch.tensor([first["fooled"], second["fooled"]]).le(1).all()


def test_photographs_that_nobody_agrees_on_are_refused(folder: Path) -> None:
    class Contrary(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = net.module((x - 0.5) / 0.25)
            return -scores

    net = small_network()
    settings: Any = {"mean": [0.0] * 3, "std": [1.0] * 3, "input_size": 24, "output": "classes"}
    contrary = cs.Network(Contrary(), **settings)
    with pytest.raises(cs.ConvscopeError, match="different classes of all photographs"):
        cs.transfer(net, folder=folder / "pictures", nets=contrary).result()


# --------------------------------------------------------------------------- several networks


def own(seed: int, labels: list[str] | None = None, size: int = 8) -> cs.Network:
    """A linear network of four classes."""
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * size * size, 4)).double()
    return cs.Network(module, mean=[0.5] * 3, std=[0.25] * 3, input_size=size, labels=labels)


def weight(net: cs.Network) -> Tensor:
    (dense,) = (one for one in net.module.modules() if isinstance(one, nn.Linear))
    return dense.weight.detach().double() / 0.25


def test_a_step_for_two_networks_climbs_the_mean_of_their_margins() -> None:
    nets = own(1), own(2)
    generator = torch.Generator().manual_seed(0)
    image = 0.3 + 0.4 * torch.rand(1, 3, 8, 8, generator=generator, dtype=torch.float64)
    label = 2
    aim = fool_together(nets, image, label)
    *_, found = climb_in_ball(aim, Ball(NORMS["l2"], 0.1), 1, 1.0, wanted=torch.inf)
    pull = torch.zeros(192, dtype=torch.float64)
    margins = []
    for net in nets:
        logits = net.logits(image)[0]
        others = [c for c in range(4) if c != label]
        rival = max(others, key=lambda c: float(logits[c]))
        margins.append(float(logits[rival] - logits[label]))
        pull += weight(net)[rival] - weight(net)[label]
    expected = image + 0.1 * (pull / pull.norm()).view_as(image)
    torch.testing.assert_close(found.images, expected)
    assert float(aim.look(image)) == pytest.approx(sum(margins) / 2)


def test_a_network_that_is_loaded_by_its_name_is_not_taken_twice(folder: Path) -> None:
    first = cs.load(f"{folder}/nets.py:same")
    found = opened_networks(first, (f"{folder}/nets.py:same", f"{folder}/nets.py:other"))
    assert len(found) == 2
    namesake = cs.load(f"{folder}/nets.py:other")
    assert namesake.name == first.name
    assert list(opened_networks(first, (namesake, first)).values()) == [first, namesake]


def nets_of(run: Any) -> Any:
    return run.provenance["parameters"]["nets"]


def test_networks_are_named_once_each() -> None:
    first, second, third = own(1), own(2), own(3)
    found = opened_networks(first, (second, third, second, first))
    assert list(found.values()) == [first, second, third]
    assert len(set(found)) == 3
    assert next(iter(found)) == first.name


def test_a_network_in_an_option_is_recorded_by_the_name_that_loads_it(folder: Path) -> None:
    loaded = cs.load(f"{folder}/nets.py:same")
    options: Any = {"folder": folder / "pictures", "attacks": ("fgsm",), "epsilons": (4,)}
    run = cs.transfer(small_network(), nets=(loaded, own(1)), **options)
    recorded = nets_of(run)
    assert recorded[0] == f"{folder}/nets.py:same"
    assert "own" not in recorded[0]
    assert recorded[1].startswith("<Network")
    named = cs.transfer(small_network(), nets=(recorded[0],), **options)
    assert nets_of(named) == recorded[:1]


def test_a_picture_that_names_code_is_not_made_again_without_consent(folder: Path) -> None:
    net = cs.load(f"{folder}/nets.py:same")
    run = cs.transfer(
        net,
        folder=folder / "pictures",
        nets=f"{folder}/nets.py:other",
        attacks=("fgsm",),
        epsilons=(4,),
    )
    picture = run.save(folder / "table.png")
    with pytest.raises(cs.ConvscopeError, match=r"the network \S*nets.py:other") as refused:
        remake(picture, model=f"{folder}/nets.py:same")
    assert "nets.py:same" not in str(refused.value), "named by the caller"
    again = remake(picture, trust=True).save(folder / "again.png")
    assert read_provenance(again) == read_provenance(picture)
