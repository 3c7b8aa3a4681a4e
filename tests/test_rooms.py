"""Who may import whom: downwards only. The table is the plan of the house."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import convscope

SOURCE = Path(convscope.__file__).parent

# A room may import those that it names, and each of them stands above it in this table.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "_batches": {"errors"},
    "types": set(),
    "tensors": set(),
    "_nonlinear": set(),
    "_catalogue": set(),
    "_trace": {"types", "_nonlinear"},
    "_prepare": {"errors", "_trace"},
    "_fit": {"errors", "types"},
    "_torchvision": set(),
    "_malloc": set(),
    "network": {"errors", "types", "_nonlinear", "_prepare", "_fit", "_torchvision"},
    "zoo": {"errors", "network", "_torchvision"},
    "images": {"errors", "types"},
    "checkpoint": {"errors", "images"},
    "spectra": {"errors", "tensors", "images"},
    "objectives": {"errors", "types", "tensors", "network"},
    "priors": {"errors", "types", "tensors"},
    "starts": {"errors", "types", "tensors", "network", "spectra"},
    "rules": {"errors", "types", "tensors", "_nonlinear"},
    "optimisers": {"errors", "types", "tensors"},
    "recipe": {
        "errors", "types", "tensors", "network", "checkpoint", "objectives", "priors", "starts",
        "rules", "optimisers",
    },
    "portraits": {"types", "network", "objectives", "recipe"},
    "render": {"errors", "types", "tensors"},
    "run": {"errors", "types", "network", "images", "checkpoint", "render"},
    "registry": {"errors", "types", "_catalogue", "network", "run"},
    "words": {
        "errors", "types", "network", "images", "objectives", "priors", "starts", "rules",
        "optimisers", "recipe", "registry",
    },
    "ascend": {"errors", "types", "network", "recipe", "run", "registry", "words"},
    "_defaults": {"errors", "types", "network"},
    "_units": {"types", "tensors", "network"},
    "dataset": {
        "errors", "_batches", "_fit", "_malloc", "types", "tensors", "network", "images",
        "_defaults",
    },
    "attribution": {
        "errors", "_batches", "types", "tensors", "network", "objectives", "starts", "recipe",
    },
    "methods": {"errors", "types", "tensors", "network", "registry", "attribution"},
    "techniques": {
        "errors", "_batches", "types", "tensors", "network", "images", "objectives", "priors",
        "starts", "rules", "optimisers", "recipe", "portraits", "registry", "_defaults", "_units",
        "dataset", "attribution", "methods",
    },
    "check": {
        "errors", "_batches", "types", "network", "run", "registry", "attribution", "methods",
    },
}  # fmt: skip
# Faces import anything but the techniques, which they meet in the registry.
FACES = {
    "cli",
    "exports",
    "_exported",
    "_mapped",
    "tour",
    "replay",
    "folders",
    "_tables",
    "_doctor",
    "_stops",
}


def files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def room(file: Path) -> str:
    """The module of the package, or the folder in it, that a file belongs to."""
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(file: Path) -> Iterator[tuple[str, ...]]:
    """Dotted names that a file imports, wherever in it, also under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: imports are written out in full"
            assert node.module is not None
            yield from ((*node.module.split("."), alias.name) for alias in node.names)


def imported_rooms(file: Path) -> set[str]:
    found = {name[1] for name in imports(file) if name[0] == "convscope"}
    return {name for name in found if not name.startswith("__")}  # __version__ is everyone's


def test_table_goes_downwards_and_names_every_room() -> None:
    above: set[str] = set()
    for name, allowed in ROOMS.items():
        assert allowed <= above, f"{name} would import {allowed - above}, which stands below it"
        above.add(name)
    assert {room(file) for file in files()} - {"__init__"} == set(ROOMS) | FACES


@pytest.mark.parametrize("file", files(), ids=lambda f: str(f.relative_to(SOURCE)))
def test_imports_go_downwards(file: Path) -> None:
    here, found = room(file), imported_rooms(file)
    if here in FACES:
        assert found <= (set(ROOMS) | FACES) - {"techniques"}
    elif here == "__init__":
        assert not found
    else:
        assert found - {here} <= ROOMS[here]


@pytest.mark.parametrize(
    "file", [f for f in files() if room(f) == "techniques"], ids=lambda f: f.stem
)
def test_techniques_do_not_import_each_other(file: Path) -> None:
    assert "techniques" not in imported_rooms(file)


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("matplotlib", {"render"}),
        ("cyclopts", {"cli"}),
        ("rich", {"cli", "_tables"}),
        ("jinja2", {"tour", "_mapped"}),
        ("timm", set()),  # by zoo, in one function, because of how it fails
        ("torchvision", set()),
        ("captum", set()),
        ("cv2", {"techniques"}),
        ("scipy", {"methods", "dataset"}),
        ("PIL", {"images", "render", "run", "tour", "dataset", "exports", "_mapped"}),
        ("pyarrow", {"dataset", "exports"}),
        ("sklearn", {"dataset"}),
        ("openTSNE", {"dataset"}),
        ("umap", {"dataset"}),
        ("ray", {"dataset"}),
        ("faiss", {"dataset"}),
        ("lancedb", {"dataset"}),
    ],
)
def test_a_package_is_known_to_few(package: str, rooms: set[str]) -> None:
    found = {room(f) for f in files() if any(name[0] == package for name in imports(f))}
    assert found <= rooms


@pytest.mark.parametrize(
    "file", [f for f in files() if room(f) != "cli"], ids=lambda f: str(f.relative_to(SOURCE))
)
def test_the_library_does_not_print(file: Path) -> None:
    calls = [n for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.Call)]
    names = {n.func.id for n in calls if isinstance(n.func, ast.Name)}
    assert "print" not in names
    assert "input" not in names
