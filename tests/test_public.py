"""What `import convscope` gives, and what it does not drag in."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import convscope as cs
from convscope.cli import options
from convscope.network import zoo
from convscope.runs import registry

STUB = Path(cs.__file__).with_suffix(".pyi")
HEAVY = ("torch", "timm", "torchvision", "matplotlib", "PIL", "numpy", "pydantic", "skimage")


def stub() -> list[tuple[str, str, str]]:
    """(module, name there, public name) of every line."""
    found = []
    for node in ast.parse(STUB.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            found += [(node.module or "", a.name, a.asname or "") for a in node.names]
    return found


@pytest.mark.parametrize(("module", "name", "public"), stub())
def test_every_name_is_what_the_stub_says(module: str, name: str, public: str) -> None:
    assert public == name, "written 'X as X', which type checkers take for public"
    home = importlib.import_module(f"convscope.{module or name}")
    assert getattr(cs, public) is (getattr(home, name) if module else home)


def test_all_names_the_stub_and_nothing_else() -> None:
    package: Any = cs  # the stub is silent about __all__
    assert sorted(package.__all__) == sorted(public for _, _, public in stub())
    assert set(package.__all__) <= set(dir(cs))


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="salency"):
        _ = cs.salency  # type: ignore[attr-defined]


def test_version_is_one_and_the_same() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", cs.__version__)


def test_the_default_network_is_the_same_from_everywhere() -> None:
    assert options.DEFAULT_MODEL == zoo.DEFAULT
    assert zoo.load.__defaults__ == (zoo.DEFAULT,)


def loaded_by(script: str) -> set[str]:
    """The heavy packages that a fresh Python has loaded after a script."""
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\nimport sys, json\nprint(json.dumps(list(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1])) & set(HEAVY)


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert loaded_by("import convscope; convscope.__version__; dir(convscope)") == set()


@pytest.mark.parametrize("words", [["--help"], ["--version"], [], ["layers", "--help"], ["nosuch"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    script = f"""
import contextlib, io
from convscope.cli import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main.main({words!r})
"""
    assert loaded_by(script) == set()


def test_objects_that_do_import_torch_are_found_by_this_test() -> None:
    assert "torch" in loaded_by("import convscope; convscope.load")


def test_techniques_are_functions_of_the_package() -> None:
    for name in registry.names():
        public = getattr(cs, name)
        assert public.__name__ == name
        assert public.__doc__.startswith(registry.get(name).summary)
