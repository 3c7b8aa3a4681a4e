"""Recipes of the composer: parts, texts and files say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import convscope as cs
from convscope.web import recipes
from convscope.web.examples import PAPERS, examples
from convscope.web.models import Call, RecipeParts, RunRequest, Term
from tests.helpers.networks import own_network
from tests.web.conftest import Server


def call(word: str, **arguments: Any) -> Call:
    return Call(word=word, arguments=arguments)


def recipe(**changes: Any) -> RecipeParts:
    parts: dict[str, Any] = {
        "start": call("fourier", size=32),
        "objective": [Term(weight=1, call=call("logit", target=1))],
        "optimizer": call("adam", lr=0.1),
        "steps": 3,
    }
    return RecipeParts(**{**parts, **changes})


PARTS = {
    "small": recipe(),
    "weights": recipe(
        objective=[
            Term(weight=1, call=call("logit", target="1")),
            Term(weight=-2.5, call=call("tv", beta=1.5)),
            Term(weight=0.5, call=call("peak", target="blocks.0:1")),
        ]
    ),
    "rule": recipe(rule=call("redirected", leak=0.05)),
    "priors": recipe(
        priors=[call("random_affine", scale=[0.9, 1.1]), call("clamp"), call("jitter", shift=2)]
    ),
    "photograph": recipe(
        start=call("photo", image="net.preprocess(image)"),
        objective=[Term(weight=2, call=call("match", layer="blocks.0", image="image"))],
        tile=64,
    ),
    "batch": recipe(
        start=call("noise", count=2, size=32),
        objective=[
            Term(
                weight=1,
                call=call(
                    "each",
                    objectives=[
                        {"word": "logit", "arguments": {"target": 1}},
                        {"word": "logit", "arguments": {"target": 2}},
                    ],
                ),
            )
        ],
    ),
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS.keys())
def test_a_file_gives_the_parts_that_it_was_made_of(parts: RecipeParts, tmp_path: Path) -> None:
    written = recipes.written(parts)
    again = recipes.read(written.toml)
    assert recipes.written(again) == written
    assert again.steps == parts.steps
    assert [term.weight for term in again.objective] == [term.weight for term in parts.objective]
    for given, found in zip(parts.priors, again.priors, strict=True):
        assert given.arguments.items() <= found.arguments.items()
    file = tmp_path / "recipe.toml"
    file.write_text(written.toml, encoding="utf-8")
    photo = torch.full((1, 3, 32, 32), 0.5)
    net = own_network()
    assert cs.open_recipe(file, net=net, image=photo).steps == parts.steps


def test_the_photograph_and_the_input_are_told_apart() -> None:
    again = recipes.read(recipes.written(PARTS["photograph"]).toml)
    assert again.start.arguments["image"] == "net.preprocess(image)"
    assert again.objective[0].call.arguments["image"] == "image"
    assert again.tile == 64


def test_a_run_is_that_of_python(server: Server, tmp_path: Path, photograph: Path) -> None:
    parts = recipe(
        start=call("photo", image="net.preprocess(image)"),
        objective=[Term(weight=1, call=call("logit", target=1)), Term(weight=-3, call=call("tv"))],
        rule=call("redirected"),
    )
    request = RunRequest(
        technique="ascend", network="n0", image="photo", recipe=parts, options={"seed": 4}
    )
    described = server.ask("describe_run", request=request, files=server.files)
    assert (described.steps, described.climbs) == (3, True)
    steps, ended = server.run(tmp_path / "run", request)
    assert (ended.state, ended.problem) == ("done", None)
    net, image = own_network(), cs.open_image(photograph)
    expected = cs.ascend(
        net,
        cs.Recipe(
            start=cs.starts.photo(net.preprocess(image)),
            objective=cs.logit(1) - 3 * cs.tv(),
            rule="redirected",
            optimizer=cs.optimizers.adam(0.1),
            steps=3,
        ),
        image,
        seed=4,
    ).result()
    assert steps[-1].frame.score == [expected.score]


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (recipe(start=call("photo", image="/etc/passwd")), "'/etc/passwd' is a file"),
        (recipe(start=call("maco", spectrum="/etc/passwd")), "'/etc/passwd' is a file"),
        (
            recipe(objective=[Term(weight=1, call=call("activation", target="like:/x.png"))]),
            "'like:/x.png' is a file",
        ),
        (recipe(start=call("noize")), "unknown word 'noize'; did you mean 'noise'"),
        (recipe(start=call("noise", sigma=-1)), "noise: sigma"),
        (recipe(start=call("__import__('os').system", x="ls")), "start: "),
        (recipe(start=call("noise", **{"x=1, sigma": 2})), "start: "),
        (recipe(optimizer=call("noise")), "recipe: optimizer"),
        (recipe(steps=10_000_000), "recipe: steps"),
        (recipe(objective=[]), "objective"),
    ],
)
def test_what_is_wrong_is_one_line(parts: RecipeParts, says: str) -> None:
    with pytest.raises(cs.ConvscopeError) as caught:
        recipes.texts_of(parts)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("start = ", "cannot be read"),
        ("steps = 3", "start is missing"),
        ("start = 'noise()'\nobjective = 'tv()'", "no optimizer"),
        ("start = 'photo(\"sample:chelsea\")'\nobjective = 'tv()'", "is a file"),
        ("x" * 2_000_000, "larger than a megabyte"),
    ],
)
def test_files_that_are_no_recipes(toml: str, says: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=says):
        recipes.read(toml)


def test_every_paper_runs(server: Server, tmp_path: Path) -> None:
    found = server.ask("recipes")
    assert [one.name for one in found] == [one.name for one in PAPERS]
    for one in found:
        parts = one.recipe.model_copy(update={"steps": 1})
        assert recipes.read(recipes.written(one.recipe).toml) == one.recipe
        request = RunRequest(technique="ascend", image="photo", recipe=parts)
        steps, ended = server.run(tmp_path / one.name, request)
        assert (ended.state, ended.problem) == ("done", None), one.name
        assert steps


def test_a_network_without_classes_has_the_papers_that_need_none() -> None:
    hog = cs.load("hog", device="cpu")
    assert {one.name for one in examples(hog)} <= {"deepdream", "inversion", "texture"}


def test_every_word_has_a_form(server: Server) -> None:
    vocabulary = server.ask("vocabulary")
    for words in (vocabulary.starts, vocabulary.rules, vocabulary.priors, vocabulary.optimizers):
        for word in words:
            assert word.summary
            assert all("type" in field for field in word.arguments["properties"].values())
    by_name = {word.name: word.arguments["properties"] for word in vocabulary.objectives}
    assert by_name["logit"]["target"]["format"] == "target"
    assert by_name["match"]["image"]["format"] == "photo"
    assert by_name["direction"]["vector"]["format"] == "vector"
    assert "weighted" not in by_name
    starts = {word.name: word.arguments["properties"] for word in vocabulary.starts}
    assert "spectrum" not in starts["maco"]
