"""Entry points of other packages: taken in by name, and refused aloud where the name is taken."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, EntryPoints

import pytest

from convscope import plugins


class _Package(Distribution):
    """An installed package with only a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def read_text(self, filename: str) -> str | None:
        return None

    def locate_file(self, path: object) -> None:  # type: ignore[override]
        return None


def point(name: str, package: str) -> EntryPoint:
    made = EntryPoint(name, f"{package}.module:{name}", "convscope.techniques")
    vars(made)["dist"] = _Package(package)
    return made


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Entry points as if packages were installed; a test fills the list."""
    points: list[EntryPoint] = []

    def entry_points(group: str) -> EntryPoints:
        return EntryPoints(p for p in points if p.group == group)

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    plugins._entry_points.cache_clear()
    yield points
    plugins._entry_points.cache_clear()


def test_entry_points_by_name(installed: list[EntryPoint]) -> None:
    installed += [point("b", "two"), point("a", "one")]
    assert list(plugins.plugins("techniques", ())) == ["a", "b"]
    assert not plugins.plugins("networks", ())


def test_a_name_of_convscope_is_refused_aloud(installed: list[EntryPoint]) -> None:
    installed += [point("gradcam", "mine"), point("other", "mine")]
    with pytest.warns(plugins.PluginWarning, match=r"^mine adds 'gradcam' .* convscope has that"):
        assert list(plugins.plugins("techniques", {"gradcam"})) == ["other"]


def test_of_two_packages_the_first_counts(installed: list[EntryPoint]) -> None:
    installed += [point("a", "two"), point("a", "one")]
    with pytest.warns(plugins.PluginWarning, match=r"^two adds 'a' .* one has that name"):
        found = plugins.plugins("techniques", ())
    assert found["a"].value == "one.module:a"
