"""Entry points of other packages: listed, refused aloud where a name is taken, imported."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from convscope import plugins
from convscope.errors import ConvscopeError
from tests.helpers.entry_points import entry_point


def technique(name: str, package: str, value: str | None = None) -> EntryPoint:
    return entry_point("techniques", name, package, value)


def test_entry_points_by_name(plugged_in: list[EntryPoint]) -> None:
    plugged_in += [technique("b", "two"), technique("a", "one")]
    assert list(plugins.plugins("techniques", ())) == ["a", "b"]
    assert not plugins.plugins("networks", ())


def test_a_name_of_convscope_is_refused_aloud(plugged_in: list[EntryPoint]) -> None:
    plugged_in += [technique("gradcam", "mine"), technique("other", "mine")]
    with pytest.warns(plugins.PluginWarning, match=r"^mine adds 'gradcam' .* convscope has that"):
        assert list(plugins.plugins("techniques", {"gradcam"})) == ["other"]


def test_of_two_packages_the_first_counts(plugged_in: list[EntryPoint]) -> None:
    plugged_in += [technique("a", "two"), technique("a", "one")]
    with pytest.warns(plugins.PluginWarning, match=r"^two adds 'a' .* one has that name"):
        found = plugins.plugins("techniques", ())
    assert found["a"].value == "one.module:a"


def test_a_name_that_would_control_a_terminal_is_refused(plugged_in: list[EntryPoint]) -> None:
    plugged_in += [technique("a\x1b[2J", "one"), technique("b", "two")]
    with pytest.warns(plugins.PluginWarning, match=r"^one adds 'a\\x1b\[2J' .* cannot be printed"):
        assert list(plugins.plugins("techniques", ())) == ["b"]


def test_a_plugin_is_imported() -> None:
    assert plugins.load_plugin(technique("path", "one", "pathlib:Path")) is Path


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no_such_module:x", r"ModuleNotFoundError: No module named 'no_such_module'"),
        ("pathlib:no_such_name", r"AttributeError: .*no_such_name"),
    ],
)
def test_a_plugin_that_cannot_be_imported_names_its_package(value: str, problem: str) -> None:
    message = rf"^the package mine adds 'x' to convscope.techniques, which cannot be .*{problem}"
    with pytest.raises(ConvscopeError, match=message):
        plugins.load_plugin(technique("x", "mine", value))
