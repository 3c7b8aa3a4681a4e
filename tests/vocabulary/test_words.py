"""Words that installed packages add: known in every text, refused aloud where names clash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Annotated, Any

import pytest
import torch
from pydantic import Field
from torch import Tensor

import convscope as cs
from convscope import plugins
from convscope.files import read_provenance
from convscope.plugins import PluginWarning
from convscope.runs import recipe_reading, recipe_writing
from convscope.vocabulary import objectives, optimizers, priors, rules, starts
from convscope.vocabulary.words import WORDS, as_rule, name_of, package_of
from tests.helpers import toys
from tests.helpers.entry_points import entry_point


@dataclass(frozen=True)
class imaginary(objectives.Objective):
    """The standard deviation of the pixels."""

    power: Annotated[float, Field(gt=0, le=4, description="exponent")] = 1.0

    def bind(self, net: cs.Network) -> objectives.Bound:
        return objectives.Bound(frozenset(), lambda _, image: image.flatten(1).std(1) ** self.power)


@dataclass(frozen=True)
class stripes(starts.Start):
    """Black and white columns."""

    def canvas(self, net: cs.Network, generator: torch.Generator) -> starts.Canvas:
        height, width = net.input_size
        column = torch.arange(width, dtype=net.dtype) % 2
        return starts.Canvas(column.expand(1, len(net.mean), height, width).contiguous())


@dataclass(frozen=True)
class flip(priors.Prior):
    """The network sees the image mirrored."""

    def view(self, image: Tensor, generator: torch.Generator) -> Tensor:
        return image.flip(3)


@dataclass(frozen=True)
class momentum(optimizers.Optimizer):
    """Gradient steps with much momentum."""

    def build(self, parameters: Tensor) -> torch.optim.Optimizer:
        return torch.optim.SGD([parameters], lr=0.1, momentum=0.9)


@dataclass(frozen=True)
class halved(rules.plain):
    """Half the gradient."""


@dataclass(frozen=True)
class leaky(rules.plain):
    """Needs an argument."""

    leak: float


class NotAWord:
    pass


class NotADataclass(priors.Prior):
    pass


ADDED = (imaginary, stripes, flip, momentum, halved)
TEXTS = {
    "start": "stripes()",
    "objective": "2 * imaginary(2) - tv()",
    "rule": "halved",
    "priors": ["flip()", "clamp()"],
    "optimizer": "momentum()",
    "steps": 2,
}


def word(name: str, package: str, value: str = "") -> EntryPoint:
    return entry_point("vocabulary", name, package, value or f"{__name__}:{name}")


@pytest.fixture
def added(plugged_in: list[EntryPoint]) -> Iterator[list[EntryPoint]]:
    plugged_in += [word(one.__name__, "convscope-optics") for one in ADDED]
    yield plugged_in


def test_words_of_a_package_are_listed_like_ours(added: list[EntryPoint]) -> None:
    assert set(WORDS) == set(WORDS.own) | {one.__name__ for one in ADDED}
    assert len(WORDS) == len(list(WORDS))
    for one in ADDED:
        assert WORDS[one.__name__] is one
        assert name_of(one) == one.__name__
        assert package_of(one.__name__) == "convscope-optics"
    assert name_of(priors.jitter) == "jitter"
    assert package_of("jitter") is None
    assert name_of(leaky) is None


def test_none_is_known_without_its_package() -> None:
    assert "imaginary" not in WORDS
    assert set(WORDS) == set(WORDS.own)
    with pytest.raises(KeyError):
        WORDS["imaginary"]


def test_texts_hold_them(added: list[EntryPoint]) -> None:
    recipe = recipe_reading.compose(TEXTS)
    assert recipe == cs.Recipe(
        start=stripes(),
        objective=2 * imaginary(2) - objectives.tv(),
        rule="halved",
        priors=[flip(), priors.clamp()],
        optimizer=momentum(),
        steps=2,
    )
    texts = recipe_writing.write(recipe)
    assert texts["objective"] == "2.0 * imaginary(power=2.0) - tv(beta=2.0)"
    assert texts["packages"] == dict.fromkeys(
        ("stripes", "imaginary", "flip", "momentum"), "convscope-optics"
    )
    assert recipe_reading.compose(texts) == recipe


def test_their_arguments_are_checked(added: list[EntryPoint]) -> None:
    for objective, message in (
        ("imaginary(5)", r"^objective: imaginary: power: .* or equal to 4, not 5$"),
        ("imaginary(powr=2)", r"^objective: unknown argument of imaginary 'powr'; .* 'power'\?$"),
        ("imaginry()", r"^objective: unknown word 'imaginry'; did you mean 'imaginary'.*\?$"),
        ("imaginary", r"^objective: imaginary is only a name: write imaginary\(\)$"),
    ):
        with pytest.raises(cs.ConvscopeError, match=message):
            recipe_reading.compose(TEXTS | {"objective": objective})


def test_a_name_under_which_a_class_is_known(plugged_in: list[EntryPoint]) -> None:
    """The name is the entry point's, not the class's."""
    plugged_in.append(word("mirror", "one", f"{__name__}:flip"))
    assert name_of(flip) == "mirror"
    recipe = recipe_reading.compose(
        {"start": "noise()", "objective": "tv()", "priors": ["mirror()"]}
    )
    assert recipe.priors == (flip(),)
    assert recipe_writing.write(recipe)["priors"] == ["mirror()"]


def test_a_rule_goes_by_its_name(added: list[EntryPoint]) -> None:
    added.append(word("leaky", "one"))
    assert as_rule("halved") == halved()
    with pytest.raises(
        cs.ConvscopeError, match=r"^the rule 'leaky' needs .*: write leaky\(\.\.\.\)$"
    ):
        as_rule("leaky")
    with pytest.raises(cs.ConvscopeError, match=r"^unknown rule 'flip'"):
        as_rule("flip")


def test_a_name_of_ours_is_refused_aloud(plugged_in: list[EntryPoint]) -> None:
    plugged_in.append(word("jitter", "one", f"{__name__}:flip"))
    with pytest.warns(PluginWarning, match=r"^one adds 'jitter' .* convscope has that name"):
        assert set(WORDS) == set(WORDS.own)
    with pytest.warns(PluginWarning):
        assert name_of(flip) is None
    assert WORDS["jitter"] is priors.jitter


@pytest.mark.parametrize("value", ["NotAWord", "NotADataclass", "TEXTS"])
def test_what_is_not_a_word_is_one_line(plugged_in: list[EntryPoint], value: str) -> None:
    plugged_in.append(word("odd", "one", f"{__name__}:{value}"))
    message = (
        r"^priors: the package one adds 'odd' to convscope\.vocabulary, which is not a word: it"
        r" should be a frozen dataclass that inherits from Start, Objective, Rule, Prior or"
        r" Optimizer$"
    )
    with pytest.raises(cs.ConvscopeError, match=message):
        recipe_reading.compose({"start": "noise()", "objective": "tv()", "priors": ["odd()"]})
    # Nobody else is troubled.
    recipe_reading.compose({"start": "noise()", "objective": "tv()"})


def test_a_word_that_cannot_be_imported_is_one_line(plugged_in: list[EntryPoint]) -> None:
    plugged_in.append(word("odd", "one", "nowhere.at_all:odd"))
    with pytest.raises(cs.ConvscopeError, match=r"^start: the package one adds 'odd' .* imported"):
        recipe_reading.compose({"start": "odd()", "objective": "tv()"})


def test_only_the_package_of_a_class_is_imported(plugged_in: list[EntryPoint]) -> None:
    plugged_in.append(word("odd", "one", "nowhere.at_all:odd"))
    assert name_of(flip) is None


def test_a_picture_is_replayed_where_the_package_is_installed(
    added: list[EntryPoint], tmp_path: Any
) -> None:
    net = toys.network(toys.randomized(toys.Residual()), 12)
    run = cs.ascend(net, TEXTS, seed=3)
    parameters = read_provenance(run.save(tmp_path / "a.png"))["parameters"]
    again = cs.ascend(net, **parameters)
    assert again.result().picture.tobytes() == run.result().picture.tobytes()
    added.clear()
    message = (
        r"^start: the word 'stripes' comes from the package convscope-optics, which is not"
        r" installed; install it$"
    )
    plugins._entry_points.cache_clear()
    with pytest.raises(cs.ConvscopeError, match=message):
        cs.ascend(net, **parameters)
