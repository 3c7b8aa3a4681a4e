"""Who may import whom: downwards only. The list is the plan of the house."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

import convscope

SOURCE = Path(convscope.__file__).parent

# A room may import those that stand before it.
ROOMS = (
    "errors",
    "plugins",
    "types",
    "tensors",
    "system",
    "notebook",
    "progress",
    "files",
    "network",
    "vocabulary",
    "ascent",
    "attribution",
    "render",
    "runs",
    "trust",
    "collection",
    "stylization",
    "synthesis",
    "attacks",
    "compression",
    "evolution",
    "microscope",
    "techniques",
)
# Faces import all rooms but the techniques, which they meet in the registry; nobody imports them.
FACES = ("replay", "testing", "reports", "site", "web", "widgets", "cli")
# Rooms that are one file.
FILES = ("errors", "plugins", "tensors", "system", "notebook", "progress", "replay")
# Their modules are namespaces of words: `objectives.logit`.
NAMESPACES = ("vocabulary",)


def files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def module(file: Path) -> str:
    """A file's dotted name within the package."""
    return ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def room(name: str) -> str:
    """The folder, or the lone file, that a module belongs to."""
    return name.split(".")[0]


@cache
def nodes(file: Path) -> list[ast.AST]:
    """All of a file's syntax tree."""
    return list(ast.walk(ast.parse(file.read_text("utf-8"))))


@cache
def imports(file: Path) -> list[tuple[str, ...]]:
    """Dotted names that a file imports, wherever in it, also under TYPE_CHECKING."""
    found: list[tuple[str, ...]] = []
    for node in nodes(file):
        if isinstance(node, ast.Import):
            found += (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: imports are written out in full"
            assert node.module is not None
            found += ((*node.module.split("."), alias.name) for alias in node.names)
    return found


def own_imports(file: Path) -> Iterator[tuple[str, ...]]:
    """The names of the package that a file imports, without the package's own."""
    for name in imports(file):
        if name[0] == "convscope" and not name[1].startswith("__"):
            yield name[1:]


everywhere = pytest.mark.parametrize(
    "file", files(), ids=lambda file: str(file.relative_to(SOURCE))
)


def test_the_list_names_every_room() -> None:
    found = {room(module(file)) for file in files()} - {"__init__"}
    assert found == {*ROOMS, *FACES}


@everywhere
def test_imports_go_downwards(file: Path) -> None:
    here = room(module(file))
    if here == "__init__":
        assert not set(own_imports(file))
        return
    below = [name for name in ROOMS if name != "techniques"]
    if here in ROOMS:
        below = list(ROOMS[: ROOMS.index(here)])
    found = {room(name[0]) for name in own_imports(file)} - {here}
    if here in FACES:
        found -= set(FACES)
    assert found <= set(below)


@everywhere
def test_other_rooms_are_entered_by_the_front_door(file: Path) -> None:
    """By what a room's `__init__.pyi` offers, never by a module inside it."""
    here = room(module(file))
    for name in own_imports(file):
        inside = name[0] in (here, *NAMESPACES, *FACES)
        if inside or name[0] in FILES:
            continue
        assert len(name) == 2, f"from convscope.{name[0]} import {name[-1]}"
        assert not name[1].startswith("_")


@everywhere
def test_underscores_stay_at_home(file: Path) -> None:
    taken = [name for name in own_imports(file) if name[-1].startswith("_")]
    assert all(name[-1] == "_torchvision" for name in taken)


def _cycle(arrows: dict[str, set[str]]) -> Sequence[str]:
    """Modules that import each other in a circle; () where none do."""

    def walk(name: str, path: tuple[str, ...]) -> Sequence[str]:
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return ()
        found = next((c for n in sorted(arrows.get(name, ())) if (c := walk(n, (*path, name)))), ())
        done.add(name)
        return found

    done: set[str] = set()
    return next((c for name in arrows if (c := walk(name, ()))), ())


def test_no_circles() -> None:
    known = {module(file) for file in files()}
    arrows = {
        module(file): {
            dotted
            for name in own_imports(file)
            for dotted in (".".join(name), ".".join(name[:-1]))
            if dotted in known and "." in dotted
        }
        for file in files()
    }
    assert not _cycle(arrows)


def test_a_circle_is_found() -> None:
    assert _cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ("b", "c")
    assert not _cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_no_room_has_the_name_of_a_function() -> None:
    """`import convscope.check` would put the module in the place of `cs.check`."""
    names = {file.name.removesuffix(".py") for file in SOURCE.iterdir()}
    package = {name: getattr(convscope, name) for name in dir(convscope)}
    functions = {name for name, value in package.items() if not inspect.ismodule(value)}
    assert not names & (functions - {"__init__", "__pycache__"})


@pytest.mark.parametrize(
    "stub", sorted(SOURCE.rglob("__init__.pyi")), ids=lambda stub: stub.parent.name
)
def test_nothing_in_a_room_has_the_name_of_what_it_offers(stub: Path) -> None:
    """Importing the folder `export` would hide a function `export` of its room."""
    inner = {path.name.removesuffix(".py") for path in stub.parent.iterdir()}
    offered = {
        alias.name
        for node in ast.walk(ast.parse(stub.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }
    assert not inner & offered


@pytest.mark.parametrize(
    "file", [f for f in files() if room(module(f)) == "techniques"], ids=lambda f: f.stem
)
def test_techniques_do_not_import_each_other(file: Path) -> None:
    assert "techniques" not in {name[0] for name in own_imports(file)}


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("matplotlib", {"render"}),
        ("cyclopts", {"cli"}),
        ("fastapi", {"web"}),
        ("starlette", {"web"}),
        ("uvicorn", {"web"}),
        ("rich", {"progress", "cli"}),
        ("IPython", {"notebook"}),
        ("anywidget", {"widgets"}),
        ("jinja2", {"render"}),
        ("timm", set()),  # by the zoo, in one function, because of how it fails
        ("torchvision", set()),
        ("captum", set()),
        ("cv2", {"techniques", "stylization"}),
        ("scipy", {"trust", "collection", "synthesis"}),
        (
            "PIL",
            {
                "files",
                "render",
                "runs",
                "reports",
                "microscope",
                "site",
                "collection",
                "testing",
                "web",
                "widgets",
            },
        ),
        ("av", {"files"}),
        ("pyarrow", {"collection"}),
        ("sklearn", {"collection"}),
        ("openTSNE", {"collection"}),
        ("umap", {"collection"}),
        ("ray", {"collection"}),
        ("faiss", {"collection"}),
        ("lancedb", {"collection"}),
    ],
)
def test_a_package_is_known_to_few(package: str, rooms: set[str]) -> None:
    found = {room(module(f)) for f in files() if any(name[0] == package for name in imports(f))}
    assert found <= rooms


@pytest.mark.parametrize(
    "file",
    [f for f in files() if room(module(f)) != "cli"],
    ids=lambda file: str(file.relative_to(SOURCE)),
)
def test_the_library_does_not_print(file: Path) -> None:
    calls = [node for node in nodes(file) if isinstance(node, ast.Call)]
    names = {n.func.id for n in calls if isinstance(n.func, ast.Name)}
    assert "print" not in names
    assert "input" not in names
