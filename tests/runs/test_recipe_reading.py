"""Recipes as text, over the whole vocabulary, which is found by machine."""

from __future__ import annotations

import inspect
import json
import types
import typing
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import AfterValidator, Field
from torch import Tensor

import convscope as cs
from convscope.runs import recipe_reading, recipe_writing
from convscope.types.targets import Target
from convscope.vocabulary import objectives, optimizers, priors, rules, spectra, starts
from convscope.vocabulary.objectives import (
    STATISTICS,
    Objective,
    activation,
    direction,
    each,
    logit,
    match,
    tv,
    weighted,
)
from convscope.vocabulary.optimizers import Optimizer, adam
from convscope.vocabulary.priors import Prior, clamp, random_affine
from convscope.vocabulary.rules import Rule
from convscope.vocabulary.starts import Start, fourier, noise, photo
from convscope.vocabulary.words import WORDS

KINDS: dict[type, types.ModuleType] = {
    Start: starts,
    Objective: objectives,
    Rule: rules,
    Prior: priors,
    Optimizer: optimizers,
}
IMAGE = torch.rand(1, 3, 6, 5, generator=torch.Generator().manual_seed(0))


def public(kind: type) -> list[type]:
    """Every word of a kind that its module shows."""
    room = KINDS[kind]
    return [
        word
        for name, word in inspect.getmembers(room, inspect.isclass)
        if issubclass(word, kind) and word is not kind and not name.startswith("_")
    ]


ALL = [word for kind in KINDS for word in public(kind)]


# ------------------------------------------------------- any value of any word, made by machine


def of_hint(hint: Any, bounds: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """Values of an annotation. An unknown one needs support here and in `recipe_reading`."""
    bounds = bounds or {}
    if hint == starts.Size:
        sides = st.integers(1, starts.LARGEST)
        return st.none() | sides | st.tuples(sides, sides)
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        within = {
            key: getattr(bound, key)
            for note in notes
            for bound in getattr(note, "metadata", ())
            for key in ("ge", "gt", "le", "lt")
            if hasattr(bound, key)
        }
        ascending = any(isinstance(note, AfterValidator) for note in notes)
        found = of_hint(hint, bounds | within)
        return found.map(lambda pair: tuple(sorted(pair))) if ascending else found
    options = get_args(hint)
    if get_origin(hint) in (types.UnionType, typing.Union):
        return st.one_of([of_hint(one, bounds) for one in options])
    if get_origin(hint) is tuple and options[-1] is ...:
        return st.lists(of_hint(options[0]), min_size=1, max_size=3).map(tuple)
    if get_origin(hint) is tuple:
        return st.tuples(*map(of_hint, options))
    if get_origin(hint) is Literal:
        return st.sampled_from(options)
    if hint in KINDS:
        return of_kind(hint)
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    known: dict[Any, st.SearchStrategy[Any]] = {
        type(None): st.none(),
        bool: st.booleans(),
        int: st.integers(low, high),
        float: st.floats(
            low,
            high,
            exclude_min="gt" in bounds,
            exclude_max="lt" in bounds,
            allow_nan=False,
            allow_infinity=False,
        ),
        str: st.text(st.characters(codec="utf-8")),
        Target: st.builds(
            Target, st.sampled_from(["conv", "blocks.4"]), st.none() | st.integers(0, 9)
        ),
        Tensor: st.just(IMAGE)
        | st.lists(st.floats(width=32, allow_nan=False), min_size=1).map(torch.tensor),
    }
    assert hint in known, f"no text for {hint}: recipe_reading.py has to learn it"
    return known[hint]


def of_word(word: type) -> st.SearchStrategy[Any]:
    hints = get_type_hints(word, include_extras=True)
    if word is clamp:
        return st.tuples(of_hint(float), of_hint(float)).map(lambda pair: clamp(*sorted(pair)))
    values = {f.name: of_hint(hints[f.name]) for f in fields(word)}
    if word is match:  # only statistics take an image_mask
        of_statistics = st.builds(match, **values | {"by": st.sampled_from(list(STATISTICS))})
        return of_statistics | st.builds(match, **values | {"image_mask": st.none()})
    return st.builds(word, **values)


def of_kind(kind: type) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: st.one_of([of_word(word) for word in public(kind)]))


def same(one: object, other: object) -> bool:
    """Equal in every part, tensors by their numbers; a target is the word that names it."""
    if isinstance(one, Target):
        return (str(one) if one.layer else one.spec) == other
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and torch.equal(one.double(), other.double())
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)
        )
    return type(one) is type(other) and one == other


