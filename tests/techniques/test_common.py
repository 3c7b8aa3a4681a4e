"""What every technique keeps, whatever it does. A new one needs a row in `ROWS`, and no more."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import convscope as cs
from convscope.runs import catalog, registry
from convscope.testing import Case, parametrize_with_checks
from convscope.testing import case as case_of
from tests.helpers.networks import Own
from tests.helpers.rows import INDEX, ROWS, indexed

NAMES = registry.names()


def options(name: str, net: cs.Network) -> dict[str, Any]:
    """The row of a technique, with an index by the network at hand."""
    if name not in ROWS:
        pytest.fail(f"{name} has no row of quick options: add one in tests/helpers/rows.py")
    row = ROWS[name]
    return row | {"index": indexed(net)} if row.get("index") == INDEX else row


OPTIONS: dict[str, Callable[[cs.Network], dict[str, Any]]] = {
    name: partial(options, name) for name in NAMES
}


@parametrize_with_checks(NAMES, options=OPTIONS)
def test_technique(case: Case, check: Callable[[Case], None]) -> None:
    check(case)


@pytest.fixture(params=NAMES)
def technique(request: pytest.FixtureRequest) -> registry.Technique:
    return registry.get(request.param)


def test_every_row_is_of_a_technique() -> None:
    assert set(ROWS) == set(NAMES)


def test_titles_differ() -> None:
    titles = [registry.get(name).title for name in NAMES]
    assert len(set(titles)) == len(titles)


def test_it_is_public_and_in_the_catalog(technique: registry.Technique) -> None:
    public = getattr(cs, technique.name)
    assert public.__wrapped__ is technique.function
    assert technique.name in dir(cs)
    stub = ast.parse(Path(cs.__file__).with_suffix(".pyi").read_text("utf-8"))
    names = {a.asname for n in ast.walk(stub) if isinstance(n, ast.ImportFrom) for a in n.names}
    assert technique.name in names
    entry = catalog.techniques()[technique.name]
    assert entry.module == technique.function.__module__
    assert entry.summary == technique.summary


def test_no_hook_stays_in_the_prepared_copies(technique: registry.Technique) -> None:
    net = cs.Network(Own().train(), mean=[0.5] * 3, std=[0.5] * 3, input_size=32)
    case_of(technique, OPTIONS[technique.name]).run(net).result()
    prepared = net._prepared
    for root in (prepared.plain, *prepared._variants.values()):
        for module in root.modules():
            kinds = [name for name in vars(module) if name.endswith("_hooks")]
            assert "_forward_hooks" in kinds
            assert not any(getattr(module, kind) for kind in kinds)


# ------------------------------------------------------------------------- in another process


def pictures() -> dict[str, str]:
    """The digest of every technique's picture, made in the opposite order."""
    return {name: case_of(name, OPTIONS[name]).pixels for name in reversed(NAMES)}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[dict[str, str]]:
    """Every technique's picture, made by another process in another order."""
    script = (
        "import json, tests.conftest, tests.techniques.test_common as c;"
        "print(json.dumps(c.pictures()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    yield json.loads(done.stdout)


def test_another_process_makes_the_same_pixels(
    technique: registry.Technique, elsewhere: dict[str, str]
) -> None:
    here = case_of(technique, OPTIONS[technique.name])
    assert elsewhere[technique.name] == here.pixels
