"""How an error names what may have been meant."""

from __future__ import annotations

import pytest

from convscope.errors import ConvscopeError, unknown

ANIMALS = ["tabby", "Tiger", "goldfish", "great white shark", "tiger shark", "cock", "hen"]


@pytest.mark.parametrize(
    ("word", "first"),
    [("tabbi", "tabby"), ("TABBY", "tabby"), ("tigre", "Tiger"), ("goldfsh", "goldfish")],
)
def test_the_nearest_comes_first(word: str, first: str) -> None:
    error = unknown("class", word, ANIMALS)
    assert isinstance(error, ConvscopeError)
    assert str(error).startswith(f"unknown class {word!r}; did you mean {first!r}")
    assert str(error).endswith("?")


def test_names_that_contain_the_word_are_named_too() -> None:
    assert "'great white shark'" in str(unknown("class", "shark", ANIMALS))


def test_few_names_are_all_given_where_none_is_near() -> None:
    assert str(unknown("rule", "zzzz", ["plain", "guided"])) == (
        "unknown rule 'zzzz'; there are 'plain', 'guided'"
    )


def test_of_many_names_none_is_given_where_none_is_near() -> None:
    many = [f"layer.{i}" for i in range(100)]
    assert str(unknown("layer", "zzzz", many)) == "unknown layer 'zzzz'"
    assert str(unknown("layer", "zzzz", many, "try 'layers'")) == (
        "unknown layer 'zzzz'; try 'layers'"
    )
    assert str(unknown("layer", "layer.3", many, "try 'layers'")).endswith("? try 'layers'")


def test_at_most_four_names() -> None:
    many = [f"layer.{i}" for i in range(100)]
    assert str(unknown("layer", "layer", many)).count("'layer.") == 4


def test_nothing_known() -> None:
    assert str(unknown("class", "x", [])) == "unknown class 'x'"