def again(recipe: cs.Recipe, image: Tensor | None = IMAGE) -> cs.Recipe:
    """Through text, and through JSON, in which pictures carry it."""
    return recipe_reading.compose(
        json.loads(json.dumps(recipe_writing.write(recipe, image=image))), image=image
    )


def recipe_of(value: object) -> cs.Recipe:
    """The smallest recipe with this value in it."""
    parts: dict[str, Any] = {"start": noise(), "objective": logit(1)}
    match value:
        case Start():
            parts["start"] = value
        case Objective():
            parts["objective"] = value
        case Rule():
            parts["rule"] = value
        case Prior():
            parts["priors"] = (value,)
        case Optimizer():
            parts["optimizer"] = value
    recipe = cs.Recipe(**parts)
    assert any(part is value for part in (*vars(recipe).values(), *recipe.priors))
    return recipe


def test_every_word_is_found_and_means_one_thing() -> None:
    assert set(WORDS.values()) == set(ALL)
    assert len({word.__name__ for word in ALL}) == len(ALL)
    assert {"logit", "fourier", "guided", "random_affine", "adam"} < set(WORDS)


@pytest.mark.parametrize("word", ALL, ids=lambda word: word.__name__)
def test_every_word_comes_back_from_its_text(word: type) -> None:
    @settings(
        max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(of_word(word))
    def check(value: Any) -> None:
        recipe = recipe_of(value)
        assert same(recipe, again(recipe))

    check()


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.fixed_dictionaries(
        {
            "start": of_kind(Start),
            "objective": of_kind(Objective),
            "rule": st.sampled_from(["deconv", "guided", "plain", "redirected"]) | of_kind(Rule),
            "priors": st.lists(of_kind(Prior), max_size=3),
            "optimizer": st.none() | of_kind(Optimizer),
            "steps": st.integers(1, 10**6),
        }
    )
    .filter(
        lambda parts: (
            not isinstance(parts["optimizer"], optimizers.lbfgs)
            or not any(prior.random_view for prior in parts["priors"])
        )
    )
    .map(lambda parts: cs.Recipe(**parts))
)
def test_every_recipe_comes_back_from_its_text(recipe: cs.Recipe) -> None:
    found = again(recipe)
    assert same(recipe, found)
    assert recipe_writing.write(found, image=IMAGE) == recipe_writing.write(recipe, image=IMAGE)


def test_every_part_of_a_recipe_is_written() -> None:
    """Also one that `Recipe` gets one day."""
    hints = get_type_hints(cs.Recipe)
    for field in fields(cs.Recipe):
        for hint in get_args(hints[field.name]) or (hints[field.name],):
            assert hint in (*KINDS, str, int, Prior, ..., type(None)), "compose has to learn it"
    recipe = cs.Recipe(start=noise(), objective=logit(1), optimizer=adam(), priors=(clamp(),))
    given_ = {name: value for name, value in vars(recipe).items() if value is not None}
    assert set(recipe_writing.write(recipe)) == set(given_)


# ------------------------------------------------------------------------------ what texts mean


def read(**texts: Any) -> cs.Recipe:
    image = texts.pop("image", None)
    return recipe_reading.compose(
        {"start": "noise()", "objective": "logit(1)"} | texts, image=image
    )


OBJECTIVES: list[tuple[str, Objective]] = [
    ("logit('volcano')", logit("volcano")),
    ("logit(target=980)", logit(980)),
    ("logit(1) - 600 * tv()", weighted(((1.0, logit(1)), (-600.0, tv())))),
    ("logit(1) - 600 * tv()", logit(1) - 600 * tv()),
    ("-logit(1)", weighted(((-1.0, logit(1)),))),
    ("tv() * 2", weighted(((2.0, tv()),))),
    ("(logit(1) - 3 * tv()) / 2", weighted(((0.5, logit(1)), (-1.5, tv())))),
    ("2 * (logit(1) - 3 * tv(1.5))", weighted(((2.0, logit(1)), (-6.0, tv(1.5))))),
    ("(1 + 1) / 4 * tv()", weighted(((0.5, tv()),))),
    ("logit(1) + (logit(2) - tv())", logit(1) + (logit(2) - tv())),
    ("each((logit(1), logit(2) - tv()))", each((logit(1), logit(2) - tv()))),
    ("each([logit(1), logit(2)])", each((logit(1), logit(2)))),
    ("each((logit(1), logit(2))) - 3 * tv()", each((logit(1), logit(2))) - 3 * tv()),
    ("weighted(((2, logit(1)),))", weighted(((2.0, logit(1)),))),
    ("\n  logit(1)  # a class\n  - 3 * tv()\n", logit(1) - 3 * tv()),
    ("activation('blocks.4:12@7,7')", activation("blocks.4:12@7,7")),
]


