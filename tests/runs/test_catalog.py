"""Techniques that are listed without being imported: convscope's own and those of packages."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import convscope as cs
from convscope.cli.app import COMMANDS
from convscope.plugins import PluginWarning
from convscope.runs import catalog, registry
from tests.helpers.entry_points import entry_point

registry.techniques()  # or they would be registered for the time of one test only

SOURCE = '''
from collections.abc import Iterator
import convscope as cs
from convscope.types import Frame
LOADED = True

@cs.technique(title="Mirror", paper="Nobody 2024", url="https://example.org"{command})
def mirror(net: cs.Network) -> Iterator[Frame]:
    """A sentence about mirrors.

    And more.
    """
    yield Frame()
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugged_in: list[EntryPoint]) -> Path:
    """The source of a package that adds the technique `mirror`; its own file fails."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    monkeypatch.setattr(catalog, "_added", dict(catalog._added))
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "mirrors"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "glass.py").write_text(SOURCE.format(command=""))
    plugged_in.append(entry_point("techniques", "mirror", "mirror-pack", "mirrors.glass:mirror"))
    for name in ("mirrors", "mirrors.glass"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder


def test_the_commands_that_no_technique_may_have() -> None:
    names = {command.__name__ for command in COMMANDS}
    assert names == catalog.COMMANDS


def test_a_package_is_listed_without_being_imported(package: Path) -> None:
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    entry = catalog.techniques()["mirror"]
    assert (entry.command, entry.module) == ("mirror", "mirrors.glass")
    assert entry.summary == "A sentence about mirrors."
    assert entry.package == "mirrors"
    assert "mirror" not in catalog.own()
    assert "mirrors" not in sys.modules


def test_it_is_imported_when_it_is_asked_for(package: Path, own: cs.Network) -> None:
    assert registry.get("mirror").title == "Mirror"
    assert registry.get("mirror").run(own).result().step == 1
    assert "mirror" in [one.name for one in registry.techniques()]


def test_its_command_stands_in_its_source(package: Path) -> None:
    (package / "glass.py").write_text(SOURCE.format(command=', command="look"'))
    assert catalog.techniques()["mirror"].command == "look"


@pytest.mark.parametrize(
    ("keywords", "chapter"),
    [
        ("", catalog.PLUG_INS),
        (', chapter="Which pixels matter"', "Which pixels matter"),
        (", chapter=HERE", catalog.PLUG_INS),
        (', chapter="Nowhere"', catalog.PLUG_INS),
    ],
)
def test_its_chapter_stands_in_its_source(package: Path, keywords: str, chapter: str) -> None:
    (package / "glass.py").write_text(SOURCE.format(command=keywords))
    assert catalog.techniques()["mirror"].chapter == chapter


def test_techniques_of_our_own_have_a_chapter_that_is_not_for_plug_ins() -> None:
    for name, entry in catalog.own().items():
        assert entry.chapter == registry.get(name).chapter != catalog.PLUG_INS


def test_a_chapter_that_is_unknown_is_refused() -> None:
    with pytest.raises(cs.ConvscopeError, match=r"unknown chapter 'Which pixel matters'; did you"):
        cs.technique(title="a", paper="b", url="c", chapter="Which pixel matters")


@pytest.mark.parametrize("command", ["saliency", "doctor", "map"])
def test_a_command_that_is_taken_is_refused_aloud(package: Path, command: str) -> None:
    (package / "glass.py").write_text(SOURCE.format(command=f', command="{command}"'))
    with pytest.warns(PluginWarning, match=rf"^mirror-pack adds 'mirror' .* command '{command}'"):
        assert "mirror" not in catalog.techniques()


@pytest.mark.parametrize("name", ["gradcam", "map", "ascend", "replay"])
def test_a_name_that_is_taken_is_refused_aloud(
    package: Path, plugged_in: list[EntryPoint], name: str
) -> None:
    plugged_in.append(entry_point("techniques", name, "rival", "mirrors.glass:mirror"))
    with pytest.warns(PluginWarning, match=f"^rival adds {name!r} .* convscope has that name"):
        found = catalog.techniques()
    assert "mirror" in found
    assert name not in found or found[name].package == "convscope"


def test_registering_a_taken_name_is_an_error(package: Path) -> None:
    (package / "glass.py").write_text(
        SOURCE.format(command="").replace("def mirror", "def gradcam")
    )
    with pytest.raises(cs.ConvscopeError, match=r"^mirrors\.glass registers a .* 'gradcam', but"):
        __import__("mirrors.glass")
    assert registry.get("gradcam").title == "Grad-CAM"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import nonsense_that_is_not_there", "cannot be imported .*nonsense_that_is_not_there"),
        ("def mirror(:", "cannot be imported .*invalid syntax"),
        ("def mirror(): pass", "registers no technique 'mirror'"),
    ],
)
def test_a_package_that_fails_harms_nothing_else(package: Path, source: str, problem: str) -> None:
    (package / "glass.py").write_text(source)
    assert catalog.techniques()["mirror"].summary == "From the package mirror-pack."
    with pytest.raises(cs.ConvscopeError, match=f"^the package mirror-pack .*{problem}") as raised:
        registry.get("mirror")
    assert "\n" not in str(raised.value)
    with pytest.warns(PluginWarning, match="mirror-pack"):
        names = [one.name for one in registry.techniques()]
    assert names == sorted(catalog.own())


def test_a_module_without_source_is_listed_by_its_package(
    plugged_in: list[EntryPoint],
) -> None:
    plugged_in.append(entry_point("techniques", "blink", "compiled", "sys:blink"))
    assert catalog.techniques()["blink"].summary == "From the package compiled."
