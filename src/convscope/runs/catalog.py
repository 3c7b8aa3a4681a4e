"""Which techniques there are, read from their source without importing them (or torch)."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from convscope import plugins
from convscope.errors import ConvscopeError, in_one_line

FOLDER = Path(__file__).parents[1] / "techniques"
# Commands that are not techniques; no technique may be called so.
COMMANDS = frozenset((
    "ascend", "completion", "doctor", "explore", "export", "index", "layers", "models", "replay",
    "report", "spectrum", "tour", "train_style", "words",
))  # fmt: skip
# The chapters that techniques are listed under, in this order.
CHAPTERS = (
    "What the network sees",
    "What units respond to",
    "Which pixels matter",
    "Images made by optimization",
    "Textures and style",
    "Fooling networks",
    "Beyond ConvNets",
    "Compression",
    "Collections of images",
    "From plug-ins",
)
CLIMBS, PLUG_INS = "Images made by optimization", CHAPTERS[-1]


@dataclass(frozen=True)
class Entry:
    """What is known of a technique before it is imported.

    Attributes:
        name: the name of its function.
        command: its name on the command line.
        module: the module that holds it.
        summary: the first line of its docstring.
        chapter: one of `CHAPTERS`, under which it is listed.
        point: the entry point that adds it; None for a technique that no installed package adds.
    """

    name: str
    command: str
    module: str
    summary: str
    chapter: str = PLUG_INS
    point: EntryPoint | None = None

    @property
    def package(self) -> str:
        """The package that holds it."""
        return self.module.partition(".")[0]


_added: dict[str, Entry] = {}


def add(entry: Entry) -> None:
    """Add a technique that was registered at run time.

    Raises:
        ConvscopeError: a technique of another package has its name or its command.
    """
    for other in techniques().values():
        same = {entry.name, entry.command} & {other.name, other.command}
        if same and other.package != entry.package:
            raise ConvscopeError(
                f"{entry.module} registers a technique {min(same)!r}, but {other.package} has a"
                " technique of that name; choose another name"
            )
    _added[entry.name] = entry


def techniques() -> Mapping[str, Entry]:
    """All techniques by name: convscope's own, those of installed packages, and added ones."""
    return dict(sorted({**own(), **_of_packages(), **_added}.items()))


@cache
def own() -> Mapping[str, Entry]:
    """The techniques of convscope itself: every function under `@technique` in `techniques/`."""
    files = sorted(FOLDER.glob("[!_]*.py"))
    found = [one for file in files for one in _read(file, f"convscope.techniques.{file.stem}")]
    return {entry.name: entry for entry in found}


@cache
def _of_packages() -> Mapping[str, Entry]:
    """The techniques that entry points add, as far as their names and commands are free."""
    taken = COMMANDS.union(own(), (entry.command for entry in own().values()))
    found: dict[str, Entry] = {}
    for name, point in plugins.plugins("techniques", taken).items():
        entry = _described(point)
        commands = {one.command for one in found.values()}
        if entry.command != name and entry.command in taken | commands:
            plugins.ignore(point, f"its command {entry.command!r} is the name of another command")
        else:
            found[name] = entry
    return found


def _described(point: EntryPoint) -> Entry:
    """What the source of an entry point's module says; where there is none, only its name."""
    try:
        file = _source(point.module)
        read = {entry.name: entry for entry in _read(file, point.module)} if file else {}
    except (OSError, ValueError, SyntaxError):  # the error is for whoever calls the technique
        read = {}
    if point.name in read:
        return replace(read[point.name], point=point)
    summary = f"From the package {plugins.package(point)}."
    return Entry(point.name, point.name, point.module, summary, point=point)


def _source(module: str) -> Path | None:
    """The file of a module. Nothing is imported, not even the packages that it is in."""
    package, *inner = module.split(".")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    place = Path(spec.origin)
    if inner:
        place = place.parent.joinpath(*inner)
        place = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return place if place.suffix == ".py" and place.is_file() else None


def _read(file: Path, module: str) -> Iterator[Entry]:
    """Every function under `@technique` in a file."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            for decorator in filter(_registers, node.decorator_list):
                summary = in_one_line((ast.get_docstring(node) or "").partition("\n")[0])
                words = _keywords(decorator)
                command = words.get("command", node.name)
                chapter = words.get("chapter", PLUG_INS)
                chapter = chapter if chapter in CHAPTERS else PLUG_INS
                yield Entry(node.name, command, module, summary, chapter)


def _registers(decorator: ast.expr) -> bool:
    """Whether it is `@technique(...)`, or `@cs.technique(...)`."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(function).rpartition(".")[2] == "technique"


def _keywords(decorator: ast.expr) -> dict[str, str]:
    """The keywords of a decorator that are texts."""
    keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
    return {
        one.arg: one.value.value
        for one in keywords
        if one.arg and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str)
    }