@pytest.mark.parametrize(("text", "value"), OBJECTIVES)
def test_an_objective_is_what_python_makes_of_its_text(text: str, value: Objective) -> None:
    assert read(objective=text).objective == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (logit(1) - 600 * tv(), "logit(target=1) - 600.0 * tv(beta=2.0)"),
        (-0.5 * logit("a") + tv(1.0), "-0.5 * logit(target='a') + tv(beta=1.0)"),
        (1.0 * logit(1), "1.0 * logit(target=1)"),
        (
            weighted(((2.0, weighted(((3.0, logit(1)),))),)),
            "weighted(terms=((2.0, 3.0 * logit(target=1)),))",
        ),
    ],
)
def test_an_objective_is_written_as_a_person_would(value: Objective, text: str) -> None:
    assert recipe_writing.write(cs.Recipe(start=noise(), objective=value))["objective"] == text


def test_only_start_and_objective_are_required() -> None:
    assert read() == cs.Recipe(start=noise(), objective=logit(1))
    with pytest.raises(cs.ConvscopeError, match=r"^recipe: objective is missing$"):
        recipe_reading.compose({"start": "noise()"})


def test_all_parts() -> None:
    found = read(
        start="noise(sigma=0, size=8)",
        rule="redirected(leak=0.05)",
        priors=["random_affine(rotate=12, scale=(0.8, 1.4), shift=14)", "clamp()"],
        optimizer="adam(0.05)",
        steps=256,
    )
    assert found == cs.Recipe(
        start=noise(sigma=0.0, size=8),
        objective=logit(1),
        rule=rules.redirected(leak=0.05),
        priors=(random_affine(12.0, (0.8, 1.4), 14.0), clamp()),
        optimizer=adam(0.05),
        steps=256,
    )
    assert read(rule="guided").rule == "guided"
    assert read(optimizer=None).optimizer is None, "null, in JSON"


@pytest.mark.filterwarnings("error")
def test_odd_backslashes_are_taken_as_they_are() -> None:
    assert read(objective=r"logit('a\dog')").objective == logit(r"a\dog")


def test_a_vector_is_a_list_of_numbers() -> None:
    objective = read(objective="direction('conv', [0.1, -2, 3])").objective
    assert isinstance(objective, direction)
    assert torch.equal(objective.vector.float(), torch.tensor([0.1, -2.0, 3.0]))


def test_numpys_numbers_are_numbers() -> None:
    recipe = cs.Recipe(
        start=noise(sigma=np.float32(0.5)),  # type: ignore[arg-type]
        objective=np.float64(2.0) * logit(np.int64(7)),  # type: ignore[arg-type]
    )
    assert again(recipe) == cs.Recipe(start=noise(sigma=0.5), objective=2.0 * logit(7))


@pytest.mark.parametrize(
    ("target", "word"),
    [
        (Target("", 281, label="tabby"), 281),
        (Target("blocks.4", 12, (7, 7)), "blocks.4:12@7,7"),
        (Target("", 5), 5),
        (Target(""), ""),
    ],
)
def test_a_target_is_written_as_what_names_it(target: Target, word: str | int) -> None:
    recipe = cs.Recipe(start=noise(), objective=objectives.peak(target))
    assert again(recipe).objective == objectives.peak(word)


# --------------------------------------------------------------------------------- photographs


@pytest.fixture
def here(tmp_path: Path) -> Path:
    Image.effect_mandelbrot((60, 50), (-2, -1, 1, 1), 30).save(tmp_path / "mine.png")
    return tmp_path


def test_the_photograph_given_goes_by_the_name_image() -> None:
    start = read(start="photo(image)", image=IMAGE).start
    assert isinstance(start, photo)
    assert start.image is IMAGE
    with pytest.raises(cs.ConvscopeError, match=r"^start: the recipe needs a photograph"):
        read(start="photo(image)")


