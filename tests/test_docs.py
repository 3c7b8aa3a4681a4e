"""The documentation keeps up with the package. The site itself is built by `make docs`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

import convscope as cs
from convscope.runs import catalog, registry
from convscope.testing import case
from convscope.testing.declaration import check_documentation

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"


def example(name: str) -> Path:
    return EXAMPLES / f"plot_{name}.py"


@pytest.mark.parametrize("name", registry.names())
def test_every_technique_has_its_page(name: str) -> None:
    file = example(name)
    assert file.is_file(), f"write {file.relative_to(ROOT)}: CONTRIBUTING.md says what is in it"
    technique = registry.get(name)
    page = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    title, underline, *_ = page.splitlines()
    assert title == technique.title
    assert underline == "=" * len(title)
    for part in ("**How to read it.**", "**Its limits.**", "**Paper.**"):
        assert part in page
    assert technique.url in page


@pytest.mark.parametrize("name", registry.names())
def test_every_page_runs_its_technique_on_the_default_network(name: str) -> None:
    calls = [ast.unparse(node) for node in ast.walk(ast.parse(example(name).read_text("utf-8")))]
    assert "cs.load()" in calls
    assert f"cs.{name}" in calls


def test_every_page_is_of_a_technique() -> None:
    assert {file.stem.removeprefix("plot_") for file in EXAMPLES.glob("plot_*.py")} == set(
        registry.names()
    )


def test_every_public_name_is_documented() -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    named = set(re.findall(r"(?:convscope|cs)\.(\w+)|`(\w+)`", page))
    missing = set(dir(cs)) - {word for pair in named for word in pair}
    assert not missing, "docs/api.md does not name them"


def test_a_warning_fails_the_build() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (command,) = re.findall(r"sphinx-build (.*) docs docs/_build/html", makefile)
    assert {"-W", "-n"} <= set(command.split())
    settings = ast.parse((ROOT / "docs" / "conf.py").read_text("utf-8"))
    values = {
        ast.unparse(n.targets[0]): n.value for n in settings.body if isinstance(n, ast.Assign)
    }
    assert ast.literal_eval(values["nitpicky"]) is True
    assert "suppress_warnings" not in values


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> registry.Technique:
    """The technique that CONTRIBUTING.md shows, registered for one test."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    monkeypatch.setattr(catalog, "_added", dict(catalog._added))
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    source = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert source is not None
    before = set(registry._registered)
    exec(compile(source[1], "CONTRIBUTING.md", "exec"), {"__name__": "written"})
    (name,) = set(registry._registered) - before
    return registry.get(name)


def test_the_technique_in_contributing_works(
    written: registry.Technique, own: cs.Network, own_photo: Tensor
) -> None:
    check_documentation(case(written))
    assert f"plot_{written.name}.py" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    result = written.run(own, own_photo, target=1).result()
    gradient = cs.saliency(own, own_photo, target=1).result().gradient
    seen = own.preprocess(own_photo)[0].numpy()
    assert result.heatmap is not None
    np.testing.assert_allclose(result.heatmap, (gradient * seen).sum(0), rtol=1e-5, atol=1e-7)
    assert min(result.picture.size) > 100
