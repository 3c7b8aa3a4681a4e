"""`convscope words`: every word of a recipe, with its sentence and its arguments."""

from __future__ import annotations

import inspect
import json
from dataclasses import MISSING, dataclass, fields
from importlib.metadata import EntryPoint
from typing import Annotated, Any

import pytest
from pydantic import Field

from convscope.vocabulary import objectives, optimizers, priors, rules, starts
from convscope.vocabulary.norms import NORMS
from tests.helpers.entry_points import entry_point
from tests.helpers.shell import Shell

MODULES = {
    "starts": starts, "objectives": objectives, "rules": rules, "priors": priors,
    "optimizers": optimizers,
}  # fmt: skip


@dataclass(frozen=True)
class glow(objectives.Objective):
    """The brightest pixel."""

    floor: Annotated[float, Field(ge=0, lt=1, description="lowest value that counts")] = 0.5


@pytest.fixture
def told(shell: Shell) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads(shell.works("words", "--json"))
    return found


def test_all_words_by_kind(told: dict[str, list[dict[str, Any]]]) -> None:
    assert list(told) == [*MODULES, "norms"]
    assert [one["name"] for one in told["norms"]] == list(NORMS)
    named = {one["name"] for kind in MODULES for one in told[kind]}
    assert {"photo", "logit", "tv", "redirected", "jitter", "adam", "project_to_ball"} <= named
    for kind, module in MODULES.items():
        for one in told[kind]:
            word = getattr(module, one["name"])
            text = " ".join((inspect.getdoc(word) or "").split())
            assert one["summary"]
            assert text.startswith(one["summary"])
            assert " ".join(f"{one['summary']} {one['description']}".split()) == text


def test_every_argument_has_its_meaning_and_its_default(
    told: dict[str, list[dict[str, Any]]],
) -> None:
    for kind, module in MODULES.items():
        for one in told[kind]:
            declared = fields(getattr(module, one["name"]))
            assert [a["name"] for a in one["arguments"]] == [field.name for field in declared]
            for argument, field in zip(one["arguments"], declared, strict=True):
                assert argument["description"]
                end = "required" if field.default is MISSING else f"default: {field.default!r}"
                assert argument["limits"][-1] == end
                written = field.name if field.default is MISSING else f"{field.name}="
                assert written in one["call"]


def test_the_list_and_one_kind(shell: Shell) -> None:
    text = shell.works("words")
    assert all(f"{kind}: " in text for kind in (*MODULES, "norms"))
    assert "random_affine(rotate=12.0, scale=(0.8, 1.4)" in text
    one = shell.works("words", "priors")
    assert "jitter(shift=16)" in one
    assert "adam" not in one
    assert "objectives: " not in one


def test_one_word_in_full(shell: Shell) -> None:
    text = shell.works("words", "tv")
    assert text.startswith("tv(beta=2.0)  objective\n")
    assert "Total variation, a measure of roughness" in text
    assert "(above 0; at most 100; default: 2.0)" in text
    assert "In Python: cs.objectives.tv()" in text
    assert "no gradient to climb" in shell.works("words", "redirected"), "the rest of its docstring"
    both = shell.works("words", "l2")
    assert ("l2()  objective" in both, "'l2'  norm" in both) == (True, True)


@pytest.mark.parametrize(
    ("name", "near"), [("tvv", "'tv'"), ("prior", "'priors'"), ("jiter", "'jitter'")]
)
def test_a_wrong_word_names_the_nearest(shell: Shell, name: str, near: str) -> None:
    message = shell.fails("words", name)
    assert message.startswith(f"unknown word {name!r}; did you mean ")
    assert near in message


def test_words_of_packages(shell: Shell, plugged_in: list[EntryPoint]) -> None:
    plugged_in.append(entry_point("vocabulary", "glow", "lamps", f"{__name__}:glow"))
    plugged_in.append(entry_point("vocabulary", "gone", "ruins", "nothing_is_there:gone"))
    code, out, err = shell("words", "glow")
    assert code == 0
    assert err.startswith("convscope: the package ruins adds 'gone'")
    assert err.count("\n") == 1
    assert out.startswith("glow(floor=0.5)  objective\n")
    assert "The brightest pixel. (of the package lamps)" in out
    assert "lowest value that counts (at least 0; below 1; default: 0.5)" in out