def test_only_a_tensor_that_is_the_photograph_is_written_as_it(own: cs.Network) -> None:
    objective = logit(1)
    for tensor, text in [
        (IMAGE, "image"),
        (IMAGE.clone(), "image"),
        (own.preprocess(IMAGE), "net.preprocess(image)"),
        (IMAGE + 0.01, "unwritable('a tensor of 1 x 3 x 6 x 5')"),
        (IMAGE[..., :4], "unwritable('a tensor of 1 x 3 x 6 x 4')"),
    ]:
        texts = recipe_writing.write(
            cs.Recipe(start=photo(tensor), objective=objective),
            image=IMAGE,
            preprocess=own.preprocess,
        )
        assert texts["start"] == f"photo(image={text})"
        assert recipe_writing.needs_image(texts) is text.endswith(("image", "image)"))
    assert (
        "unwritable"
        in recipe_writing.write(cs.Recipe(start=photo(IMAGE), objective=objective))["start"]
    )


def test_what_the_network_sees_of_it(own: cs.Network, here: Path) -> None:
    mine = cs.open_image(here / "mine.png")
    texts = {
        "start": "photo(net.preprocess(image))",
        "objective": "match('blocks', net.preprocess('mine.png'))",
        "priors": ["project_to_ball(net.preprocess(image), 2)"],
    }
    recipe = recipe_reading.compose(texts, image=IMAGE, preprocess=own.preprocess, folder=here)
    assert isinstance(recipe.start, photo)
    assert isinstance(recipe.objective, match)
    assert torch.equal(recipe.start.image, own.preprocess(IMAGE))
    assert torch.equal(recipe.objective.image, own.preprocess(mine))
    written = recipe_writing.write(recipe, image=IMAGE, preprocess=own.preprocess)
    assert written["objective"] == (
        f"match(layer='blocks', image=net.preprocess({str(here / 'mine.png')!r}), by='l2',"
        " mask=None, image_mask=None)"
    )
    assert same(recipe_reading.compose(written, image=IMAGE, preprocess=own.preprocess), recipe)
    for argument in ("", "3", "image, image", "direction"):
        with pytest.raises(cs.ConvscopeError, match=r"net\.preprocess takes|write direction\("):
            recipe_reading.compose(
                texts | {"start": f"photo(net.preprocess({argument}))"}, image=IMAGE
            )
    with pytest.raises(cs.ConvscopeError, match=r"net\.preprocess needs a network: open_recipe"):
        recipe_reading.compose(texts, image=IMAGE)


def test_a_path_is_opened_and_its_file_is_known_again(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "mine.toml").write_text(
        "start = \"photo('mine.png')\"\nobjective = \"match('x', 'sample:coffee')\"\n"
    )
    recipe = cs.open_recipe(here / "mine.toml")
    assert isinstance(recipe.start, photo)
    assert torch.equal(recipe.start.image, cs.open_image(here / "mine.png"))
    texts = recipe_writing.write(recipe)
    assert texts["start"] == f"photo(image={str((here / 'mine.png').resolve())!r})"
    assert "image='sample:coffee'" in texts["objective"]
    assert texts["files"].keys() == {str((here / "mine.png").resolve()), "sample:coffee"}
    monkeypatch.chdir("/")
    assert same(recipe_reading.compose(texts), recipe)
    Image.new("RGB", (60, 50)).save(here / "mine.png")
    with pytest.raises(cs.ConvscopeError, match=r"^start: .*mine\.png has changed: it is not this"):
        recipe_reading.compose(texts)
    (here / "mine.png").unlink()
    with pytest.raises(cs.ConvscopeError, match=r"^start: no image at .*mine\.png$"):
        recipe_reading.compose(texts)
    with pytest.raises(cs.ConvscopeError, match=r"^files: .*, not 3$"):
        recipe_reading.compose(texts | {"files": 3})


def test_a_spectrum_lies_beside_its_recipe_and_is_known_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = spectra.save(tmp_path / "own.npz", torch.rand(3, 4, 3))
    (tmp_path / "a.toml").write_text("start = \"maco(spectrum='own.npz')\"\nobjective = 'tv()'\n")
    monkeypatch.chdir(tmp_path)
    recipe = cs.open_recipe("a.toml")
    assert isinstance(recipe.start, starts.maco)
    assert recipe.start.spectrum == str(file)
    texts = recipe_writing.write(recipe)
    monkeypatch.chdir("/")
    assert same(recipe_reading.compose(texts), recipe)
    spectra.save(file, torch.rand(3, 4, 3))
    with pytest.raises(cs.ConvscopeError, match=r"^start: .*own\.npz has changed: it is not this"):
        recipe_reading.compose(texts)


def test_what_has_no_text_is_refused() -> None:
    @dataclass(frozen=True)
    class mine(Objective):
        pass

    recipe = cs.Recipe(start=fourier(image=IMAGE), objective=logit(1) - 2 * mine())
    texts = recipe_writing.write(recipe)
    assert texts["objective"].endswith("2.0 * unwritable('a word of its own, mine')")
    message = (
        r"^start: the recipe was composed in Python with a tensor of 1 x 3 x 6 x 5, which a text"
        r" cannot hold; run it again in Python$"
    )
    with pytest.raises(cs.ConvscopeError, match=message):
        recipe_reading.compose(texts)

    @dataclass(frozen=True)
    class tv(Objective):  # is not the word of that name
        pass

    assert (
        "unwritable" in recipe_writing.write(cs.Recipe(start=noise(), objective=tv()))["objective"]
    )


# -------------------------------------------------------------------------------------- errors


BAD: list[tuple[dict[str, Any], str]] = [
    ({"start": "fourrier()"}, r"^start: unknown word 'fourrier'; did you mean 'fourier'\?$"),
    ({"start": "noise"}, r"^start: noise is only a name: write noise\(\)$"),
    ({"start": "fourier(decya=1)"}, r"unknown argument of fourier 'decya'; .* 'decay'\?$"),
    ({"start": "noise(1, 2, 3, 4)"}, r"^start: noise takes only sigma, count, size, not 4 values$"),
    ({"priors": ["unit_gradient(1)"]}, r"unit_gradient takes no arguments, not 1 values$"),
    ({"start": "fourier(decay='a')"}, r"^start: fourier: decay: .* valid number, not 'a'$"),
    ({"start": "noise(count=1.5)"}, r"^start: noise: count: .* valid integer, not 1\.5$"),
    ({"start": "noise(count=True)"}, r"^start: noise: count: .* valid integer, not True$"),
    ({"start": "logit(1)"}, r"^recipe: start: .* instance of Start, not logit\(target=1\)$"),
    ({"start": 3}, r"^recipe: start: .* instance of Start, not 3$"),
    ({"start": "photo(3)"}, r"^start: photo: image: .* instance of Tensor, not 3$"),
    ({"start": "photo(('a', 1))"}, r"^start: photo: image: .* instance of Tensor, not \('a', 1\)$"),
    ({"start": "photo('nope.png')"}, r"^start: no image at nope\.png$"),
    ({"start": "photo(imag)"}, r"^start: unknown word 'imag'; did you mean 'image'"),
    ({"objective": "logit()"}, r"^objective: logit: target is missing$"),
    ({"objective": "logit(1, target=2)"}, r"^objective: logit: target is given twice$"),
    ({"objective": "logit(2.5)"}, r"valid string or a valid integer or .* of Target, not 2\.5$"),
    ({"objective": "each(logit(1))"}, r"each: objectives: .* tuple, not logit\(target=1\)$"),
    ({"objective": "each((logit(1), 2))"}, r"each: objectives: .* instance of Objective, not 2$"),
    ({"objective": "logit(1"}, r"^objective: 'logit\(1' cannot be read: '\(' was never closed$"),
    ({"objective": "logit(1) logit(2)"}, r"cannot be read: invalid syntax"),
    ({"objective": "1 + tv()"}, r"cannot compute '1 \+ tv\(\)': objectives add "),
    ({"objective": "tv() * tv()"}, r"cannot compute"),
    ({"objective": "tv() / 0"}, r"cannot compute"),
    ({"objective": "2 / tv()"}, r"cannot compute"),
    ({"objective": "True * tv()"}, r"cannot compute"),
    ({"objective": "tv('a' * 3)"}, r"cannot compute"),
    ({"objective": "1 / 0 * tv()"}, r"cannot compute"),
    ({"objective": "cs.logit(1)"}, r"^objective: unknown word 'cs\.logit'; did you mean 'logit'"),
    ({"objective": "logit(*[1])"}, r"'\*\[1\]' cannot stand in a recipe"),
    ({"objective": "logit(**{})"}, r"cannot stand in a recipe"),
    ({"objective": "tv() if 1 else tv()"}, r"cannot stand in a recipe"),
    ({"objective": "b'logit'"}, r"cannot stand in a recipe"),
    ({"objective": "2 ** 9999 * tv()"}, r"cannot stand in a recipe"),
    ({"objective": "__import__('os').system('x')"}, r"unknown word"),
    ({"objective": "direction('a', [" + "9" * 400 + "])"}, r"cannot be read$"),
    ({"objective": "-" * 50_000 + "1"}, r"^objective: .{83} cannot be read$"),
    ({"objective": "(" * 500}, r"cannot be read"),
    ({"objective": "logit('\0')"}, r"cannot be read"),
    ({"rule": "redirect"}, r"^rule: unknown word 'redirect'; did you mean 'redirected'"),
    ({"rule": "redirected(leak='a')"}, r"^rule: redirected: leak: .* valid number, not 'a'$"),
    ({"priors": "clamp()"}, r"^recipe: priors: write a list of priors: \[clamp\(low=0\.0,"),
    ({"priors": ["clamp()", "adam()"]}, r"^recipe: priors: .* of Prior, not adam\(lr=0\.05"),
    ({"priors": ["random_affine(scale=(1, 2, 3))"]}, r"^priors: random_affine: scale: tuple .* 3"),
    ({"priors": ["random_affine(scale=(1, 'a'))"]}, r"^priors: random_affine: scale: .*, not 'a'$"),
    ({"priors": ["project_to_ball([1], 1, 'l3')"]}, r"^priors: .*ball: norm: .*'inf', not 'l3'$"),
    ({"optimizer": "adam('x')"}, r"^optimizer: adam: lr: .* valid number, not 'x'$"),
    ({"optimiser": "adam()"}, r"^unknown part of recipe 'optimiser'; did you mean 'optimizer'\?$"),
    ({"optimiser": "x"}, r"^unknown part of recipe 'optimiser'; did you mean 'optimizer'\?$"),
    ({"seed": 3}, r"^a recipe has no seed; give the seed when you run the recipe$"),
    ({"steps": 0}, r"^recipe: steps: .* equal to 1, not 0$"),
    ({"steps": 2.5}, r"^recipe: steps: .* valid integer, not 2\.5$"),
]  # fmt: skip


@pytest.mark.parametrize(("texts", "message"), BAD, ids=lambda v: str(v)[:50])
def test_a_wrong_text_is_one_line_that_says_where(texts: dict[str, Any], message: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=message) as caught:
        read(**texts)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


def test_bounds_are_those_of_the_words_annotations(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class shiver(Prior):
        shift: Annotated[int, Field(ge=1)] = 1

    monkeypatch.setattr(recipe_reading, "WORDS", {**WORDS, "shiver": shiver})
    assert read(priors=["shiver(2)"]).priors == (shiver(2),)
    with pytest.raises(cs.ConvscopeError, match=r"shiver: shift: .* equal to 1, not 0$"):
        read(priors=["shiver(0)"])


# --------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", "start = 'noise()'\nobjective = '''\nlogit(1)\n'''\nsteps = 2\n"),
        ("a.json", '{"start": "noise()", "objective": "logit(1)", "steps": 2}'),
        ("a.JSON", '\ufeff{"start": "noise()", "objective": "logit(1)", "steps": 2}'),
    ],
)
def test_a_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    expected = cs.Recipe(start=noise(), objective=logit(1), steps=2)
    assert cs.open_recipe(tmp_path / name) == expected
    assert cs.open_recipe(str(tmp_path / name)) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.toml", b"start = 'noise()'\nobjective = oops\n", r"^a\.toml cannot be read: .*line 2"),
        ("a.json", b'{"start": "noise()",\n', r"^a\.json cannot be read: .*line 2"),
        ("a.json", b"[1, 2]", r"^a\.json should hold the parts of a recipe, not \[1, 2\]$"),
        ("a.json", b"[" * 100_000, r"^a\.json cannot be read: "),
        ("a.toml", b"\xff\xfe", r"^a\.toml cannot be read: .*utf-8"),
        ("a.yaml", b"", r"^a\.yaml is not a recipe: its name should end in \.toml or \.json$"),
        ("a.toml", b"start = 'nois()'", r"^a\.toml: start: unknown word 'nois'.*'noise'.*\?$"),
        ("a.toml", b"", r"^a\.toml: recipe: start is missing$"),
    ],
)
def test_a_broken_file(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(cs.ConvscopeError, match=message) as caught:
        cs.open_recipe(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"^no recipe at .*a\.toml$"):
        cs.open_recipe(tmp_path / "a.toml")
    (tmp_path / "b.toml").mkdir()
    with pytest.raises(cs.ConvscopeError, match=r"^b\.toml cannot be read: Is a directory$"):
        cs.open_recipe(tmp_path / "b.toml")
